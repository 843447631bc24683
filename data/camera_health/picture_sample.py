"""A small sample of a picture: single pixels at equal distances, so that nothing is smoothed.

A picture that moves differs in some of them, and noise stays as it is. `sampler.py` takes it.
"""

from dataclasses import dataclass

import numpy as np

SAMPLE_ROWS, SAMPLE_COLUMNS = 60, 80
"""Pixels in a sample; a picture with fewer rows or columns repeats some."""


@dataclass(frozen=True, slots=True)
class PictureSample:
    """Of one picture.

    Attributes:
        luma: (60, 80) uint8, single pixels of the luma plane.
        specks: share of the pixels that differ from all their neighbours, by a quarter of the sample.
        bright: share of the sample that is brighter than black.
        green: share of the picture in the green of blocks without data, by a quarter of the sample.
    """

    luma: np.ndarray
    specks: float
    bright: float
    green: float
