"""Decide whether memory grows over a soak: a slope with its confidence interval.

Samples seconds apart are not independent (an allocator moves in steps), so the slope is fitted to the means of 20 equal
stretches of time, which nearly are. A fit to all samples would find any drift significant.
"""

import msgspec
import numpy as np

from fsd.outputs.profile_scenario import Growth, MemoryGrowth, MemoryPeaks, MemoryTimeline

MIN_GROWTH_S = 60.0
"""Allocators settle within a minute; the slope of a shorter run does not show a leak."""

TIMELINE_POINTS = 240

STRETCHES = 20
STUDENT_T_975 = 2.100922
"""97.5% quantile of Student's t with 18 degrees of freedom: 20 means, two fitted parameters."""


def memory_growth(times_s: np.ndarray, memory_bytes: np.ndarray) -> MemoryGrowth | None:
    """Growth of the resident memory over the run and over its second half, its peaks, and a timeline.

    A pool fills once and a leak continues, which the second half shows if it lasts at least a minute. An allocator that
    returns pages and takes them again can look like a slope; a leak also raises the peak.

    Args:
        times_s, memory_bytes: (T,) readings.

    Returns:
        None over less than a minute, or where the system does not report memory.
    """
    whole = _growth_over(times_s, memory_bytes)
    if whole is None:
        return None
    is_late = times_s >= 0.5 * (times_s[0] + times_s[-1])
    shown = np.unique(np.linspace(0, len(times_s) - 1, TIMELINE_POINTS).astype(int))
    return MemoryGrowth(
        **msgspec.structs.asdict(whole),
        second_half=_growth_over(times_s[is_late], memory_bytes[is_late]),
        peak_mib=MemoryPeaks(
            first_half=round(float(memory_bytes[~is_late].max()) / 2**20, 3),
            second_half=round(float(memory_bytes[is_late].max()) / 2**20, 3),
        ),
        timeline=MemoryTimeline(
            seconds=np.round(times_s[shown] - times_s[0], 1).tolist(),
            mib=np.round(memory_bytes[shown] / 2**20, 2).tolist(),
        ),
    )


def _growth_over(times_s: np.ndarray, memory_bytes: np.ndarray) -> Growth | None:
    if times_s[-1] - times_s[0] < MIN_GROWTH_S or not np.isfinite(memory_bytes).all():
        return None
    found = slope(times_s / 60, memory_bytes / 1024)
    if found is None:
        return None
    kib_per_minute, margin = found
    return Growth(
        kib_per_minute=kib_per_minute,
        low_95=kib_per_minute - margin,
        high_95=kib_per_minute + margin,
        is_zero_within_noise=abs(kib_per_minute) <= margin,
        samples=len(times_s),
        seconds=round(float(times_s[-1] - times_s[0]), 1),
    )


def slope(times_s: np.ndarray, values: np.ndarray) -> tuple[float, float] | None:
    """Fit a straight line through (T,) times and (T,) values.

    Returns:
        Change per second, and half the width of its two-sided 95% interval; None for fewer than 20 samples, or if a
        stretch of time has no sample.
    """
    times_s, values = np.asarray(times_s, np.float64), np.asarray(values, np.float64)
    if len(times_s) < STRETCHES or times_s[-1] <= times_s[0]:
        return None
    seconds = float(times_s[-1] - times_s[0])
    stretch = np.minimum(((times_s - times_s[0]) / seconds * STRETCHES).astype(int), STRETCHES - 1)
    counts = np.bincount(stretch, minlength=STRETCHES)
    if not counts.all():
        return None
    x = np.bincount(stretch, times_s, STRETCHES) / counts
    y = np.bincount(stretch, values, STRETCHES) / counts
    spread = x - x.mean()
    per_s = float(spread @ y / (spread @ spread))
    residual = y - y.mean() - per_s * spread
    error = float(np.sqrt(residual @ residual / (STRETCHES - 2) / (spread @ spread)))
    return per_s, STUDENT_T_975 * error
