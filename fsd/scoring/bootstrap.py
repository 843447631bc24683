"""Means with 95% bootstrap intervals, over routes or clips: each counts as one sample."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
INTERVAL = (2.5, 97.5)
_DRAWN_AT_ONCE = 1 << 20
"""Indices in memory; all resamples of 10,000 clips would need 160 MB."""


@dataclass(frozen=True)
class Interval:
    """A mean, or a ratio of means, with its 95% bootstrap interval over `count` samples; NaN without any."""

    mean: float
    low: float
    high: float
    count: int


NO_SAMPLES = Interval(float("nan"), float("nan"), float("nan"), 0)


def bootstrap(values: Sequence[float], seed: int = 0) -> Interval:
    """Mean of values and the 2.5 and 97.5 percentiles of resampled means. The same values always give the same result.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return NO_SAMPLES
    means = np.concatenate([array[rows].mean(axis=1) for rows in _resamples(len(array), seed)])
    return _interval(float(array.mean()), means, len(array))


def bootstrap_ratio(above: Sequence[float], below: Sequence[float], seed: int = 0) -> Interval:
    """The sum of some values over the sum of others, one pair per sample; resampled in pairs. NaN where that is 0."""
    numbers = np.stack([np.asarray(above, np.float64), np.asarray(below, np.float64)])
    if not numbers[1].sum():
        return NO_SAMPLES
    sums = np.concatenate([numbers[:, rows].sum(axis=-1) for rows in _resamples(numbers.shape[1], seed)], axis=1)
    has_ratio = sums[1] != 0
    ratios = sums[0, has_ratio] / sums[1, has_ratio]
    return _interval(float(numbers[0].sum() / numbers[1].sum()), ratios, numbers.shape[1])


def _resamples(count: int, seed: int) -> Iterator[np.ndarray]:
    """`RESAMPLES` rows of `count` drawn indices, in parts."""
    rng = np.random.default_rng(seed)
    rows = max(1, _DRAWN_AT_ONCE // count)
    for begin in range(0, RESAMPLES, rows):
        yield rng.integers(0, count, (min(rows, RESAMPLES - begin), count))


def _interval(value: float, resampled: np.ndarray, count: int) -> Interval:
    low, high = np.percentile(resampled, INTERVAL)
    return Interval(value, float(low), float(high), count)
