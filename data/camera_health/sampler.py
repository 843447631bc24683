"""Take the sample of a picture, once per new frame while the picture is in the cache."""

import numpy as np

from fsd.data.camera_health.picture_sample import SAMPLE_COLUMNS, SAMPLE_ROWS, PictureSample
from fsd.data.kernel import kernel

SPECK_LUMA = 16
"""A pixel is a speck if it is darker or brighter than all four neighbours by at least this."""

BLACK_LUMA = 20
"""Nothing in a black picture is brighter than this: black is 16, and coding and sensors add a little noise."""

GREEN_U, GREEN_V = 60, 50
"""Chroma below both: a green that no camera records, but that blocks without data have."""

STRIDE = 2
"""Specks and green are looked for at every second pixel of the sample in every second row."""


def sample_of(y_plane: np.ndarray, u_plane: np.ndarray, v_plane: np.ndarray) -> PictureSample:
    """The sample of a picture: planes (H, W) and twice (ceil(H/2), ceil(W/2)) uint8."""
    luma = np.empty((SAMPLE_ROWS, SAMPLE_COLUMNS), np.uint8)
    specks, bright, green = _sample(y_plane, u_plane, v_plane, luma)
    looked_at = luma.size // STRIDE**2
    return PictureSample(luma, specks / looked_at, bright / luma.size, green / looked_at)


@kernel
def _sample(y_plane: np.ndarray, u_plane: np.ndarray, v_plane: np.ndarray, luma: np.ndarray) -> tuple[int, int, int]:
    """Fill `luma`; returns the counts of specks, bright and green pixels."""
    height, width = y_plane.shape
    rows, columns = luma.shape
    specks = bright = green = 0
    columns_at = np.empty(columns, np.int32)
    for j in range(columns):
        columns_at[j] = (2 * j + 1) * width // (2 * columns)
    for i in range(rows):
        row = (2 * i + 1) * height // (2 * rows)
        above, below = max(row - 1, 0), min(row + 1, height - 1)
        for j in range(columns):
            column = columns_at[j]
            left, right = max(column - 1, 0), min(column + 1, width - 1)
            value = int(y_plane[row, column])
            luma[i, j] = value
            bright += value > BLACK_LUMA
            if i % STRIDE or j % STRIDE:
                continue
            lowest = min(
                min(y_plane[row, left], y_plane[row, right]), min(y_plane[above, column], y_plane[below, column])
            )
            highest = max(
                max(y_plane[row, left], y_plane[row, right]), max(y_plane[above, column], y_plane[below, column])
            )
            # Without branches, which nothing predicts.
            specks += (value <= int(lowest) - SPECK_LUMA) | (value >= int(highest) + SPECK_LUMA)
            green += (u_plane[row // 2, column // 2] < GREEN_U) & (v_plane[row // 2, column // 2] < GREEN_V)
    return specks, bright, green
