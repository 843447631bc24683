"""The axes of an image tensor: which shape a layout has, and views of a tensor by camera, frame and channel."""

import numpy as np

from fsd.third_party.input_fields import ImageInput

CHANNELS = {"rgb": 3, "bgr": 3, "gray": 1, "yuv420": 6}
"""Colour -> channels of one image."""

_LETTERS = "nvtchw"


def image_size(image: ImageInput) -> tuple[int, int, int]:
    """(channels, rows, columns) of one image in the tensor."""
    divisor = 2 if image.colour == "yuv420" else 1
    return CHANNELS[image.colour], image.height_px // divisor, image.width_px // divisor


def layout_problem(image: ImageInput) -> str | None:
    """Why an image's layout cannot be used; None where it can."""
    letters = image.layout
    if set(letters) - set(_LETTERS) or len(set(letters)) < len(letters):
        return f"is {letters!r}; use each of the letters {' '.join(_LETTERS)} at most once."
    if not {"h", "w"} <= set(letters):
        return f"is {letters!r}; it needs h and w."
    images = (1 if "v" in letters else len(image.sources)) * (1 if "t" in letters else len(image.history))
    if "c" not in letters and (CHANNELS[image.colour] > 1 or images > 1):
        return (
            f"is {letters!r}; only one grey image needs no c, here are {images} of {CHANNELS[image.colour]} channels."
        )
    return None


def tensor_shape(image: ImageInput) -> tuple[int, ...]:
    """The shape of the tensor that an image input describes."""
    channels, rows, columns = image_size(image)
    sizes = {"n": 1, "v": len(image.sources), "t": len(image.history), "c": channels, "h": rows, "w": columns}
    for axis in _stacked(image.layout):
        sizes["c"] *= sizes[axis]
    return tuple(sizes[letter] for letter in image.layout)


def image_views(image: ImageInput, tensor: np.ndarray) -> np.ndarray:
    """(cameras, frames, channels, rows, columns) view of a contiguous tensor of shape `tensor_shape`."""
    channels, rows, columns = image_size(image)
    sizes = {"n": 1, "v": len(image.sources), "t": len(image.history), "c": channels, "h": rows, "w": columns}
    stacked = _stacked(image.layout)
    letters = image.layout.replace("c", stacked + "c") if "c" in image.layout else image.layout + stacked + "c"
    view = tensor.reshape([sizes[letter] for letter in letters])
    if "n" not in letters:
        view, letters = view[None], "n" + letters
    view = view.transpose([letters.index(letter) for letter in _LETTERS])[0]
    assert np.shares_memory(view, tensor)
    return view


def _stacked(layout: str) -> str:
    """Axes that a layout leaves out: they are stacked along c, cameras first."""
    return "".join(letter for letter in "vt" if letter not in layout)
