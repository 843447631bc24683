import time
from pathlib import Path

import numpy as np
import pytest

from fsd.data.clock import tick_time_ns
from fsd.data.frames import CAMERAS as CAMERA_ORDER
from fsd.data.frames import TICK_NS
from fsd.data.open_clip import open_clip
from fsd.profile.scenarios.camera_feed import CameraFeed
from fsd.profile.scenarios.camera_timing import CameraTiming
from fsd.profile.scenarios.packet_loop import PacketLoop

NEVER = 10**12
"""A busy machine may be seconds late, which most of these tests must not notice."""


def test_cameras_capture_one_after_the_other_and_the_first_at_the_tick() -> None:
    offsets = CameraTiming(skew=1.0).offsets_ns(3)
    assert offsets.shape == (3, 8)
    assert (offsets[:, 0] == 0).all()
    assert np.diff(offsets[0]) == pytest.approx(np.full(7, -TICK_NS / 8), abs=1)
    assert offsets.min() > -TICK_NS


def test_without_skew_all_cameras_capture_at_once() -> None:
    assert not CameraTiming(skew=0.0).offsets_ns(5).any()


def test_jitter_is_seeded_bounded_and_never_in_the_future() -> None:
    offsets = CameraTiming(skew=0.5, jitter_ms=2.0, seed=3).offsets_ns(500)
    assert np.array_equal(offsets, CameraTiming(skew=0.5, jitter_ms=2.0, seed=3).offsets_ns(500))
    assert offsets.max() <= 0
    assert np.abs(offsets - CameraTiming(skew=0.5).offsets_ns(500)).max() <= 6e6 + 1
    assert offsets[:, 3].std() > 1e6


@pytest.mark.parametrize(("skew", "jitter_ms"), [(1.5, 0.0), (-0.1, 0.0), (1.0, -1.0), (1.0, 10.0)])
def test_impossible_timing_is_refused(skew: float, jitter_ms: float) -> None:
    with pytest.raises(ValueError, match="got"):
        CameraTiming(skew, jitter_ms)


def test_a_loop_goes_on_after_the_end_of_the_recording(small_clip: Path) -> None:
    stream = open_clip(small_clip).streams[0]
    assert stream is not None
    loop = PacketLoop(stream, max_pictures=10)
    pictures = [picture.to_ndarray() for _, picture in zip(range(25), loop, strict=False)]
    assert len(pictures) == 25
    np.testing.assert_array_equal(pictures[0], pictures[10])
    np.testing.assert_array_equal(pictures[4], pictures[24])
    assert not np.array_equal(pictures[0], pictures[4])


def test_on_demand_nothing_is_decoded_before_it_is_released(small_clip: Path) -> None:
    with CameraFeed(open_clip(small_clip), workers=2, ticks=3, on_demand=True) as feed:
        feed.start(time.perf_counter_ns())
        assert not feed.wait_for(0, timeout_s=0.05)
        assert all(frame is None for frame in feed.frame_set(0).frames)
        feed.release()
        assert feed.wait_for(0, timeout_s=10)
        assert all(frame is not None and frame.index == 0 for frame in feed.frame_set(0).frames)
        assert not feed.wait_for(1, timeout_s=0.05)


def test_by_the_clock_a_tick_shows_frames_captured_until_then(small_clip: Path) -> None:
    timing = CameraTiming(skew=1.0)
    with CameraFeed(open_clip(small_clip), workers=2, ticks=4, timing=timing, max_lag_ns=NEVER) as feed:
        feed.start(time.perf_counter_ns() + int(2 * TICK_NS))
        assert feed.wait_for(3, timeout_s=30)
        frame_set = feed.frame_set(3)
    captured = [frame.timestamp_ns for frame in frame_set.frames if frame is not None]
    assert captured == [tick_time_ns(3) + offset for offset in timing.offsets_ns(4)[3]]
    assert frame_set.is_valid.all()
    assert frame_set.is_new.all()
    assert frame_set.age_ns.tolist() == [tick_time_ns(3) - time_ns for time_ns in captured]


def test_no_frame_is_decoded_before_it_is_captured(small_clip: Path) -> None:
    with CameraFeed(open_clip(small_clip), workers=2, ticks=5, log_decode=True, max_lag_ns=NEVER) as feed:
        feed.start(time.perf_counter_ns() + int(2 * TICK_NS))
        assert feed.wait_for(4, timeout_s=30)
    offsets = CameraTiming().offsets_ns(5)
    seen: dict[str, int] = {}
    for _, camera, start_ns, _ in feed.decode_log:
        tick = seen[camera] = seen.get(camera, -1) + 1
        number = CAMERA_ORDER.index(camera)
        assert start_ns >= feed.start_ns + tick_time_ns(tick) + offsets[tick, number]
    assert set(seen.values()) == {4}


def test_a_frame_that_did_not_change_is_not_new(small_clip: Path) -> None:
    with CameraFeed(open_clip(small_clip), workers=1, ticks=2, on_demand=True) as feed:
        feed.start(time.perf_counter_ns())
        feed.release()
        feed.wait_for(0, timeout_s=10)
        assert feed.frame_set(0).is_new.all()
        assert not feed.frame_set(1).is_new.any()


def test_a_broken_decoder_is_the_consumers_error(small_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("decoder broke")

    monkeypatch.setattr("fsd.profile.scenarios.camera_feed.frame_of", explode)
    with CameraFeed(open_clip(small_clip), workers=2, ticks=2, on_demand=True) as feed:
        feed.start(time.perf_counter_ns())
        feed.release()
        with pytest.raises(RuntimeError, match="decoder broke"):
            feed.wait_for(0, timeout_s=10)


def test_a_loop_drops_on_to_the_next_i_frame(small_clip: Path) -> None:
    stream = open_clip(small_clip).streams[0]  # I-frames at 0 and 36 of 40 pictures
    assert stream is not None
    loop = PacketLoop(stream, max_pictures=1000)
    pictures = iter(loop)
    first = next(pictures).to_ndarray()
    assert loop.skip(at_least=3) == 35
    next(pictures)
    assert loop.skip(at_least=3) == 3
    np.testing.assert_array_equal(next(pictures).to_ndarray(), first)


def test_a_decoder_that_is_late_drops_frames_and_counts_them(small_clip: Path) -> None:
    with CameraFeed(open_clip(small_clip), workers=2, ticks=60) as feed:
        feed.start(time.perf_counter_ns() - int(20 * TICK_NS))  # half a second behind from the start
        assert feed.wait_for(59, timeout_s=30)
        shown = feed.frame_set(59)
    assert set(feed.dropped_frames) == set(CAMERA_ORDER)
    assert min(feed.dropped_frames.values()) >= 20
    assert all(frame is not None for frame in shown.frames)
