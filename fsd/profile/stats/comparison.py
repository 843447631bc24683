"""Decide whether the latencies of two runs differ by more than noise.

Within a run, neighbouring ticks are correlated, so whole seconds are resampled (moving block bootstrap; Kunsch, Annals
of Statistics 1989). Between runs, the machine's speed drifts (identical work differs by 1.2-1.4x between minutes on a
shared machine), which resampling cannot show. Every profile measures the machine's peaks first; a change counts only if
it exceeds the difference of those peaks.
"""

import numpy as np

from fsd.data.frames import RATE_HZ
from fsd.outputs.compare_summary import PercentileChange

BLOCK_TICKS = int(RATE_HZ)
RESAMPLES = 1000
INTERVAL = (2.5, 97.5)
SMALLEST_DRIFT = 1.02
"""Repeated runs on a quiet machine still differ by about 2%."""


def compare(old_ms: np.ndarray, new_ms: np.ndarray, rank: float, machine_drift: float) -> PercentileChange:
    """Compare percentile `rank` of two runs. The same samples always give the same result.

    Args:
        old_ms, new_ms: (T,) latencies in the order of the ticks, without NaN, of at least 2 s each.
        machine_drift: how much the machine's own speed differed between the runs, as a ratio of 1 or more.
    """
    rng = np.random.default_rng(0)
    ratios = _resampled(new_ms, rank, rng) / _resampled(old_ms, rank, rng)
    low, high = map(float, np.percentile(ratios, INTERVAL))
    old, new = float(np.percentile(old_ms, rank)), float(np.percentile(new_ms, rank))
    drift = max(machine_drift, SMALLEST_DRIFT)
    verdict = "faster" if high < 1 / drift else "slower" if low > drift else "within noise"
    return PercentileChange(
        percentile=f"p{rank:g}", old_ms=old, new_ms=new, ratio=new / old, low_95=low, high_95=high, verdict=verdict
    )


def drift_between(old_peaks: dict[str, float], new_peaks: dict[str, float]) -> float:
    """The largest ratio, 1 or more, between two runs' measured machine peaks; 1 where they have none in common."""
    ratios = [
        max(new_peaks[name] / old_peaks[name], old_peaks[name] / new_peaks[name])
        for name in old_peaks.keys() & new_peaks.keys()
        if old_peaks[name] > 0 and new_peaks[name] > 0
    ]
    return max(ratios, default=1.0)


def _resampled(values: np.ndarray, rank: float, rng: np.random.Generator) -> np.ndarray:
    """(RESAMPLES,) percentiles of runs joined from random blocks of the measured run."""
    count = len(values)
    blocks = -(-count // BLOCK_TICKS)
    offsets = np.arange(BLOCK_TICKS)
    found = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        starts = rng.integers(0, count - BLOCK_TICKS + 1, blocks)
        sample = values[(starts[:, None] + offsets).ravel()[:count]]
        found[index] = np.percentile(sample, rank)
    return found
