"""Find cameras whose picture is black."""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, HealthTick, unknown
from fsd.data.planes import is_black


class BlackCamera:
    """Nothing in the picture is brighter than black."""

    fault = CameraFault.BLACK

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence = unknown()
        for camera, (frame, sample) in enumerate(zip(tick.frame_set.frames, tick.samples, strict=True)):
            if frame is not None and sample is not None:
                evidence[camera] = BAD if frame.is_black or is_black(frame.y_plane) else GOOD
        return evidence

    def reset(self) -> None:
        pass
