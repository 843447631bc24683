"""Where a camera's picture goes in the model's image: what is cut off, how the rest is scaled, and what stays free.

Knows sizes only. Cuts fall on even rows and columns, so that luma and chroma are cut at the same place.
"""

from typing import NamedTuple

import numpy as np

from fsd.third_party.input_fields import Crop, ImageInput

_LEAST_PX = 2


class Rectangle(NamedTuple):
    """Whole pixels of an image."""

    left: int
    top: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.left + self.width)

    def halved(self) -> "Rectangle":
        """The same part of a plane of half the size; odd sizes are rounded up."""
        return Rectangle(self.left // 2, self.top // 2, (self.width + 1) // 2, (self.height + 1) // 2)


class Placement(NamedTuple):
    """`source` of the picture becomes `target` of the model's image; pixels around it are fill."""

    source: Rectangle
    target: Rectangle

    def matrix(self) -> np.ndarray:
        """(3, 3) float64: homogeneous pixels of the picture -> of the image; whole numbers are pixel centres."""
        scale_x, scale_y = self.target.width / self.source.width, self.target.height / self.source.height
        return np.array(
            [
                [scale_x, 0.0, (0.5 - self.source.left) * scale_x - 0.5 + self.target.left],
                [0.0, scale_y, (0.5 - self.source.top) * scale_y - 0.5 + self.target.top],
                [0.0, 0.0, 1.0],
            ]
        )


def placement(image: ImageInput, width_px: int, height_px: int) -> Placement:
    """Where a picture of this size goes.

    `letterbox` and `crop` are centred; sizes and places are rounded to even numbers of pixels of the picture, and of
    the image too if it is yuv420, so the two scales may differ a little; `Placement.matrix` has the exact ones.
    """
    source = _cropped(image.crop or Crop(), width_px, height_px)
    whole = Rectangle(0, 0, image.width_px, image.height_px)
    if image.fit == "stretch":
        return Placement(source, whole)
    ratios = image.width_px / source.width, image.height_px / source.height
    if image.fit == "letterbox":
        step = 2 if image.colour == "yuv420" else 1
        left, width = _centred(source.width * min(ratios), image.width_px, step)
        top, height = _centred(source.height * min(ratios), image.height_px, step)
        return Placement(source, Rectangle(left, top, width, height))
    left, width = _centred(image.width_px / max(ratios), source.width, 2)
    top, height = _centred(image.height_px / max(ratios), source.height, 2)
    return Placement(Rectangle(source.left + left, source.top + top, width, height), whole)


def _cropped(crop: Crop, width_px: int, height_px: int) -> Rectangle:
    left, top = _even(crop.left * width_px), _even(crop.top * height_px)
    width = width_px - left - _even(crop.right * width_px)
    height = height_px - top - _even(crop.bottom * height_px)
    left, top = min(left, width_px - _LEAST_PX), min(top, height_px - _LEAST_PX)
    return Rectangle(left, top, max(width, _LEAST_PX), max(height, _LEAST_PX))


def _even(pixels: float) -> int:
    return 2 * round(pixels / 2)


def _centred(wanted: float, available: int, step: int) -> tuple[int, int]:
    """Start and size in the middle of `available` pixels, both multiples of `step`, or all of them."""
    size = max(step * round(wanted / step), step)
    if size >= available:
        return 0, available
    return (available - size) // 2 // step * step, size
