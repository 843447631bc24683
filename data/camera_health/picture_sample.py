"""A small sample of a picture's luma, taken once per new frame while the picture is in the cache."""

from dataclasses import dataclass

import numpy as np

SAMPLE_ROWS, SAMPLE_COLUMNS = 60, 80
"""Pixels in a sample, at equal distances; a picture with fewer rows or columns repeats some."""


@dataclass(frozen=True, slots=True)
class PictureSample:
    """Of one picture.

    Attributes:
        luma: (60, 80) uint8, single pixels of the luma plane.
    """

    luma: np.ndarray


def sample_of(y_plane: np.ndarray) -> PictureSample:
    """The sample of a luma plane (H, W) uint8."""
    height, width = y_plane.shape
    if height % SAMPLE_ROWS or width % SAMPLE_COLUMNS:
        rows = (2 * np.arange(SAMPLE_ROWS) + 1) * height // (2 * SAMPLE_ROWS)
        columns = (2 * np.arange(SAMPLE_COLUMNS) + 1) * width // (2 * SAMPLE_COLUMNS)
        return PictureSample(y_plane[rows[:, None], columns])
    step_y, step_x = height // SAMPLE_ROWS, width // SAMPLE_COLUMNS
    return PictureSample(y_plane[step_y // 2 :: step_y, step_x // 2 :: step_x].copy())
