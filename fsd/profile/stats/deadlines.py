"""Deadline misses of a paced run, how they cluster, and how evenly plans arrive. Knows times only."""

import numpy as np

from fsd.meters.cpu_steal import NearCpuSteal
from fsd.outputs.profile_scenario import ScenarioDeadline


def check_deadline(
    latency_ms: np.ndarray, deadline_ms: float, near_cpu_steal: np.ndarray | None = None
) -> ScenarioDeadline:
    """Count the misses of a run. A tick that was never planned is a miss, like one that was planned too late.

    Args:
        latency_ms: (T,) from the intended time of each tick to its plan, in order; NaN for a tick never planned.
        deadline_ms: a latency above it is a miss.
        near_cpu_steal: (T,) bool, ticks that were due near CPU steal; None if unknown.
    """
    is_skipped = np.isnan(latency_ms)
    is_miss = ~(latency_ms <= deadline_ms)
    misses, skipped = int(is_miss.sum()), int(is_skipped.sum())
    return ScenarioDeadline(
        deadline_ms=deadline_ms,
        ticks=len(latency_ms),
        late=misses - skipped,
        skipped=skipped,
        misses=misses,
        longest_run=longest_run(is_miss),
        near_cpu_steal=None
        if near_cpu_steal is None
        else NearCpuSteal(int(near_cpu_steal.sum()), int((near_cpu_steal & is_miss).sum())),
    )


def longest_run(is_miss: np.ndarray) -> int:
    """Length of the longest run of True in (T,) bool."""
    edges = np.diff(np.concatenate([[0], np.asarray(is_miss, dtype=np.int8), [0]]))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths.max(initial=0))


def interval_errors_ms(done_ns: np.ndarray, period_ns: float) -> np.ndarray:
    """Jitter: how far each interval between consecutive plans lies from the period, in ms, signed.

    Args:
        done_ns: (T,) times at which plans were ready, in order, without skipped ticks: a skipped tick shows as an
            interval that is one period too long.

    Returns:
        (T - 1,) float64; empty for fewer than two plans.
    """
    return (np.diff(np.asarray(done_ns, dtype=np.float64)) - period_ns) / 1e6
