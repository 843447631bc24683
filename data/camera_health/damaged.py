"""Find damaged pictures, and pictures of another size than the camera's first."""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, HealthTick, unknown
from fsd.data.frames import CAMERAS

GREEN_SHARE = 0.04
"""Share of the picture in the green of blocks without data from which on it is damaged; real pictures have none."""


class CorruptCamera:
    """The decoder reports damage, or blocks of the picture have no data."""

    fault = CameraFault.CORRUPT

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence = unknown()
        for camera in np.flatnonzero(tick.is_new):
            frame, sample = tick.frame_set.frames[camera], tick.samples[camera]
            if frame is not None and sample is not None:
                is_damaged = self.fault in frame.faults or sample.green >= GREEN_SHARE
                evidence[camera] = BAD if is_damaged else GOOD
        return evidence

    def reset(self) -> None:
        pass


class ResizedCamera:
    """The picture has another size than the recording states, or than the camera's first picture."""

    fault = CameraFault.RESIZED

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._shapes: list[tuple[int, ...] | None] = [None] * len(CAMERAS)

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence = unknown()
        for camera in np.flatnonzero(tick.is_new):
            frame = tick.frame_set.frames[camera]
            if frame is not None:
                shape = self._shapes[camera] = self._shapes[camera] or frame.y_plane.shape
                is_other = self.fault in frame.faults or frame.y_plane.shape != shape
                evidence[camera] = BAD if is_other else GOOD
        return evidence
