"""The driven path around the present tick, for drawing and scoring while a replay runs.

Ground truth: it looks ahead of the tick and must never reach a network.
"""

import numpy as np

from fsd.data.ego import EgoTrack
from fsd.scoring.plan_errors import driven_waypoints

BEHIND_NS, AHEAD_NS = 10**9, 7 * 10**9
RENEW_NS = 2 * 10**9


class DrivenPath:
    """Where the car went in the seconds after a tick.

    Works on a cut of the track that moves along, since interpolation costs time in proportion to the track's length.
    Ticks must not fall.
    """

    def __init__(self, ego: EgoTrack) -> None:
        self._ego = ego
        self._near: EgoTrack | None = None
        self._until_ns = 0

    def waypoints(self, timestamp_ns: int) -> np.ndarray:
        """(16, 4) x m, y m, yaw rad, v m/s in the ego frame of the tick, at 0.25 … 4.00 s; NaN where not recorded."""
        if self._near is None or timestamp_ns > self._until_ns:
            self._until_ns = timestamp_ns + RENEW_NS
            self._near = _cut(self._ego, timestamp_ns - BEHIND_NS, timestamp_ns + AHEAD_NS)
        return driven_waypoints(self._near, np.array([timestamp_ns]))[0]


def _cut(ego: EgoTrack, from_ns: int, to_ns: int) -> EgoTrack:
    """The rows from the last one before `from_ns` to the first one after `to_ns`, one at least."""
    last = len(ego.timestamp_ns) - 1
    first = min(last, max(0, int(np.searchsorted(ego.timestamp_ns, from_ns)) - 1))
    rows = slice(first, max(first + 1, int(np.searchsorted(ego.timestamp_ns, to_ns)) + 1))
    return EgoTrack(*(getattr(ego, field)[rows] for field in ego.__dataclass_fields__))
