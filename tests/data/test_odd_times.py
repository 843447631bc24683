"""Times as recorders really write them: no rate, different starts, one wrong stamp, jitter, parts without dates."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.data.recording_options import CameraOptions

T36 = Fraction(1, 36)
SIZE = (64, 48)
SECOND_NS = 10**9
NO_RATE = {"x265-params": "log-level=none:pools=1:frame-threads=1:vui-timing-info=0"}


def write_raw(tools: Any, path: Path) -> None:
    """60 pictures of 20 Hz as a raw stream that states no rate, as comma2k19 has them."""
    tools.write_video(path, list(range(60)), Fraction(1, 20), "libx265", NO_RATE, container="hevc")


def test_the_rate_of_a_raw_stream_without_one_is_called_a_guess(tools: Any, tmp_path: Path) -> None:
    write_raw(tools, tmp_path / "front.hevc")
    notes = [note for note in open_clip(tmp_path).notes if "GUESS" in note]
    assert len(notes) == 1
    assert "--rate-hz" in notes[0]


def test_a_given_rate_is_used(tools: Any, tmp_path: Path) -> None:
    write_raw(tools, tmp_path / "front.hevc")
    clip = open_clip(tmp_path, CameraOptions(rate_hz=20))
    assert not any("GUESS" in note for note in clip.notes)
    frames = [(k * 50_000_000, k) for k in range(60)]
    assert np.array_equal(tools.replay(clip).numbers, tools.expected_numbers({"front_main": frames}))


def test_a_given_rate_may_be_that_of_ntsc(tools: Any, tmp_path: Path) -> None:
    write_raw(tools, tmp_path / "front.hevc")
    stream = open_clip(tmp_path, CameraOptions(rate_hz=30000 / 1001)).streams[0]
    assert stream is not None
    assert stream.rate_hz == Fraction(30000, 1001)


def write_late(tools: Any, folder: Path) -> None:
    """The rear camera's times begin 8.33 s after the front's; both last 1 s."""
    for name, start_ms in (("front_main", 0), ("rear", 8330)):
        tools.write_video(folder / f"{name}.mkv", [start_ms + 25 * k for k in range(40)], size_px=SIZE)


def test_a_camera_that_starts_elsewhere_is_named_with_the_difference(tools: Any, tmp_path: Path) -> None:
    write_late(tools, tmp_path)
    notes = [note for note in open_clip(tmp_path).notes if "--align-start" in note]
    assert len(notes) == 1
    assert notes[0].startswith("rear starts 8.3 s after front_main")


def test_align_start_shifts_cameras_to_one_start(tools: Any, tmp_path: Path) -> None:
    write_late(tools, tmp_path)
    clip = open_clip(tmp_path, CameraOptions(align_start=True))
    frames = [(25_000_000 * k, k) for k in range(40)]
    shown = tools.replay(clip)
    assert np.array_equal(shown.numbers, tools.expected_numbers({"front_main": frames, "rear": frames}))
    assert any("rear by 8.330 s" in note for note in clip.notes)


def test_align_start_shifts_tables_of_times_too(tools: Any, tmp_path: Path) -> None:
    for name, start_ns in (("front_main", 5 * SECOND_NS), ("rear", 9 * SECOND_NS)):
        tools.write_video(tmp_path / f"{name}.mp4", [25 * k for k in range(20)], size_px=SIZE)
        tools.write_timestamps(tmp_path / f"{name}.timestamps.parquet", [start_ns + 25_000_000 * k for k in range(20)])
    shown = tools.replay(open_clip(tmp_path, CameraOptions(align_start=True)))
    assert (shown.numbers[:, 0] == shown.numbers[:, 7]).all()


def test_cameras_that_start_within_a_second_need_no_note(tools: Any, tmp_path: Path) -> None:
    for name, start_ms in (("front_main", 0), ("rear", 900)):
        tools.write_video(tmp_path / f"{name}.mkv", [start_ms + 25 * k for k in range(4)], size_px=SIZE)
    assert not any("--align-start" in note for note in open_clip(tmp_path).notes)


@pytest.mark.parametrize("jump_s", [36_000, 5])
def test_one_packet_stamped_late_is_dropped_and_counted_and_the_rest_is_shown(
    tools: Any, tmp_path: Path, jump_s: int
) -> None:
    bad = [k + (jump_s * 36 if k == 54 else 0) for k in range(108)]
    for name, times in (("front_main", bad), ("rear", list(range(108)))):
        tools.write_video(tmp_path / f"{name}.mkv", times, T36, "mjpeg", size_px=SIZE)
    shown = tools.replay(tmp_path)
    counters = shown.report.cameras["front_main"]
    assert (counters.stray_times, counters.frames_timed) == (1, 107)
    assert shown.report.ticks in (107, 108)  # Matroska rounds times to milliseconds, and the last tick with them
    numbers = shown.numbers[:, 0]
    assert numbers[[30, 57, 100]].tolist() == pytest.approx([30, 57, 100], abs=1)
    assert 54 not in shown.numbers[:, 0]


def test_a_wrong_stamp_of_hours_does_not_promise_hours(tools: Any, tmp_path: Path) -> None:
    bad = [k + (36_000 * 36 if k == 54 else 0) for k in range(108)]
    tools.write_video(tmp_path / "rear.mkv", bad, T36, "mjpeg", size_px=SIZE)
    with FrameSource(open_clip(tmp_path)) as source:
        assert source.expected_ticks is None or source.expected_ticks < 1000


def test_a_step_that_the_next_one_makes_up_for_is_jitter(tools: Any, tmp_path: Path) -> None:
    """Every sixth picture is 14 ms late, or so late that it nearly meets the next; none is missing."""
    for late, name in ((140, "front_main"), (273, "rear")):
        times = [round(k * 277.6) + (late if k % 6 == 3 else 0) for k in range(72)]
        tools.write_video(tmp_path / f"{name}.mp4", times, Fraction(1, 10_000), size_px=SIZE)
    counters = tools.replay(tmp_path).report.cameras
    assert counters["rear"].max_gap_ns > 1.95 * 27_760_000
    assert (counters["front_main"].gaps, counters["rear"].gaps) == (0, 0)


def test_a_picture_that_is_missing_is_a_gap(tools: Any, tmp_path: Path) -> None:
    times = [round(k * 277.6) for k in range(72) if k not in (20, 71 - 1)]
    tools.write_video(tmp_path / "rear.mp4", times, Fraction(1, 10_000), size_px=SIZE)
    assert tools.replay(tmp_path).report.cameras["rear"].gaps == 2


def test_parts_without_dates_follow_each_other_and_a_note_says_so(tools: Any, tmp_path: Path) -> None:
    for part in range(2):
        tools.write_video(
            tmp_path / f"CAM_0_FRONT_{part}.mp4".replace("_0_", "_"), [40, 80, 120], first_number=4 * part
        )
    assert any("follow each other" in note and "no dates" in note for note in open_clip(tmp_path).notes)


def test_dates_in_headers_keep_a_hole(tools: Any, tmp_path: Path) -> None:
    for part, second in enumerate((10, 11, 15)):
        bare = tools.write_video(tmp_path / "bare.mp4", [40 * k for k in range(25)], size_px=SIZE)
        with av.open(str(bare)) as source, av.open(str(tmp_path / f"rear_{part}.mp4"), "w") as target:
            target.metadata["creation_time"] = f"2026-01-02T15:16:{second}Z"
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        bare.unlink()
    stream_of_rear = open_clip(tmp_path).streams[7]
    assert stream_of_rear is not None
    assert [first // 10**7 for first, _ in stream_of_rear.spans_ns] == [0, 100, 500]
