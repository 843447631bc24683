"""Find cameras whose picture is black."""

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.picture_detector import PictureDetector
from fsd.data.camera_health.picture_sample import PictureSample
from fsd.data.frames import Frame
from fsd.data.planes import is_black

BRIGHT_SHARE = 0.01
"""With more bright pixels in its sample, a picture is not black, and need not be read whole."""


class BlackCamera(PictureDetector):
    """Nothing in the picture is brighter than black."""

    fault = CameraFault.BLACK

    def is_bad(self, frame: Frame, sample: PictureSample) -> bool:
        return frame.is_black or (sample.bright <= BRIGHT_SHARE and is_black(frame.y_plane))
