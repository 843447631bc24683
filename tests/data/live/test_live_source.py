"""Live cameras as frame sets, with a clock that the test moves: what a tick shows depends on times alone."""

from pathlib import Path
from typing import Any

import pytest

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.clock import tick_time_ns
from fsd.data.errors import ClipError, RigError
from fsd.data.live.live_source import LiveSource
from fsd.data.standard_rigs import assumed_rig
from tests.data.live._cameras import HEIGHT_PX, WIDTH_PX, Clock, HandedOver, has_taken, wait_until

MS = 1_000_000


def opened(clock: Clock, *cameras: HandedOver, **options: object) -> LiveSource:
    """A source of one or two cameras that have each had a picture."""
    for camera in cameras:
        camera.put(clock.now_ns)
    named = dict(zip(("front", "back"), cameras, strict=False))
    return LiveSource(named, clock_ns=clock, sleep=clock.sleep, **options)  # type: ignore[arg-type]


def test_a_tick_shows_the_newest_picture_not_later_than_it_with_its_age() -> None:
    clock, front = Clock(), HandedOver()
    with opened(clock, front) as source:
        start_ns = next(source).timestamp_ns
        for later_ms in (20, 27, 40):
            front.put(start_ns + later_ms * MS)
            has_taken(source, "front_main", start_ns + later_ms * MS)
        second, third = next(source), next(source)
    assert [each.tick for each in (second, third)] == [1, 2]
    assert second.timestamp_ns == tick_time_ns(1, start_ns)
    shown = [each.frames[0].timestamp_ns - start_ns for each in (second, third) if each.frames[0]]
    assert shown == [27 * MS, 40 * MS]
    assert second.age_ns[0] == tick_time_ns(1) - 27 * MS
    assert source.report.cameras["front_main"].frames_skipped == 1


def test_a_late_consumer_gets_the_latest_tick() -> None:
    clock, front = Clock(), HandedOver()
    with opened(clock, front) as source:
        start_ns = next(source).timestamp_ns
        clock.now_ns = start_ns + 100 * MS  # between ticks 3 and 4
        frame_set = next(source)
    assert (frame_set.tick, source.skipped_ticks) == (3, 2)
    assert frame_set.timestamp_ns == tick_time_ns(3, start_ns)


def test_a_camera_without_new_pictures_becomes_stale_and_is_named() -> None:
    clock, front, rear = Clock(), HandedOver(), HandedOver()
    with opened(clock, front, rear) as source:
        start_ns = next(source).timestamp_ns
        for tick in range(1, 12):
            front.put(tick_time_ns(tick, start_ns))
            has_taken(source, "front_main", tick_time_ns(tick, start_ns))
            frame_set = next(source)
    assert frame_set.is_valid[0]
    assert not frame_set.is_valid[7]
    assert frame_set.faults[7] == (CameraFault.LOST,)
    assert frame_set.age_ns[7] == tick_time_ns(11)
    assert source.report.cameras["rear"].ticks_stale > 0


def test_after_a_hole_of_all_cameras_a_new_run_begins_without_old_pictures() -> None:
    clock, front, rear = Clock(), HandedOver(), HandedOver()
    with opened(clock, front, rear) as source:
        start_ns = next(source).timestamp_ns
        clock.now_ns = start_ns + 3000 * MS
        assert next(source).run == 0
        front.put(clock.now_ns)
        has_taken(source, "front_main", clock.now_ns)
        frame_set = next(source)
    assert frame_set.run == 1
    assert frame_set.is_valid[0]
    assert frame_set.frames[7] is None
    assert source.report.runs[1].hole_ns == 3000 * MS


def test_a_function_that_fails_is_asked_again() -> None:
    clock, front = Clock(), HandedOver()
    with opened(clock, front) as source:
        next(source)
        front.fail(OSError)
        wait_until(lambda: source.states["front_main"].startswith("away"))
        front.put(clock.now_ns + 5 * MS)
        has_taken(source, "front_main", clock.now_ns + 5 * MS)
    assert source.returns == {"front_main": 1}


def test_the_source_ends_when_all_its_cameras_have_ended() -> None:
    clock, front = Clock(), HandedOver()
    with opened(clock, front) as source:
        first = next(source)
        front.fail(StopIteration)
        wait_until(lambda: source.states["front_main"] == "ended")
        assert list(source) == []
    assert first.is_valid[0]


def test_pictures_of_an_earlier_or_equal_time_are_counted_and_not_shown() -> None:
    clock, front = Clock(), HandedOver()
    with opened(clock, front) as source:
        start_ns = next(source).timestamp_ns
        for later_ms in (20, 10, 25):
            front.put(start_ns + later_ms * MS)
        has_taken(source, "front_main", start_ns + 25 * MS)
        next(source)
    assert source.report.cameras["front_main"].backwards_times == 1


