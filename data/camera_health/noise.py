"""Find cameras whose pictures are noise, or full of it: sensor noise, random pixels, snow."""

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.picture_detector import PictureDetector
from fsd.data.camera_health.picture_sample import PictureSample
from fsd.data.frames import Frame

NOISY_SPECKS, CLEAN_SPECKS = 0.03, 0.015
"""Share of specks from which on a picture is noisy, and up to which it is not. Real pictures have 0.002 at most,
Gaussian noise of 10 steps of luma 0.03, pictures of nothing but noise 0.28."""


class NoisyCamera(PictureDetector):
    """Too many pixels differ from all their neighbours."""

    fault = CameraFault.NOISE

    def is_bad(self, frame: Frame, sample: PictureSample) -> bool | None:
        if sample.specks >= NOISY_SPECKS:
            return True
        return False if sample.specks <= CLEAN_SPECKS else None
