"""Decide whether a quantity grows: a slope with its confidence interval.

Made for memory over a soak: samples seconds apart are not independent (an allocator moves in steps), so the slope is
fitted to the means of 20 equal stretches of time, which nearly are. A fit to all samples would find any drift
significant.
"""

import numpy as np

STRETCHES = 20
STUDENT_T_975 = 2.100922
"""97.5% quantile of Student's t with 18 degrees of freedom: 20 means, two fitted parameters."""


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
