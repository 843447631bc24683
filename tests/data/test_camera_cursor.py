import numpy as np

from fsd.data.camera_cursor import RUN_FRAMES, FrozenCamera
from fsd.data.frames import Frame


def frozen(pictures: list[int]) -> int:
    """Count over pictures that show the given numbers."""
    camera = FrozenCamera()
    planes = {value: np.random.default_rng(value).integers(0, 255, (96, 128), np.uint8) for value in set(pictures)}
    return sum(
        camera.add(Frame(planes[value], planes[value], planes[value], index, index))
        for index, value in enumerate(pictures)
    )


def test_a_moving_camera_is_not_frozen() -> None:
    assert frozen(list(range(50))) == 0


def test_every_picture_twice_is_not_frozen() -> None:
    assert frozen([value for value in range(25) for _ in range(2)]) == 0


def test_a_long_run_of_one_picture_counts_every_repetition() -> None:
    assert frozen([0, 1, *[2] * 31, 3]) == 30


def test_a_run_just_too_short_counts_nothing() -> None:
    assert frozen([5] * RUN_FRAMES) == 0
    assert frozen([5] * (RUN_FRAMES + 1)) == RUN_FRAMES
