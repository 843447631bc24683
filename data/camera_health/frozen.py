"""Find cameras that repeat one picture while the car moves, and those of which it cannot be known.

The camera of a parked car shows nearly the same picture for minutes, and encoders repeat it bit for bit. So a picture
that does not change is a fault only where the ego motion or other cameras say that the car moves.
"""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, CONFIRMING_SHARE, GOOD, MOVING_SHARE, HealthTick, unknown
from fsd.data.frames import CAMERAS, Frame

STILL_SHARE = 0.01
"""A picture is still if not more of its pixels with texture have changed in a quarter of a second: coding a frozen
picture once more changes fewer. On real roads it was never less than 0.28."""

ALONE_TICKS = 108
"""A camera without another one that moves is judged by the ego motion alone after 3 s: the speed of GPS may be late by
one or two when the car stops."""


class FrozenCamera:
    """The picture is still, and the car moves."""

    fault = CameraFault.FROZEN

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._still_alone = np.zeros(len(CAMERAS), np.int64)

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence, moved = unknown(), tick.motion.moved
        if not tick.is_new.any():
            return evidence
        sees = ~np.isnan(moved)
        moving = moved >= (MOVING_SHARE if tick.ego is None else CONFIRMING_SHARE)
        judged, is_moving = tick.is_new & sees, moved > STILL_SHARE
        evidence[judged & is_moving] = GOOD
        self._still_alone[judged & is_moving] = 0
        for camera in np.flatnonzero(judged & ~is_moving):
            others_moving, others = int(moving.sum()), int(sees.sum()) - 1  # this one is still
            is_driving = tick.driving_ticks > tick.motion.window_ticks[camera]
            if tick.ego is None:
                is_frozen = others_moving >= 2 and 2 * others_moving >= others
            elif others:
                is_frozen = is_driving and others_moving > 0
            else:
                self._still_alone[camera] = self._still_alone[camera] + 1 if is_driving else 0
                is_frozen = bool(self._still_alone[camera] >= ALONE_TICKS)
            if is_frozen:
                evidence[camera] = BAD
        return evidence


class StillCamera:
    """Every pixel stays the same, and neither the ego motion nor other cameras tell whether the car stands."""

    fault = CameraFault.STILL

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._before: tuple[Frame | None, ...] = (None,) * len(CAMERAS)

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence, moved = unknown(), tick.motion.moved
        sees = ~np.isnan(moved)
        stands = tick.ego is not None and not tick.driving_ticks
        others = int(sees.sum()) - sees
        is_known = tick.is_new & (stands | (others >= 2) | (tick.change > 0))
        evidence[is_known] = GOOD
        for camera in np.flatnonzero(tick.is_new & ~is_known):
            if not _is_same(tick.frame_set.frames[camera], self._before[camera]):
                evidence[camera] = GOOD
            elif others[camera] == 0 or (moved >= MOVING_SHARE).any():  # another one moves, since this one is still
                evidence[camera] = BAD
        self._before = tick.frame_set.frames
        return evidence


def _is_same(frame: Frame | None, other: Frame | None) -> bool:
    """Whether all pixels of two pictures are the same."""
    if frame is None or other is None or frame.y_plane.shape != other.y_plane.shape:
        return False
    return bool(np.array_equal(frame.y_plane, other.y_plane))
