"""The machinery around the choice of frames: memory, threads, errors, leaving early, the report."""

import gc
import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data import camera_cursor
from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.errors import ClipError
from fsd.data.frame_source import BLOCK_TICKS, FrameSource
from fsd.data.frames import CAMERAS, Frame
from fsd.data.open_clip import open_clip
from fsd.data.picture_times import timed_pictures
from fsd.data.sync_report import CameraCounters


@pytest.fixture
def three_cameras(tools: Any, tmp_path: Path) -> Clip:
    """Three cameras with 80 frames each, 36 per second or slightly fewer."""
    for name in ("front_main", "left_pillar", "rear"):
        tools.write_video(tmp_path / f"{name}.mp4", [28 * k for k in range(80)])
    return open_clip(tmp_path)


def live_frames() -> int:
    gc.collect()
    return sum(type(thing) is Frame for thing in gc.get_objects())


def decoder_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode-")]


@pytest.mark.parametrize("lookahead_ticks", [2, 4, 8])
def test_memory_is_bounded_however_slow_the_consumer_is(three_cameras: Clip, lookahead_ticks: int) -> None:
    before = live_frames()
    most = 0
    with FrameSource(three_cameras, lookahead_ticks=lookahead_ticks) as source:
        for frame_set in source:
            if frame_set.tick % 20 == 3:
                time.sleep(0.05)  # the workers have long filled their queues
            if frame_set.tick % 5 == 3:
                most = max(most, live_frames() - before)
    # Blocks made ahead, the one being taken, and each cursor's present and next picture.
    assert most <= 3 * (lookahead_ticks + min(BLOCK_TICKS, lookahead_ticks) + 2)


def test_all_frames_are_let_go_at_the_end(three_cameras: Clip) -> None:
    before = live_frames()
    with FrameSource(three_cameras) as source:
        for _ in source:
            pass
    del source, _
    assert live_frames() == before


def test_leaving_early_ends_the_threads(three_cameras: Clip) -> None:
    with FrameSource(three_cameras, workers=3) as source:
        for frame_set in source:
            if frame_set.tick == 5:
                break
    assert decoder_threads() == []


def test_a_source_that_is_never_iterated_closes(three_cameras: Clip) -> None:
    with FrameSource(three_cameras) as source:
        pass
    source.close()
    assert list(source) == []


def test_a_source_that_is_dropped_ends_its_threads(three_cameras: Clip) -> None:
    for frame_set in FrameSource(three_cameras):
        if frame_set.tick == 2:
            break
    gc.collect()
    assert decoder_threads() == []


def test_closing_from_another_thread_ends_the_iteration(three_cameras: Clip) -> None:
    source = FrameSource(three_cameras)
    shown = 0
    for frame_set in source:
        shown += 1
        if frame_set.tick == 4:
            closer = threading.Thread(target=source.close)
            closer.start()
            closer.join(timeout=10)
            assert not closer.is_alive()
    assert shown == 5


def test_an_error_in_the_consumer_passes_through_and_ends_the_threads(three_cameras: Clip) -> None:
    with pytest.raises(ZeroDivisionError), FrameSource(three_cameras) as source:
        for _ in source:
            raise ZeroDivisionError
    assert decoder_threads() == []