def test_a_picture_of_another_size_is_scaled_and_named() -> None:
    clock, front = Clock(), HandedOver()
    with opened(clock, front) as source:
        start_ns = next(source).timestamp_ns
        front.put(start_ns + MS, width_px=2 * WIDTH_PX)
        has_taken(source, "front_main", start_ns + MS)
        frame_set = next(source)
    assert frame_set.frames[0] is not None
    assert frame_set.frames[0].y_plane.shape == (HEIGHT_PX, WIDTH_PX)
    assert CameraFault.RESIZED in frame_set.faults[0]
    assert not frame_set.is_valid[0]


def test_the_rig_is_assumed_for_the_size_of_the_pictures_and_said_to_be() -> None:
    clock, front = Clock(), HandedOver()
    with opened(clock, front, max_ticks=2) as source:
        assert [tick.tick for tick in source] == [0, 1]
    camera = source.rig.camera("front_main")
    assert camera is not None
    assert (camera.width_px, camera.height_px) == (WIDTH_PX, HEIGHT_PX)
    assert source.clip.rig_is_assumed
    assert source.clip.sizes_px == {"front_main": (WIDTH_PX, HEIGHT_PX)}


def test_pictures_that_do_not_match_the_rig_are_refused() -> None:
    with pytest.raises(RigError) as raised:
        opened(Clock(), HandedOver(), rig=assumed_rig({"front_main": (1280, 960)}))
    assert raised.value.camera == "front_main"


def test_times_of_another_clock_are_refused() -> None:
    front = HandedOver()
    front.put(123)
    with pytest.raises(ClipError, match=r"time\.monotonic_ns"):
        LiveSource({"front": front}, clock_ns=Clock())


def test_with_a_rig_a_camera_may_come_later() -> None:
    rig = assumed_rig({"front_main": (WIDTH_PX, HEIGHT_PX), "rear": (WIDTH_PX, HEIGHT_PX)})
    clock, front, rear = Clock(), HandedOver(), HandedOver()
    front.put(clock.now_ns)
    cameras = {"front_main": front, "rear": rear}
    with LiveSource(cameras, rig, start_timeout_s=0.2, clock_ns=clock, sleep=clock.sleep) as source:
        absent = next(source)
        rear.put(clock.now_ns)
        has_taken(source, "rear", clock.now_ns)
        present = next(source)
    assert absent.frames[7] is None
    assert present.is_valid[7]
    with pytest.raises(ClipError) as raised:
        LiveSource({"front_main": HandedOver()}, start_timeout_s=0.1)
    assert raised.value.camera == "front_main"


@pytest.mark.parametrize("given", [3, "/dev/none", "", None], ids=["number", "missing", "empty", "nothing"])
def test_what_is_no_camera_is_refused(given: object) -> None:
    with pytest.raises(ClipError) as raised:
        LiveSource({"front_main": given})  # type: ignore[dict-item]
    assert raised.value.camera == "front_main"


def test_a_video_file_plays_once_in_real_time_and_ends(tools: Any, tmp_path: Path) -> None:
    video = tools.write_video(tmp_path / "front.mp4", range(0, 250, 28))
    with LiveSource({"front": video}) as source:
        shown = [(each.tick, tools.number_in(each.frames[0].y_plane)) for each in source if each.frames[0]]
    assert shown[-1][1] == 8
    assert all(number <= tick for tick, number in shown)  # never before its time
    assert source.states == {"front_main": "ended"}


def test_pictures_that_are_late_since_this_process_did_not_run_are_no_fault_of_the_camera() -> None:
    clock, front = Clock(), HandedOver()
    with opened(clock, front) as source:
        start_ns = next(source).timestamp_ns
        clock.now_ns = start_ns + 600 * MS
        source.stalls.add(550 * MS)
        stalled = next(source)
        front.put(start_ns + 200 * MS)  # taken during the stall, read after it
        has_taken(source, "front_main", start_ns + 200 * MS)
        behind = next(source)
        front.put(clock.now_ns + 20 * MS)
        has_taken(source, "front_main", clock.now_ns + 20 * MS)
        fresh = next(source)
    assert [each.is_valid[0] for each in (stalled, behind, fresh)] == [False, False, True]
    assert [each.faults[0] for each in (stalled, behind, fresh)] == [(), (), ()]
    assert source.report.cameras["front_main"].gaps == 0


@pytest.mark.parametrize("stalled_ms", [0, 60])
def test_a_stall_that_is_too_short_to_explain_it_leaves_a_camera_lost(stalled_ms: int) -> None:
    clock, front = Clock(), HandedOver()
    with opened(clock, front) as source:
        start_ns = next(source).timestamp_ns
        clock.now_ns = start_ns + 600 * MS
        if stalled_ms:
            source.stalls.add(stalled_ms * MS)
        assert next(source).faults[0] == (CameraFault.LOST,)
