"""Where on the earth a recording was made, over time; for dividing recordings by place, never an input of a network.

Positions stay inside the program: what is written of them is a digest of the cell that they lie in.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PlaceTrack:
    """Positions in degrees (n,) float64, NaN without a fix, at strictly rising times (n,) int64."""

    timestamp_ns: np.ndarray
    latitude_deg: np.ndarray
    longitude_deg: np.ndarray

    def __post_init__(self) -> None:
        if np.any(np.diff(self.timestamp_ns) <= 0):
            raise ValueError("`timestamp_ns` must rise strictly.")
        for name in ("latitude_deg", "longitude_deg"):
            if np.shape(getattr(self, name)) != np.shape(self.timestamp_ns):
                raise ValueError(f"`{name}` must have one value per time.")

    def nearest_to(self, t_ns: np.ndarray, max_age_ns: int) -> np.ndarray:
        """(n, 2) latitude and longitude of the nearest fix to each time; NaN where none is within `max_age_ns`."""
        fixes = np.flatnonzero(np.isfinite(self.latitude_deg) & np.isfinite(self.longitude_deg))
        found = np.full((len(t_ns), 2), np.nan)
        if not len(fixes):
            return found
        times_ns = self.timestamp_ns[fixes]
        after = np.clip(np.searchsorted(times_ns, t_ns), 0, len(fixes) - 1)
        before = np.maximum(after - 1, 0)
        nearest = np.where(np.abs(times_ns[before] - t_ns) <= np.abs(times_ns[after] - t_ns), before, after)
        is_near = np.abs(times_ns[nearest] - t_ns) <= max_age_ns
        rows = fixes[nearest[is_near]]
        found[is_near] = np.stack([self.latitude_deg[rows], self.longitude_deg[rows]], axis=-1)
        return found
