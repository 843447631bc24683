"""Deadline misses of a paced run, how they cluster, and how evenly plans arrive.

Knows times only. A tick that was never planned (a newer one overtook it) is a miss like one that came too late.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class DeadlineReport:
    """How a paced run kept its deadline.

    Attributes:
        ticks: intended; late: planned after the deadline; skipped: never planned.
        longest_run: most misses (late or skipped) in a row.
    """

    deadline_ms: float
    ticks: int
    late: int
    skipped: int
    longest_run: int

    @property
    def misses(self) -> int:
        """Late and skipped ticks together."""
        return self.late + self.skipped


def check_deadline(latency_ms: np.ndarray, deadline_ms: float) -> DeadlineReport:
    """Count the misses of a run.

    Args:
        latency_ms: (T,) from the intended time of each tick to its plan, in order; NaN for a tick never planned.
        deadline_ms: a latency above it is a miss.
    """
    skipped = np.isnan(latency_ms)
    late = np.where(skipped, np.inf, latency_ms) > deadline_ms
    return DeadlineReport(
        deadline_ms=deadline_ms,
        ticks=len(latency_ms),
        late=int((late & ~skipped).sum()),
        skipped=int(skipped.sum()),
        longest_run=longest_run(late),
    )


def longest_run(is_miss: np.ndarray) -> int:
    """Length of the longest run of True in (T,) bool."""
    edges = np.diff(np.concatenate([[0], np.asarray(is_miss, dtype=np.int8), [0]]))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths.max(initial=0))


def interval_errors_ms(done_ns: np.ndarray, period_ns: float) -> np.ndarray:
    """Jitter: how far each interval between consecutive plans lies from the period, in ms, signed.

    Args:
        done_ns: (T,) times at which plans were ready, in order; ticks never planned are left out by the caller,
            so that a skipped tick shows as an interval one period too long.
        period_ns: nominal.

    Returns:
        (T - 1,) float64; empty for fewer than two plans.
    """
    return (np.diff(np.asarray(done_ns, dtype=np.float64)) - period_ns) / 1e6
