"""What a detector sees of a tick and what it returns. A detector looks for one fault, in all cameras, causally."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.motion import PictureMotion
from fsd.data.camera_health.picture_sample import PictureSample
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, FrameSet

BAD, GOOD, UNKNOWN = 1, -1, 0
"""Evidence of a tick about a camera: for the fault, against it, or neither."""

DRIVING_MPS = 2.0
"""From this speed on, pictures with texture change within a quarter of a second."""


MOVING_SHARE, CONFIRMING_SHARE = 0.3, 0.05
"""Share of the pixels with texture that have moved from which on a picture moves as a whole: as the only evidence that
the car moves, and where the ego motion says so too."""


@dataclass(frozen=True, slots=True)
class HealthTick:
    """One tick.

    Attributes:
        frame_set: before masking: `is_valid` tells a missing or stale camera, not a faulty one.
        ego: recorded or measured motion of the car; None where unknown.
        driving_ticks: for how many ticks the ego motion has been at least `DRIVING_MPS` without interruption.
        samples: of the frames shown, one entry per camera of `CAMERAS`; None where there is no frame.
        motion: how the pictures have changed.
        has_fault: (8,) bool a fault of the whole picture was named at the tick before.
    """

    frame_set: FrameSet
    ego: EgoSample | None
    driving_ticks: int
    samples: tuple[PictureSample | None, ...]
    motion: PictureMotion
    has_fault: np.ndarray

    @property
    def is_new(self) -> np.ndarray:
        """(8,) bool the camera has a new picture."""
        return self.motion.is_new

    @property
    def change(self) -> np.ndarray:
        """(8,) float32 mean absolute difference of the samples of a new picture and the one before, or NaN."""
        return self.motion.change


class Detector(Protocol):
    """Looks for one fault.

    Attributes:
        fault: the fault.
    """

    fault: CameraFault

    def step(self, tick: HealthTick) -> np.ndarray:
        """Evidence about every camera: (8,) int8 of `BAD`, `GOOD` and `UNKNOWN`. Ticks come in order."""

    def reset(self) -> None:
        """Forget everything: a recording, or a stretch of it without a hole, begins."""


def unknown() -> np.ndarray:
    """(8,) evidence that says nothing, to be filled."""
    return np.zeros(len(CAMERAS), np.int8)
