"""Find damaged pictures, and pictures of another size than the camera's first."""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, HealthTick, unknown
from fsd.data.camera_health.picture_detector import PictureDetector
from fsd.data.camera_health.picture_sample import PictureSample
from fsd.data.frames import CAMERAS, Frame

GREEN_SHARE = 0.04
"""Share of the picture in the green of blocks without data from which on it is damaged; real pictures have none."""


class CorruptCamera(PictureDetector):
    """The decoder reports damage, or blocks of the picture have no data."""

    fault = CameraFault.CORRUPT

    def is_bad(self, frame: Frame, sample: PictureSample) -> bool:
        return self.fault in frame.faults or sample.green >= GREEN_SHARE


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
