"""Percentiles of latency samples, and how many samples each one needs before it means anything.

The rule is that of MLPerf LoadGen's early stopping (single stream, zero tolerance, 99% confidence): percentile p of n
samples is supported when at least one sample may lie above a bound that the true percentile does not exceed with 99%
confidence. With t samples above the bound that asks for P(Binomial(n, 1 - p) <= t) <= 0.01, so p50 needs 11 samples,
p90 64, p99 662 and p99.9 6636. The p99.9 of 100 samples is their maximum by another name: it is refused.

Sources: Reddi et al., MLPerf Inference Benchmark, ISCA 2020; LoadGen's early-stopping description (MLCommons);
David and Nagaraja, Order Statistics, section 7.1, for the distribution-free bound.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fsd.outputs.profile_scenario import Percentiles

CONFIDENCE = 0.99
RANKS = (50.0, 90.0, 99.0, 99.9)
"""What every report shows, in percent; MLPerf Automotive scores the last one."""


@dataclass(frozen=True, slots=True)
class Percentile:
    """One percentile of a sample.

    `value` is the sample at that rank, as LoadGen picks it; `upper` lies above the true percentile with 99% confidence.
    Both are None when there are fewer than `samples_needed` samples.
    """

    rank: float
    value: float | None
    upper: float | None
    samples: int
    samples_needed: int

    @property
    def name(self) -> str:
        """`p99`, `p99.9` …"""
        return f"p{self.rank:g}"


def percentile(values: np.ndarray, rank: float) -> Percentile:
    """Percentile `rank` (in percent) of `values`, or its refusal."""
    _check_rank(rank)
    ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
    count = len(ordered)
    needed = samples_needed(rank)
    if count < needed:
        return Percentile(rank, None, None, count, needed)
    value = ordered[min(int(count * rank / 100), count - 1)]
    upper = ordered[count - 1 - samples_above_bound(count, rank)]
    return Percentile(rank, float(value), float(upper), count, needed)


@lru_cache
def samples_needed(rank: float) -> int:
    """The fewest samples that support percentile `rank`."""
    _check_rank(rank)
    high = 2
    while samples_above_bound(high, rank) < 1:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if samples_above_bound(middle, rank) < 1:
            low = middle
        else:
            high = middle
    return high


def samples_above_bound(count: int, rank: float) -> int:
    """How many of `count` samples may lie above a 99% upper bound of percentile `rank`; -1 if there is no such bound.

    The largest t with P(Binomial(count, 1 - rank) <= t) <= 0.01.
    """
    inside = rank / 100
    outside = 1.0 - inside
    # Far enough to the right of the mean that the sum below has passed 0.01 in any case.
    terms = min(count, math.ceil(count * outside + 1))
    k = np.arange(terms)
    steps = np.log((count - k) / (k + 1)) + math.log(outside / inside)
    log_mass = count * math.log(inside) + np.concatenate([[0.0], np.cumsum(steps)])
    return int(np.searchsorted(np.cumsum(np.exp(log_mass)), 1.0 - CONFIDENCE, side="right")) - 1


def highest_supported(values: np.ndarray, ranks: Iterable[float] = RANKS) -> Percentile | None:
    """The highest of `ranks` that the sample supports, or None when it supports none."""
    supported = [found for rank in ranks if (found := percentile(values, rank)).value is not None]
    return max(supported, key=lambda found: found.rank, default=None)


def summarise_percentiles(values: np.ndarray) -> Percentiles:
    """Percentiles with bounds, extremes, and what was refused; units are those of `values`."""
    values = np.asarray(values, dtype=np.float64).ravel()
    if not len(values):
        return Percentiles(samples=0)
    found = {each.name.replace(".", "_"): each for each in (percentile(values, rank) for rank in RANKS)}
    return Percentiles(
        samples=len(values),
        **{field: each.value for field, each in found.items()},
        **{f"{field}_upper_99": each.upper for field, each in found.items()},
        mean=float(values.mean()),
        min=float(values.min()),
        max=float(values.max()),
        refused={
            each.name: f"needs {each.samples_needed} samples, got {each.samples}"
            for each in found.values()
            if each.value is None
        },
    )


def _check_rank(rank: float) -> None:
    if not 0 < rank < 100:
        raise ValueError(f"A percentile lies between 0 and 100, got {rank:g}.")
