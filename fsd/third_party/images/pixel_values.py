"""What the model receives for each of the 256 values of a pixel, in the input's type; and its way into the tensor."""

import numpy as np

from fsd.data.kernel import kernel
from fsd.third_party.images.layout import CHANNELS
from fsd.third_party.input_fields import ImageInput

_SAME_SIZE = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
"""Bytes of a type -> the type whose values are copied in its place: the compiler knows no float16."""


def value_table(image: ImageInput, dtype: str) -> np.ndarray:
    """(channels, 256) of `dtype`: (pixel * scale - mean) / std.

    Raises:
        ValueError: a value is not a number of this type: a fraction, or out of its range. The message says which.
    """
    kind = np.dtype(dtype)
    if kind.kind not in "iuf":
        raise ValueError(f"is {dtype}, which holds no pixels; use a float or an integer input")
    scale = image.scale if image.scale is not None else 1 / 255 if kind.kind == "f" else 1.0
    channels = CHANNELS[image.colour]
    mean, std = (np.broadcast_to(np.asarray(given, np.float64), channels)[:, None] for given in (image.mean, image.std))
    return exact_values((np.arange(256) * scale - mean) / std, dtype)


def exact_values(values: np.ndarray, dtype: str) -> np.ndarray:
    """`values` in `dtype`: floats are rounded to it, integers must be whole numbers.

    Raises:
        ValueError: a value is a fraction in an integer type, or out of the type's range. The message says which.
    """
    kind = np.dtype(dtype)
    values = np.asarray(values, np.float64)
    lowest, highest = (np.finfo(kind).min, np.finfo(kind).max) if kind.kind == "f" else _integer_limits(kind)
    wrong = values[~((values >= lowest) & (values <= highest))]
    if wrong.size:
        raise ValueError(f"is {dtype}, from {lowest:g} to {highest:g}, and would receive {wrong.flat[0]:g}")
    if kind.kind == "f":
        return values.astype(kind)
    rounded = np.round(values)
    wrong = values[np.abs(values - rounded) > 1e-6]
    if wrong.size:
        raise ValueError(f"is {dtype} and would receive fractions, such as {wrong.flat[0]:g}")
    return rounded.astype(kind)


def _integer_limits(kind: np.dtype) -> tuple[float, float]:
    if kind.kind == "b":
        return 0, 1
    return np.iinfo(kind).min, np.iinfo(kind).max


def write_values(table: np.ndarray, pixels: np.ndarray, target: np.ndarray) -> None:
    """Write `table[channel, pixel]` into a view of the tensor.

    Args:
        table: (C, 256), as `value_table` gives it.
        pixels: (C, h, w) uint8.
        target: (C, h, w) of the table's type, with any strides.
    """
    same_size = _SAME_SIZE[table.dtype.itemsize]
    _write(table.view(same_size), pixels, target.view(same_size))


@kernel
def _write(table: np.ndarray, pixels: np.ndarray, target: np.ndarray) -> None:
    channels, rows, columns = target.shape
    for channel in range(channels):
        for row in range(rows):
            for column in range(columns):
                target[channel, row, column] = table[channel, pixels[channel, row, column]]
