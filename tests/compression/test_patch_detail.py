"""How fine a pattern a patch shows: checkerboards read by the whole compressor."""

from typing import Any

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from fsd.compression.compressor import Compressor
from fsd.data.standard_rigs import canonical_rig


def contrast(made: Any, width: int, height: int, square_px: int, shift_px: int = 0) -> float:
    """The least contrast in a patch of the front camera, 1 for that of the board; its squares begin at `shift_px`."""
    y, x = np.mgrid[:height, :width] + shift_px
    board = np.where((y // square_px + x // square_px) % 2, 255, 0).astype(np.uint8)
    compressor = Compressor(canonical_rig(width, height), BUDGETS["B100"])
    tick = compressor.step(made.frame_set(0, [made.picture(board)] + [None] * 7), None, None)
    luma = tick.patches[tick.patch_camera == 0, :4]
    assert len(luma)
    return float(luma.std(axis=(1, 2, 3)).min() / 127.5)


@pytest.mark.parametrize(
    ("square_px", "shift_px", "expected"), [(1, 0, 0.0), (2, 0, 1.0), (2, 1, 0.0), (4, 0, 1.0), (4, 1, 0.5)]
)
def test_at_1280x960_a_one_pixel_checkerboard_vanishes_and_a_two_pixel_one_is_seen_where_it_meets_the_samples(
    made: Any, square_px: int, shift_px: int, expected: float
) -> None:
    assert contrast(made, 1280, 960, square_px, shift_px) == pytest.approx(expected, abs=0.001)


def test_at_640x480_a_patch_has_the_pixels_themselves(made: Any) -> None:
    assert contrast(made, 640, 480, 1) == 1