def test_an_error_in_a_worker_reaches_the_consumer_with_its_cause(
    three_cameras: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(stream: CameraStream, counters: CameraCounters) -> Any:
        for count, picture in enumerate(timed_pictures(stream, counters)):
            if count == 30 and stream.name == "left_pillar":
                raise MemoryError("no room for another picture")
            yield picture

    monkeypatch.setattr(camera_cursor, "timed_pictures", failing)
    shown = 0
    with pytest.raises(ClipError, match="31 pictures") as caught, FrameSource(three_cameras) as source:
        for _ in source:
            shown += 1
    assert caught.value.camera == "left_pillar"
    assert isinstance(caught.value.__cause__, MemoryError)
    assert shown >= 24  # everything before the fault was handed out
    assert decoder_threads() == []


def test_frame_sets_have_the_ages_and_marks_of_their_frames(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear.mp4", [50 * k for k in range(5)])
    with FrameSource(open_clip(tmp_path), max_age_ns=30_000_000) as source:
        sets = list(source)
    assert [frame_set.tick for frame_set in sets] == list(range(8))
    assert [int(frame_set.age_ns[7]) for frame_set in sets[:4]] == [0, 27_777_778, 5_555_556, 33_333_334]
    assert [bool(frame_set.is_new[7]) for frame_set in sets[:4]] == [True, False, True, False]
    assert [bool(frame_set.is_valid[7]) for frame_set in sets[:4]] == [True, True, True, False]
    assert all(frame_set.age_ns[0] == -1 and frame_set.frames[0] is None for frame_set in sets)


def test_a_black_picture_is_counted_and_not_valid(tools: Any, tmp_path: Path) -> None:
    def black_first(number: int) -> np.ndarray:
        return np.zeros((96, 128), np.uint8) if number == 0 else tools.numbered_luma(number, 128, 96)

    tools.write_video(tmp_path / "rear.mp4", [30 * k for k in range(10)], luma=black_first)
    shown = tools.replay(tmp_path)
    assert shown.is_valid[:3, 7].tolist() == [False, False, True]
    assert shown.report.cameras["rear"].black_frames == 1
    assert "1 black" in shown.report.faults()[0]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_camera_that_hangs_is_named_counted_and_masked(tools: Any, tmp_path: Path, workers: int) -> None:
    def street(number: int) -> np.ndarray:
        tiles = np.random.default_rng(number).integers(40, 200, (12, 16)).astype(np.uint8)
        return tiles.repeat(8, axis=0).repeat(8, axis=1)

    for name in ("front_main", "front_wide", "rear"):
        hangs = (lambda number: street(min(number, 10))) if name == "rear" else street
        tools.write_video(tmp_path / f"{name}.mp4", [30 * k for k in range(40)], luma=hangs)
    with FrameSource(open_clip(tmp_path), workers=workers) as source:
        seen = [(each.tick, bool(each.is_valid[7])) for each in source if CameraFault.FROZEN in each.faults[7]]
    assert [tick for tick, _ in seen] == list(range(23, 43))  # nine pictures, 0.27 s, after number 10
    assert not any(is_valid for _, is_valid in seen)
    assert list(source.report.fault_ticks) == ["rear"]
    assert source.report.fault_ticks["rear"]["frozen"] == 20
    assert source.report.cameras["rear"].ticks_masked == 20
    assert "frozen at 20 ticks" in source.report.faults()[0]


def test_the_report_accounts_for_every_frame_and_tick(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "front_main.mp4", [10 * k for k in range(200)])
    tools.write_video(tmp_path / "rear.mp4", [100 + 100 * k for k in range(15)])
    shown = tools.replay(tmp_path)
    for camera, counters in shown.report.cameras.items():
        seen = shown.indices[:, CAMERAS.index(camera)]
        assert counters.frames_shown == len(set(seen.tolist()) - {-1})
        assert counters.frames_shown + counters.frames_skipped == counters.frames_timed == counters.frames_decoded
        assert counters.frames_shown + counters.ticks_repeated + counters.ticks_missing == shown.report.ticks
        assert counters.max_age_ns == shown.ages_ns[:, CAMERAS.index(camera)].max()
    times_ns = {0: shown.indices[:, 0] * 10, 7: 100 + shown.indices[:, 7] * 100}
    both = shown.is_valid[:, [0, 7]].all(axis=1)
    assert shown.report.max_skew_ns == np.abs(times_ns[0] - times_ns[7])[both].max() * 1_000_000


def test_the_report_is_ready_for_json(tools: Any, three_cameras: Clip) -> None:
    report = tools.replay(three_cameras, max_ticks=10).report.to_dict()
    assert json.loads(json.dumps(report)) == report
    assert report["ticks"] == 10
    assert report["cameras"]["rear"]["frames_shown"] == 9  # 28 ms apart: frame 9 is not yet due at tick 9
    assert report["cameras"]["rear"]["frames_skipped"] == 0


@pytest.mark.parametrize("settings", [{"workers": 0}, {"lookahead_ticks": 0}, {"start_tick": -1}, {"max_ticks": -1}])
def test_settings_that_make_no_sense_are_refused(three_cameras: Clip, settings: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        FrameSource(three_cameras, **settings)
