"""One array that two networks both have: whether it has the same bits, and how far apart the numbers are."""

import math
from typing import NamedTuple

import numpy as np

from fsd.runtime.divergence import Part

_MEASURES: dict[Part, tuple[str, ...]] = {"saliency": ("saliency",), "state": ("state", "state_rms")}


class ArrayPair(NamedTuple):
    """An array of the recurrent state or an output, of both networks; the two have the same shape."""

    part: Part
    name: str
    first: np.ndarray
    second: np.ndarray

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of `divergence.UNITS` that it contributes to."""
        return _MEASURES.get(self.part, ())

    def is_same(self) -> bool:
        """Whether all bits are the same: 0 and -0 differ, and a NaN is the same as itself."""
        one, other = (np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (self.first, self.second))
        return bool(np.array_equal(one, other))

    def differences(self) -> dict[str, float]:
        """Name of `divergence.UNITS` -> difference; infinite where either array is not finite."""
        if not self.measures:
            return {}
        with np.errstate(over="ignore", invalid="ignore"):
            apart = np.subtract(self.first, self.second, dtype=np.float32).reshape(-1)
            scale = np.asarray(self.second, np.float32).reshape(-1)
            rms = np.sqrt(np.dot(apart, apart) / max(np.dot(scale, scale), np.finfo(np.float32).tiny))
            measured = (float(np.abs(apart).max(initial=0.0)), float(rms))
        finite = [value if math.isfinite(value) else math.inf for value in measured]
        return dict(zip(self.measures, finite, strict=False))
