"""The mosaic shows the pixels of the compressed tick, each where it belongs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fsd.compress.mosaic import age_tint, kept_picture, mosaic
from fsd.compression.budget import BUDGETS, PATCH_PX
from fsd.compression.compressor import Compressor
from fsd.compression.tick import CompressedTick
from fsd.data.frame_source import FrameSource
from fsd.data.frames import FrameSet
from fsd.data.open_clip import open_clip

NEVER_READ = np.full((8, 15, 20), -1)


@pytest.fixture(scope="module")
def tick(small_clip: Path) -> tuple[FrameSet, CompressedTick]:
    clip = open_clip(small_clip)
    with FrameSource(clip, max_ticks=1) as source:
        frame_set = next(iter(source))
    return frame_set, Compressor(clip.rig, BUDGETS["B100"]).step(frame_set, None, None)


def marked(compressed: CompressedTick, camera: int, block: int) -> CompressedTick:
    """Only one patch: white, with a black pixel in its second row and third column."""
    patches, cameras = np.full_like(compressed.patches, 128), np.full_like(compressed.patch_camera, -1)
    patches[0, :4], cameras[0] = 235, camera
    patches[0, 2, 0, 1] = 16  # channel 2 is row 1 of every pair of rows, column 0 of every pair of columns
    blocks = np.full_like(compressed.patch_block, -1)
    blocks[0] = block
    return replace(compressed, patches=patches, patch_camera=cameras, patch_block=blocks)


def test_a_patch_stands_in_its_place_pixel_by_pixel(tick: tuple[FrameSet, CompressedTick]) -> None:
    pixels = np.asarray(kept_picture(marked(tick[1], camera=3, block=2 * 20 + 5), 3)).astype(int)
    patch = pixels[2 * PATCH_PX : 3 * PATCH_PX, 5 * PATCH_PX : 6 * PATCH_PX]
    assert (patch[1, 2] < 5).all()
    patch[1, 2] = 255
    assert (patch > 250).all()


def test_a_fine_patch_stands_in_its_quarter(tick: tuple[FrameSet, CompressedTick]) -> None:
    quarters = np.full(len(tick[1].patches), 3, np.int16)
    compressed = replace(marked(tick[1], camera=3, block=2 * 20 + 5), patch_quarter=quarters)
    pixels = np.asarray(kept_picture(compressed, 3)).astype(int)
    left, top, half = 5 * PATCH_PX + PATCH_PX // 2, 2 * PATCH_PX + PATCH_PX // 2, PATCH_PX // 2
    assert (pixels[top + 2 : top + half, left + 3 : left + half] > 240).all()
    assert not (pixels[top : top + half, left - half : left] > 240).all()
    mosaic(tick[0], compressed, NEVER_READ, "one", "tick")


def test_outside_the_patches_it_is_the_base_image(tick: tuple[FrameSet, CompressedTick]) -> None:
    compressed = replace(tick[1], retina=np.full_like(tick[1].retina, 128))
    pixels = np.asarray(kept_picture(marked(compressed, camera=3, block=0), 3)).astype(int)
    assert np.ptp(pixels[PATCH_PX:]) <= 2
    assert np.asarray(kept_picture(marked(compressed, camera=3, block=0), 4)).std() < 2


def test_the_tint_grows_with_age_and_is_clear_where_a_block_was_just_read() -> None:
    age = np.zeros((15, 20), np.int64)
    age[0, :3] = 120, 240, -1
    alpha = np.asarray(age_tint(age))[0, ::PATCH_PX, 3].astype(int)
    assert 0 < alpha[0] < alpha[1]
    assert alpha[2] > 0
    assert (alpha[3:] == 0).all()


def test_the_picture_does_not_look_at_the_source_for_what_is_kept(tick: tuple[FrameSet, CompressedTick]) -> None:
    frame_set, compressed = tick
    shown = np.asarray(mosaic(frame_set, compressed, NEVER_READ, "clip", "facts"))
    black = replace(frame_set, frames=tuple(replace_luma(frame) for frame in frame_set.frames))
    other = np.asarray(mosaic(black, compressed, NEVER_READ, "clip", "facts"))
    half = shown.shape[1] // 4  # source, kept, source, kept
    assert (shown[:, half + 20 : 2 * half - 20] == other[:, half + 20 : 2 * half - 20]).all()
    assert (shown[:, :half] != other[:, :half]).any()


def replace_luma(frame: object) -> object:
    return replace(frame, y_plane=np.full_like(frame.y_plane, 16), picture=None)  # type: ignore[attr-defined, type-var]


def test_a_missing_camera_is_left_out_and_a_masked_one_says_so(tick: tuple[FrameSet, CompressedTick]) -> None:
    frame_set, compressed = tick
    whole = mosaic(frame_set, compressed, NEVER_READ, "clip", "facts")
    fewer = mosaic(replace(frame_set, frames=(*frame_set.frames[:6], None, None)), compressed, NEVER_READ, "", "")
    assert fewer.height < whole.height
    masked = replace(compressed, camera_valid=np.zeros(8, np.float32))
    assert np.asarray(mosaic(frame_set, masked, NEVER_READ, "", "")).mean() < np.asarray(whole).mean()
