"""Find cameras whose pictures are noise, or full of it: sensor noise, random pixels, snow."""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, HealthTick, unknown

NOISY_SPECKS, CLEAN_SPECKS = 0.03, 0.015
"""Share of specks from which on a picture is noisy, and up to which it is not. Real pictures have 0.002 at most,
Gaussian noise of 10 steps of luma 0.03, pictures of nothing but noise 0.28."""


class NoisyCamera:
    """Too many pixels differ from all their neighbours."""

    fault = CameraFault.NOISE

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence = unknown()
        for camera in np.flatnonzero(tick.is_new):
            sample = tick.samples[camera]
            if sample is not None and sample.specks >= NOISY_SPECKS:
                evidence[camera] = BAD
            elif sample is not None and sample.specks <= CLEAN_SPECKS:
                evidence[camera] = GOOD
        return evidence

    def reset(self) -> None:
        pass
