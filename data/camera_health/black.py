"""Find cameras whose picture is black."""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, HealthTick, unknown
from fsd.data.planes import is_black

BRIGHT_SHARE = 0.01
"""With more bright pixels in its sample, a picture is not black, and need not be read whole."""


class BlackCamera:
    """Nothing in the picture is brighter than black."""

    fault = CameraFault.BLACK

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence = unknown()
        for camera in np.flatnonzero(tick.is_new):
            frame, sample = tick.frame_set.frames[camera], tick.samples[camera]
            if frame is not None and sample is not None:
                black = frame.is_black or (sample.bright <= BRIGHT_SHARE and is_black(frame.y_plane))
                evidence[camera] = BAD if black else GOOD
        return evidence

    def reset(self) -> None:
        pass
