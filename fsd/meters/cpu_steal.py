"""CPU time that the hypervisor took from this virtual machine (Linux `steal`).

It is read twice per second during a scenario. The program may not be the cause of a tick that is late near CPU steal.
"""

import os
from pathlib import Path

import msgspec
import numpy as np

_STEAL = 8
"""Column of the line `cpu` in /proc/stat. Source: proc_stat(5)."""


class CpuSteal(msgspec.Struct, frozen=True):
    """Steal time in seconds, and its share of all cores' time."""

    seconds: float
    share: float


class NearCpuSteal(msgspec.Struct, frozen=True):
    """Ticks, and deadline misses, that were due during or just after CPU steal."""

    ticks: int
    misses: int


def cpu_steal_s(stat: Path = Path("/proc/stat")) -> float:
    """Steal time since boot in seconds, summed over cores; NaN where the system does not report it."""
    try:
        with stat.open(encoding="utf-8") as lines:
            return int(lines.readline().split()[_STEAL]) / float(os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return float("nan")


def cpu_steal(times_s: np.ndarray, steal_s: np.ndarray, cores: int) -> CpuSteal | None:
    """Steal during a run; None where the system does not report it.

    Args:
        times_s, steal_s: (T,) time of each reading, and `cpu_steal_s` at that time.
    """
    if not np.isfinite(steal_s).all():
        return None
    seconds, passed_s = float(steal_s[-1] - steal_s[0]), float(times_s[-1] - times_s[0])
    return CpuSteal(round(seconds, 3), round(seconds / (passed_s * cores), 6) if passed_s > 0 else 0.0)


def near_cpu_steal(times_s: np.ndarray, steal_s: np.ndarray, at_s: np.ndarray) -> np.ndarray:
    """(N,) bool: whether steal rose in the reading interval around each time, or in the one before it.

    The interval before counts because delayed work is done later.

    Args:
        times_s, steal_s: (T,) time of each reading, rising, and `cpu_steal_s` at that time.
        at_s: (N,) times on the clock of `times_s`.
    """
    has_risen = np.diff(steal_s) > 0
    if not len(has_risen):
        return np.zeros(len(at_s), np.bool_)
    around = np.clip(np.searchsorted(times_s, at_s, side="right") - 1, 0, len(has_risen) - 1)
    return np.asarray(has_risen[around] | has_risen[np.maximum(around - 1, 0)])
