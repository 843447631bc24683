"""Reading all cameras at once gives what reading each alone gives, however their memory lies and whatever repeats."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from fsd.compression.picture_reader import GREY, PictureReader
from fsd.compression.sampling import ANALYSIS_COLUMNS, ANALYSIS_ROWS, PictureSampler
from fsd.data.frames import Frame

B100 = BUDGETS["B100"]
ALL = np.ones(8, bool)
BLOCKS = np.tile(np.array([7, 150, 299], np.int16), 8)
ENDS = np.arange(3, 25, 3)


def images() -> np.ndarray:
    return np.zeros((8, ANALYSIS_ROWS, ANALYSIS_COLUMNS), np.uint8)


def retinas() -> np.ndarray:
    return np.zeros((8, 6, 30, 40), np.uint8)


def alone(frames: list[Frame]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Analysis images, retinas and patches, each camera read by its own sampler."""
    analysis, retina, patches = images(), retinas(), np.zeros((24, 6, 16, 16), np.uint8)
    for index, frame in enumerate(frames):
        sampler = PictureSampler(*frame.y_plane.shape, B100)
        sampler.read_whole(frame, analysis[index], retina[index])
        sampler.read_blocks(frame, BLOCKS, 3 * index, 3 * index + 3, patches)
    return analysis, retina, patches


SIZES = {
    "reference": [(960, 1280, 0)] * 8,
    "padded rows": [(960, 1280, 64)] * 8,
    "two layouts": [(960, 1280, 0), (960, 1280, 64)] * 4,
    "several sizes": [(960, 1280, 0), (480, 640, 0), (960, 1280, 0), (1080, 1920, 32)] * 2,
}


@pytest.mark.parametrize("kind", SIZES)
def test_all_cameras_at_once_give_what_each_gives_alone(made: Any, kind: str) -> None:
    frames = [made.noise_picture(h, w, seed=i, stride=stride) for i, (h, w, stride) in enumerate(SIZES[kind])]
    analysis, retina, patches = images(), retinas(), np.zeros((24, 6, 16, 16), np.uint8)
    reader = PictureReader(B100)
    reader.read(frames, ALL, analysis, images(), retina)
    reader.read_blocks(BLOCKS, ENDS, patches)
    for found, expected in zip((analysis, retina, patches), alone(frames), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_memory_that_may_not_be_written_is_read_as_well(made: Any) -> None:
    frames = [made.noise_picture(960, 1280, seed=i) for i in range(8)]
    frames[2].y_plane.flags.writeable = False
    analysis, retina = images(), retinas()
    PictureReader(B100).read(frames, ALL, analysis, images(), retina)
    np.testing.assert_array_equal(analysis, alone(frames)[0])


@pytest.mark.parametrize(("height", "width"), [(960, 1280), (240, 320)])
def test_a_repeated_picture_gives_the_same_and_its_blocks_can_be_read(made: Any, height: int, width: int) -> None:
    frames = [made.noise_picture(height, width, seed=i) for i in range(8)]
    reader, retina = PictureReader(B100), retinas()
    first, second = images(), images()
    patches = np.zeros((24, 6, 16, 16), np.uint8)
    reader.read(frames, ALL, first, images(), retina)
    newer = [*frames[:4], *(made.noise_picture(height, width, seed=50 + i) for i in range(4))]
    reader.read(newer, ALL, second, first, retina)
    reader.read_blocks(BLOCKS, ENDS, patches)
    for found, expected in zip((second, retina, patches), alone(newer), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_camera_that_comes_back_with_the_same_picture_is_read_again(made: Any) -> None:
    frames = [made.noise_picture(240, 320, seed=i) for i in range(8)]
    reader, retina = PictureReader(B100), retinas()
    is_valid = ALL.copy()
    reader.read(frames, is_valid, images(), images(), retina)
    is_valid[3] = False
    reader.read(frames, is_valid, images(), images(), retina)
    assert (retina[3] == GREY).all()
    analysis = images()
    reader.read(frames, ALL, analysis, images(), retina)
    np.testing.assert_array_equal(analysis[3], alone(frames)[0][3])
    np.testing.assert_array_equal(retina, alone(frames)[1])


def test_an_equal_picture_that_is_another_object_is_read(made: Any) -> None:
    frames = [made.noise_picture(240, 320, seed=i) for i in range(8)]
    reader, retina, analysis = PictureReader(B100), retinas(), images()
    reader.read(frames, ALL, images(), images(), retina)
    other = [replace(frame, y_plane=255 - frame.y_plane) for frame in frames]  # same index, same time
    reader.read(other, ALL, analysis, images(), retina)
    np.testing.assert_array_equal(analysis, alone(other)[0])
