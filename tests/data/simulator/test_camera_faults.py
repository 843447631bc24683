"""Injected camera faults: what each does to a stream of frame sets, and that it leaves everything else alone."""

from dataclasses import replace

import numpy as np
import pytest

from fsd.data.clock import tick_time_ns
from fsd.data.frames import CAMERAS, MAX_FRAME_AGE_NS, FrameSet
from fsd.data.simulator.camera_faults import DUPLICATES, KINDS, SWAPPED_WITH, FaultInjector
from fsd.data.simulator.picture_faults import PICTURE_FAULTS
from fsd.data.simulator.rendering.yuv import frame_set_from_rgb

FROM, TICKS = 4, 14
LEFT = CAMERAS.index("left_pillar")


def drive(ticks: int = TICKS) -> list[FrameSet]:
    """Eight small cameras; every picture differs from all others."""
    rng = np.random.default_rng(0)
    return [frame_set_from_rgb(rng.integers(40, 200, (8, 24, 32, 3), np.uint8), tick) for tick in range(ticks)]


def faulty(kind: str, sets: list[FrameSet], seed: int = 3) -> list[FrameSet]:
    fault = FaultInjector(kind, "left_pillar", FROM, seed=seed)
    return [fault(each) for each in sets]


def same_picture(one: FrameSet, other: FrameSet, camera: int = LEFT) -> bool:
    first, second = one.frames[camera], other.frames[camera]
    if first is None or second is None:
        return first is second
    return all(
        np.array_equal(getattr(first, plane), getattr(second, plane)) for plane in ("y_plane", "u_plane", "v_plane")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_begins_at_its_tick_repeats_with_its_seed_and_leaves_other_cameras_alone(kind: str) -> None:
    sets = drive()
    once, again = faulty(kind, sets), faulty(kind, sets)
    names = FaultInjector(kind, "left_pillar", FROM).cameras
    for clean, one, other in zip(sets, once, again, strict=True):
        assert same_picture(one, other)
        assert np.array_equal(one.age_ns, other.age_ns)
        for index, name in enumerate(CAMERAS):
            if name not in names:
                assert one.frames[index] is clean.frames[index]
    is_changed = [one.frames[LEFT] is not clean.frames[LEFT] for one, clean in zip(once, sets, strict=True)]
    assert is_changed == [tick < FROM if kind == "late_start" else tick >= FROM for tick in range(TICKS)] or (
        kind == "duplicates" and not any(is_changed[:FROM]) and any(is_changed)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_never_writes_into_the_pictures_that_it_is_given(kind: str) -> None:
    sets, untouched = drive(), drive()
    faulty(kind, sets)
    assert all(same_picture(one, other) for one, other in zip(sets, untouched, strict=True))


@pytest.mark.parametrize("kind", PICTURE_FAULTS)
def test_a_changed_picture_has_planes_that_belong_together(kind: str) -> None:
    frame = faulty(kind, drive())[-1].frames[LEFT]
    assert frame is not None
    height, width = frame.y_plane.shape
    assert (height, width) == ((12, 16) if kind == "size_change" else (24, 32))
    assert frame.u_plane.shape == frame.v_plane.shape == (height // 2, width // 2)
    assert {plane.dtype for plane in (frame.y_plane, frame.u_plane, frame.v_plane)} == {np.dtype(np.uint8)}


def test_a_frozen_camera_shows_its_last_good_picture_with_new_times() -> None:
    sets = drive()
    for tick, one in enumerate(faulty("frozen", sets)[FROM:], start=FROM):
        assert same_picture(one, sets[FROM - 1])
        assert (one.age_ns[LEFT], one.is_valid[LEFT], one.is_new[LEFT]) == (0, True, True)
        assert one.frame_index[LEFT] == tick


def test_a_camera_that_ended_gets_older_until_it_is_not_valid() -> None:
    sets = drive()
    result = faulty("truncated", sets)
    ages_ns = [int(one.age_ns[LEFT]) for one in result[FROM:]]
    assert ages_ns == [tick_time_ns(tick) - tick_time_ns(FROM - 1) for tick in range(FROM, TICKS)]
    assert [bool(one.is_valid[LEFT]) for one in result[FROM:]] == [age <= MAX_FRAME_AGE_NS for age in ages_ns]
    assert not any(one.is_new[LEFT] for one in result[FROM:])


def test_lost_and_late_cameras_have_no_frame() -> None:
    lost, late = faulty("lost", drive()), faulty("late_start", drive())
    assert [one.frames[LEFT] is None for one in lost] == [tick >= FROM for tick in range(TICKS)]
    assert [one.frames[LEFT] is None for one in late] == [tick < FROM for tick in range(TICKS)]
    assert (lost[-1].age_ns[LEFT], lost[-1].is_valid[LEFT], late[-1].is_valid[LEFT]) == (-1, False, True)


def test_clock_faults_separate_pictures_from_their_times() -> None:
    sets = drive()
    jumped, offset = faulty("clock_jump", sets)[-1], faulty("clock_offset", sets)[-1]
    assert same_picture(jumped, sets[-1])
    assert (jumped.age_ns[LEFT], jumped.is_valid[LEFT]) == (5_000_000_000, False)
    # 300 ms are 10.8 ticks: the newest picture that is old enough was taken 11 ticks ago.
    assert same_picture(offset, sets[-1 - 11])
    assert (offset.age_ns[LEFT], offset.is_valid[LEFT]) == (0, True)


def test_duplicates_show_every_picture_several_times() -> None:
    sets = drive()
    result = faulty("duplicates", sets)
    for tick in range(FROM, TICKS):
        assert same_picture(result[tick], sets[tick - (tick - FROM) % DUPLICATES])
        assert result[tick].age_ns[LEFT] == 0


def test_swapped_cables_exchange_two_cameras() -> None:
    sets = drive()
    other = CAMERAS.index(SWAPPED_WITH["left_pillar"])
    result = faulty("swapped", sets)[-1]
    assert result.frames[LEFT] is sets[-1].frames[other]
    assert result.frames[other] is sets[-1].frames[LEFT]


def test_turned_cameras_show_turned_pictures() -> None:
    clean = drive()[-1].frames[LEFT]
    upside_down = faulty("upside_down", drive())[-1].frames[LEFT]
    rotated = faulty("rotated", drive())[-1].frames[LEFT]
    assert clean is not None
    assert upside_down is not None
    assert rotated is not None
    assert np.array_equal(upside_down.y_plane[::-1, ::-1], clean.y_plane)
    # What was right of the middle is now above it; 24 rows show the middle 18 columns.
    assert rotated.y_plane[0, 16] == clean.y_plane[12, 24]


def test_a_fault_can_end() -> None:
    sets = drive()
    fault = FaultInjector("noise", "left_pillar", FROM, until_tick=FROM + 2)
    assert [fault(each).frames[LEFT] is not each.frames[LEFT] for each in sets] == [
        FROM <= tick < FROM + 2 for tick in range(TICKS)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_is_shown_twice_stays_one_object(kind: str) -> None:
    sets = drive()
    fault = FaultInjector(kind, "left_pillar", FROM)
    for each in sets:
        shown = fault(each)
    held = replace(sets[-1], tick=TICKS, timestamp_ns=tick_time_ns(TICKS), is_new=np.zeros(8, bool))
    assert fault(held).frames[LEFT] is shown.frames[LEFT]


def test_unknown_faults_and_cameras_swapped_with_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="sunburn"):
        FaultInjector("sunburn", "rear", 0)
    with pytest.raises(ValueError, match="rear"):
        FaultInjector("swapped", "rear", 0, partner="rear")
