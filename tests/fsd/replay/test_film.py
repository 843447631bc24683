import io
from dataclasses import replace

import av
import numpy as np
import pytest

from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.replay import film as module
from fsd.replay.film import Film, arrange
from fsd.runtime.planner import StepResult
from tests.fsd.overlay.test_drive_state import clip
from tests.fsd.overlay.test_overlay import grey_frame, straight


def results(count: int, seed: int = 0) -> list[StepResult]:
    noise = np.random.default_rng(seed).integers(0, 255, (count, 48, 64), np.uint8)
    some = np.ones(8, bool)
    frames: list[tuple[Frame, ...]] = [(replace(grey_frame(48, 64), y_plane=each),) * 8 for each in noise]
    sets = [FrameSet(row, row, each, np.zeros(8, np.int64), some, some) for row, each in enumerate(frames)]
    return [StepResult(each, straight(), None, "none", b"", b"", 0.0, 0.0, 0.0, 0.0) for each in sets]


def shown_rows(made: Clip, count: int, length: int | None) -> tuple[list[int], list[int]]:
    """Rows that the film says it shows, and those of its pictures."""
    film = Film(made)
    film.expect(length)
    for result in results(count):
        film.add(result, None, "none")
    found = film.finished()
    assert found is not None
    assert film.finished() is found
    with av.open(io.BytesIO(found.content)) as video:
        stamps = [
            round(float((image.pts or 0) * video.streams.video[0].time_base * 36)) for image in video.decode(video=0)
        ]
    return found.rows.tolist(), stamps


def test_a_picture_of_the_film_stands_at_the_time_of_its_tick() -> None:
    rows, stamps = shown_rows(clip(), count=20, length=20)
    assert rows == stamps == [0, 3, 6, 9, 12, 15, 18]


def test_a_long_drive_has_as_many_pictures_further_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_IMAGES", 4)
    assert shown_rows(clip(), count=20, length=20)[0] == [0, 5, 10, 15]
    assert shown_rows(clip(), count=20, length=None)[0] == [0, 3, 6, 9]  # how long it is was not known


def test_a_film_that_is_too_large_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Film(clip())
    film.expect(6)
    for result in results(6):
        film.add(result, None, "none")
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    assert film.finished() is None


@pytest.mark.parametrize("count", range(1, 9))
def test_every_camera_has_a_place_and_the_front_one_the_largest(count: int) -> None:
    boxes = arrange(dict.fromkeys(CAMERAS[:count], (1280, 960)))
    assert list(boxes) == list(CAMERAS[:count])
    areas = [box.width * box.height for box in boxes.values()]
    assert areas[0] == max(areas)
    covered = np.zeros((1200, 640), int)
    for box in boxes.values():
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    height = max(box.y + box.height for box in boxes.values())
    assert (covered[:height] == 1).all()  # no place is empty, and none is taken twice
