"""Selections hold pictures with their true age, and never hide a lost camera."""

from typing import Any

import numpy as np
import pytest

from fsd.compression.frame_selection import SceneCuts, UniformSubsample, whole_set_ticks
from fsd.data.frames import FrameSet

GREY = np.full((120, 160), 100, np.uint8)


def shown(selection: Any, frame_sets: list[FrameSet]) -> list[int]:
    """Index of the picture that front_main shows at every tick."""
    return [int(selection.select(frame_set).frame_index[0]) for frame_set in frame_sets]


def test_uniform_subsampling_shows_one_set_in_a_stride_and_holds_it(made: Any) -> None:
    drive = made.drive(7, lambda tick, camera: made.picture(GREY, tick))
    assert shown(UniformSubsample(3), drive) == [0, 0, 0, 3, 3, 3, 6]


def test_a_held_picture_keeps_its_true_age_and_is_not_new(made: Any) -> None:
    drive = made.drive(3, lambda tick, camera: made.picture(GREY, tick))
    selection = UniformSubsample(3)
    held = [selection.select(frame_set) for frame_set in drive][-1]
    assert (held.age_ns == 2 * made.TICK_NS).all()
    assert not held.is_new.any()
    assert held.timestamp_ns == drive[-1].timestamp_ns


def test_a_lost_camera_is_not_held(made: Any) -> None:
    drive = made.drive(2, lambda tick, camera: None if tick and camera == 0 else made.picture(GREY, tick))
    selection = UniformSubsample(9)
    selection.select(drive[0])
    later = selection.select(drive[1])
    assert later.frames[0] is None
    assert not later.is_valid[0]
    assert later.frames[1] is drive[0].frames[1]


def test_a_camera_that_begins_late_is_shown_at_once(made: Any) -> None:
    drive = made.drive(3, lambda tick, camera: made.picture(GREY, tick) if tick else None)
    assert shown(UniformSubsample(9), drive) == [-1, 1, 1]


def test_a_still_scene_has_no_cut(made: Any) -> None:
    drive = made.drive(40, lambda tick, camera: made.picture(GREY, tick))
    assert set(shown(SceneCuts(), drive)) == {0}


def test_a_scene_cut_is_shown_in_the_same_tick_by_its_camera_only(made: Any) -> None:
    other = made.noise_picture(120, 160).y_plane
    drive = made.drive(30, lambda tick, camera: made.picture(other if tick >= 20 and camera == 0 else GREY, tick))
    selection = SceneCuts()
    found = [selection.select(frame_set).frame_index for frame_set in drive]
    assert [int(index[0]) for index in found] == [0] * 20 + [20] * 10
    assert {int(index[1]) for index in found} == {0}


def test_a_slow_change_adds_up_to_a_cut(made: Any) -> None:
    drive = made.drive(40, lambda tick, camera: made.picture(np.full((120, 160), 100 + tick, np.uint8), tick))
    assert shown(SceneCuts(threshold=20), drive) == [0] * 20 + [20] * 20


def test_cuts_are_never_closer_than_a_scene_is_long(made: Any) -> None:
    drive = made.drive(60, lambda tick, camera: made.picture(GREY if tick % 2 else GREY + 100, tick))
    cuts = np.unique(shown(SceneCuts(min_scene_ticks=15), drive))
    assert (np.diff(cuts) >= 15).all()
    assert len(cuts) > 2


def test_selections_start_again_after_a_reset(made: Any) -> None:
    drive = made.drive(5, lambda tick, camera: made.picture(GREY, tick))
    for selection in (UniformSubsample(3), SceneCuts()):
        first = shown(selection, drive)
        selection.reset()
        assert shown(selection, drive) == first


def test_the_stride_at_equal_bytes_is_what_a_whole_set_takes() -> None:
    assert whole_set_ticks(8, 300, 58) == 42
    assert whole_set_ticks(1, 300, 400) == 1


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="stride"):
        UniformSubsample(0)
    with pytest.raises(ValueError, match="min_scene_ticks"):
        SceneCuts(min_scene_ticks=0)
