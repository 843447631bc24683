"""Percentiles of latency samples, and how many samples each percentile needs.

The rule is that of MLPerf LoadGen's early stopping (single stream, zero tolerance, 99% confidence): percentile p of n
samples is supported when at least one sample may lie above a bound that the true percentile does not exceed with 99%
confidence. With t samples above the bound that asks for P(Binomial(n, 1 - p) <= t) <= 0.01, so p50 needs 11 samples,
p90 64, p99 662 and p99.9 6636. The p99.9 of 100 samples would be their maximum, so it is refused.

Sources: Reddi et al., MLPerf Inference Benchmark, ISCA 2020; LoadGen's early-stopping description (MLCommons);
David and Nagaraja, Order Statistics, section 7.1, for the distribution-free bound.
"""

import math
from functools import lru_cache

import numpy as np

from fsd.outputs.profile_scenario import Percentiles

CONFIDENCE = 0.99
RANKS = (50.0, 90.0, 99.0, 99.9)
"""Percentiles of every report, in percent; MLPerf Automotive scores the last one."""


def percentile(values: np.ndarray, rank: float) -> tuple[float, float] | None:
    """Percentile `rank` (in percent) of `values`, and a bound that lies above the true one with 99% confidence.

    Returns:
        The sample at that rank, as LoadGen picks it, and the bound; None for fewer than `samples_needed` samples.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
    count = len(ordered)
    if count < samples_needed(rank):
        return None
    value = ordered[min(int(count * rank / 100), count - 1)]
    return float(value), float(ordered[count - 1 - samples_above_bound(count, rank)])


@lru_cache
def samples_needed(rank: float) -> int:
    """The fewest samples that support percentile `rank`, which lies between 0 and 100."""
    if not 0 < rank < 100:
        raise ValueError(f"A percentile lies between 0 and 100, got {rank:g}.")
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
    # Up to just above the mean: the sum below always exceeds 0.01 there.
    terms = min(count, math.ceil(count * outside + 1))
    k = np.arange(terms)
    steps = np.log((count - k) / (k + 1)) + math.log(outside / inside)
    log_mass = count * math.log(inside) + np.concatenate([[0.0], np.cumsum(steps)])
    return int(np.searchsorted(np.cumsum(np.exp(log_mass)), 1.0 - CONFIDENCE, side="right")) - 1


def summarise_percentiles(values: np.ndarray) -> Percentiles:
    """Percentiles with bounds, extremes, and what was refused; units are those of `values`."""
    values = np.asarray(values, dtype=np.float64).ravel()
    if not len(values):
        return Percentiles(samples=0)
    fields: dict[str, float] = {}
    refused = {}
    for rank in RANKS:
        found, name = percentile(values, rank), f"p{rank:g}"
        if found is None:
            refused[name] = f"needs {samples_needed(rank)} samples, got {len(values)}"
        else:
            field = name.replace(".", "_")
            fields[field], fields[f"{field}_upper_99"] = found
    return Percentiles(
        samples=len(values),
        mean=float(values.mean()),
        min=float(values.min()),
        max=float(values.max()),
        refused=refused,
        **fields,
    )
