"""One image input of a model: its cameras' images of now and of earlier steps, as the values of its tensor."""

import numpy as np

from fsd.data.camera_names import canonical_name
from fsd.data.frames import CAMERAS, FrameSet
from fsd.data.rig import Rig
from fsd.third_party.images.camera_image import CameraImage, blank
from fsd.third_party.images.layout import image_size, image_views
from fsd.third_party.images.pixel_values import value_table, write_values
from fsd.third_party.input_fields import ImageInput


class ImageTensor:
    """Writes an image input; `tensor` has the shape of `layout.tensor_shape` and is overwritten at every step."""

    def __init__(self, image: ImageInput, tensor: np.ndarray, rig: Rig) -> None:
        self.image, self.tensor = image, tensor
        names = [canonical_name(source) or source for source in image.sources]
        self._cameras = [CAMERAS.index(name) for name in names]
        self._makers = [CameraImage(image, rig.camera(name)) for name in names]
        self._table = value_table(image, str(tensor.dtype))
        self._views = image_views(image, tensor)
        # Images of the last steps, as pixels: a quarter of the memory that float32 values would take.
        self._past = np.zeros((max(image.history) + 1, len(names), *image_size(image)), np.uint8)
        self._steps = 0

    def reset(self) -> None:
        """Forget all earlier pictures."""
        self._steps = 0

    def load(self, frame_set: FrameSet) -> None:
        """Take one step's pictures in; before there is enough history, the oldest step repeats."""
        depth = len(self._past)
        now = self._past[self._steps % depth]
        for number, (camera, maker) in enumerate(zip(self._cameras, self._makers, strict=True)):
            frame = frame_set.frames[camera] if frame_set.is_valid[camera] else None
            if frame is not None:
                maker.write(frame, now[number])
            elif self.image.missing == "last" and self._steps:
                now[number] = self._past[(self._steps - 1) % depth, number]
            else:
                now[number] = blank(self.image)
        self._steps += 1
        for position, back in enumerate(self.image.history):
            images = self._past[(self._steps - 1 - min(back, self._steps - 1)) % depth]
            for number, pixels in enumerate(images):
                write_values(self._table, pixels, self._views[number, position])
