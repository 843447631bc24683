"""Detectors that judge each new picture by itself."""

from abc import ABC, abstractmethod

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, UNKNOWN, HealthTick, unknown
from fsd.data.camera_health.picture_sample import PictureSample
from fsd.data.frames import Frame


class PictureDetector(ABC):
    """A `Detector` without memory."""

    fault: CameraFault

    @abstractmethod
    def is_bad(self, frame: Frame, sample: PictureSample) -> bool | None:
        """Whether a new picture has the fault; None where it tells nothing."""

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence = unknown()
        for camera in np.flatnonzero(tick.is_new):
            frame, sample = tick.frame_set.frames[camera], tick.samples[camera]
            if frame is not None and sample is not None:
                bad = self.is_bad(frame, sample)
                evidence[camera] = UNKNOWN if bad is None else BAD if bad else GOOD
        return evidence

    def reset(self) -> None:
        """There is nothing to forget."""
        return
