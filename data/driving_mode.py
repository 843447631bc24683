"""Who drove: the person, or an assistance system, over time."""

from dataclasses import dataclass

import numpy as np

from fsd.data.ego import STALE_NS

DRIVING_MODES = ("manual", "self_driving", "autosteer", "cruise")
"""`self_driving`: the system drives along a route; `autosteer`: it steers and keeps the distance; `cruise`: it keeps
speed and distance."""

ASSISTED_MODES = DRIVING_MODES[1:]
"""The modes in which a system keeps the speed, at least."""


@dataclass(frozen=True)
class DrivingModeTrack:
    """The driving mode over time: `modes[i]` holds from `timestamp_ns[i]`, (n,) int64, strictly rising, until the next.

    A mode that is not renewed within 0.5 s is unknown.
    """

    timestamp_ns: np.ndarray
    modes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.modes) != len(self.timestamp_ns) or np.any(np.diff(self.timestamp_ns) <= 0):
            raise ValueError("Driving modes need one strictly rising time each.")
        unknown = set(self.modes) - set(DRIVING_MODES)
        if unknown:
            raise ValueError(f"Driving modes are {', '.join(DRIVING_MODES)}; got {', '.join(sorted(unknown))}.")

    def mode_at(self, t_ns: int) -> str | None:
        """The mode at `t_ns`; None where it is unknown."""
        row = int(np.searchsorted(self.timestamp_ns, t_ns, side="right")) - 1
        if row < 0 or t_ns - int(self.timestamp_ns[row]) > STALE_NS:
            return None
        return self.modes[row]
