"""Processor time that the hypervisor gave to others while this machine wanted to run: what Linux counts as `steal`.

It is read during a scenario, twice a second; the control threads run before and after it. A tick that is late when
time is stolen need not be the program's fault.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_STEAL = 8
"""Column of the line `cpu` in /proc/stat. Source: proc_stat(5)."""


def stolen_s(stat: Path = Path("/proc/stat")) -> float:
    """Stolen processor seconds since the start, all cores together; NaN where the system does not tell."""
    try:
        with stat.open(encoding="utf-8") as lines:
            return int(lines.readline().split()[_STEAL]) / float(os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return float("nan")


def stolen_figures(times_s: np.ndarray, stolen: np.ndarray, cores: int) -> dict[str, float] | None:
    """JSON-ready: seconds stolen, and their share of all cores' time; None where the system does not tell.

    Args:
        times_s, stolen: (T,) when it was read, and `stolen_s` then.
    """
    if not np.isfinite(stolen).all():
        return None
    seconds, passed_s = float(stolen[-1] - stolen[0]), float(times_s[-1] - times_s[0])
    return {"seconds": round(seconds, 3), "share": round(seconds / (passed_s * cores), 6) if passed_s > 0 else 0.0}


def is_beside_theft(times_s: np.ndarray, stolen: np.ndarray, at_s: np.ndarray) -> np.ndarray:
    """(N,) bool: was time stolen between the two readings around each moment, or between the two before those?

    The second, because who was held up catches up later.

    Args:
        times_s, stolen: (T,) when it was read, rising, and `stolen_s` then.
        at_s: (N,) moments on the clock of `times_s`.
    """
    was_stolen = np.diff(stolen) > 0
    if not len(was_stolen):
        return np.zeros(len(at_s), np.bool_)
    around = np.clip(np.searchsorted(times_s, at_s, side="right") - 1, 0, len(was_stolen) - 1)
    return np.asarray(was_stolen[around] | was_stolen[np.maximum(around - 1, 0)])


def stolen_words(figures: Mapping[str, Any]) -> str | None:
    """What to say of a scenario's `resources` and `deadline`; None where nothing was stolen, or nobody knows."""
    stolen, beside = figures["resources"]["stolen"], figures["deadline"].get("beside_stolen_time")
    if not stolen or not stolen["seconds"]:
        return None
    words = f"the hypervisor took {stolen['seconds']:.2f} s ({stolen['share']:.2%} of all cores' time)"
    if beside and figures["deadline"]["misses"]:
        words += (
            f", in or just before {beside['ticks'] / figures['ticks']:.0%} of the ticks and "
            f"{beside['misses'] / figures['deadline']['misses']:.0%} of the misses"
        )
    return words
