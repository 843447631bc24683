"""Does a quantity grow? A slope with its confidence interval.

Made for memory over a soak: samples seconds apart are not independent (an allocator moves in steps), so the slope is
fitted to the means of 20 equal stretches of time, which nearly are. An ordinary fit to all samples would call any drift
significant.
"""

from dataclasses import dataclass

import numpy as np

STRETCHES = 20
STUDENT_T_975 = 2.100922
"""97.5% quantile of Student's t with 18 degrees of freedom: 20 means, two fitted numbers."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Change per second with a two-sided 95% interval; `samples` went into the 20 means."""

    per_s: float
    low_per_s: float
    high_per_s: float
    samples: int
    seconds: float

    @property
    def is_zero_within_noise(self) -> bool:
        """The interval contains zero."""
        return self.low_per_s <= 0.0 <= self.high_per_s


def slope(times_s: np.ndarray, values: np.ndarray) -> Slope | None:
    """Fit a straight line through (T,) times and (T,) values.

    Returns:
        None when fewer than 20 samples, or a stretch of time without any, leave nothing to judge.
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
    half = STUDENT_T_975 * error
    return Slope(per_s, per_s - half, per_s + half, len(values), seconds)
