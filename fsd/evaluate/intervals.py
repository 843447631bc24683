"""Means over ticks with 95% intervals over drives: whole drives are drawn with replacement.

Neighbouring ticks of a drive are nearly the same, so intervals over ticks would be far too narrow.
Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13 (percentile intervals).
"""

import numpy as np

from fsd.outputs.evaluate_summary import Estimate

RESAMPLES = 1000
_SEED = 23


class DriveBootstrap:
    """Estimates over the same resampled drives, so that differences are paired.

    Args:
        drive: (T,) int index of the drive of each tick, from 0.
    """

    def __init__(self, drive: np.ndarray) -> None:
        self._drive = drive
        self._drives = int(drive.max()) + 1 if len(drive) else 0
        rng = np.random.default_rng(_SEED)
        shares = np.full(self._drives, 1 / max(1, self._drives))
        # (R, D) how often each drive is drawn; floats, since they are multiplied with sums many times
        self._draws = rng.multinomial(self._drives, shares, RESAMPLES).astype(float) if self._drives > 1 else None

    def mean(self, values: np.ndarray, is_rms: bool = False) -> Estimate | None:
        """Mean, or root mean square, of (T,) values, of which NaN are left out; None if all are."""
        known = np.isfinite(values)
        if not known.any():
            return None
        summed = values[known] ** 2 if is_rms else values[known]
        sums = np.bincount(self._drive[known], summed, self._drives)
        counts = np.bincount(self._drive[known], minlength=self._drives)
        drives = int((counts > 0).sum())
        low = high = None
        if self._draws is not None and drives > 1:
            with np.errstate(invalid="ignore", divide="ignore"):
                means = (self._draws @ sums) / (self._draws @ counts)
            low, high = (float(each) for each in np.nanpercentile(np.sqrt(means) if is_rms else means, (2.5, 97.5)))
        value = float(sums.sum() / counts.sum())
        return Estimate(
            value=float(np.sqrt(value)) if is_rms else value, low=low, high=high, ticks=int(known.sum()), drives=drives
        )
