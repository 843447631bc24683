"""Times: ticks, files of timestamps, containers without times, clocks that jump."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.clock import floor_ns, load_timestamps, tick_count, tick_time_ns
from fsd.data.errors import ClockError
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip

UNIX_NS = 1_763_000_000_123_456_789


@settings(derandomize=True, deadline=None)
@given(start_s=st.fractions(0, 10**6), frame=st.integers(0, 10**8))
def test_no_start_makes_an_exact_36_hz_stream_late_or_early(start_s: Fraction, frame: int) -> None:
    start_ns = floor_ns(start_s)
    tick_ns = tick_time_ns(frame, start_ns)
    assert floor_ns(start_s + Fraction(frame, 36)) <= tick_ns < floor_ns(start_s + Fraction(frame + 1, 36))


@settings(derandomize=True, deadline=None)
@given(start_s=st.fractions(0, 10**6), frames=st.integers(1, 10**8))
def test_an_exact_36_hz_stream_has_as_many_ticks_as_frames(start_s: Fraction, frames: int) -> None:
    assert tick_count(floor_ns(start_s), floor_ns(start_s + Fraction(frames - 1, 36))) == frames


@settings(derandomize=True, deadline=None)
@given(tick=st.integers(0, 10**9))
def test_tick_times_are_the_exact_multiples_rounded_up(tick: int) -> None:
    assert tick_time_ns(tick) == math.ceil(Fraction(tick * 10**9, 36))


def test_a_timestamps_file_overrules_the_container(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear.mp4", [33 * k for k in range(30)])
    times_ns = [UNIX_NS + 50_000_000 * k + (k * 7919) % 1_400_000 for k in range(30)]
    tools.write_timestamps(tmp_path / "rear.timestamps.parquet", times_ns)
    shown = tools.replay(tmp_path)
    assert np.array_equal(shown.numbers, tools.expected_numbers({"rear": list(zip(times_ns, range(30), strict=True))}))
    assert shown.report.start_ns == UNIX_NS


@settings(max_examples=30, derandomize=True, deadline=None)
@given(data=st.data())
def test_any_rising_timestamps_give_the_newest_frame_not_later_than_the_tick(
    tools: Any, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("clip")
    cameras = {}
    for name in ("front_main", "right_pillar"):
        steps = data.draw(st.lists(st.integers(500_000, 90_000_000), min_size=1, max_size=20))
        times_ns = (UNIX_NS + np.cumsum(steps)).tolist()
        tools.write_video(folder / f"{name}.mp4", list(range(len(steps))), options={"tune": "zerolatency"})
        tools.write_timestamps(folder / f"{name}.timestamps.parquet", times_ns)
        cameras[name] = list(zip(times_ns, range(len(steps)), strict=True))
    assert np.array_equal(tools.replay(folder).numbers, tools.expected_numbers(cameras))


def test_a_csv_beside_the_video_gives_its_times(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "drive.mp4", [50 * k for k in range(20)])
    times_ns = [UNIX_NS + 50_100_000 * k for k in range(20)]
    rows = [f"{k},{time_ns},-0.0{k}" for k, time_ns in enumerate(times_ns)]
    (tmp_path / "drive.csv").write_text("frame,timestamp_ns,steering_angle_rad\n" + "\n".join(rows) + "\n")
    shown = tools.replay(tmp_path)
    frames = list(zip(times_ns, range(20), strict=True))
    assert np.array_equal(shown.numbers, tools.expected_numbers({"front_main": frames}))


def test_a_csv_without_times_is_left_alone_and_noted(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear.mp4", [0, 30])
    (tmp_path / "rear.csv").write_text("frame,steering\n0,1\n")
    assert any("rear.csv has no column `timestamp_ns`" in note for note in open_clip(tmp_path).notes)


def test_frames_without_a_row_are_counted_and_not_shown(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear.mp4", [30 * k for k in range(20)])
    tools.write_timestamps(tmp_path / "rear.timestamps.parquet", [10**9 + 30_000_000 * k for k in range(12)])
    shown = tools.replay(tmp_path)
    counters = shown.report.cameras["rear"]
    assert (counters.frames_decoded, counters.frames_timed, counters.frames_without_row) == (20, 12, 8)
    assert "8 frames" in shown.report.faults()[0]


def test_rows_without_a_frame_are_counted(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear.mp4", [30 * k for k in range(12)])
    tools.write_timestamps(tmp_path / "rear.timestamps.parquet", [10**9 + 30_000_000 * k for k in range(20)])
    shown = tools.replay(tmp_path)
    counters = shown.report.cameras["rear"]
    assert (counters.frames_timed, counters.rows_without_frame) == (12, 8)


def test_frame_numbers_that_no_picture_has_are_refused(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear.mp4", [30 * k for k in range(12)])
    index = [0, *(10**8 * k for k in range(1, 12))]
    tools.write_timestamps(tmp_path / "rear.timestamps.parquet", [10**9 + 30_000_000 * k for k in range(12)], index)
    with pytest.raises(ClockError, match=r"11 of 12 rows.*rear\.mp4 holds 12 pictures"):
        open_clip(tmp_path)


def test_a_timestamps_file_may_leave_frames_out(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear.mp4", [30 * k for k in range(20)])
    index = [0, 2, 3, 7, 19]
    times_ns = [10**9 + 40_000_000 * k for k in range(5)]
    tools.write_timestamps(tmp_path / "rear.timestamps.parquet", times_ns, index)
    frames = list(zip(times_ns, index, strict=True))
    assert np.array_equal(tools.replay(tmp_path).numbers, tools.expected_numbers({"rear": frames}))


def test_times_that_do_not_rise_name_the_row_and_the_values(tools: Any, tmp_path: Path) -> None:
    path = tools.write_timestamps(tmp_path / "rear.timestamps.parquet", [5, 7, 7, 9])
    with pytest.raises(ClockError, match=r"row 2: `t_ns` 7 .* 7 of row 1"):
        load_timestamps(path)


def test_a_csv_cell_that_is_no_number_is_named(tmp_path: Path) -> None:
    (tmp_path / "rear.csv").write_text("timestamp_ns\n100\n1e18\n")
    with pytest.raises(ClockError, match=r"row 1: `timestamp_ns`.*1e18"):
        load_timestamps(tmp_path / "rear.csv")


def test_an_empty_timestamps_file_is_refused(tools: Any, tmp_path: Path) -> None:
    path = tools.write_timestamps(tmp_path / "rear.timestamps.parquet", [])
    with pytest.raises(ClockError, match=r"rear\.timestamps\.parquet"):
        load_timestamps(path)


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "h264"), ("libx265", "hevc"), ("mjpeg", "mjpeg")])
def test_a_raw_stream_is_timed_by_its_index_and_a_note_says_so(
    tools: Any, tmp_path: Path, codec: str, suffix: str
) -> None:
    tools.write_video(tmp_path / f"rear.{suffix}", list(range(30)), Fraction(1, 25), codec, container=suffix)
    clip = open_clip(tmp_path)
    rate_hz = next(stream.rate_hz for stream in clip.streams if stream)
    frames = [(floor_ns(k / rate_hz), k) for k in range(30)]
    assert np.array_equal(tools.replay(clip).numbers, tools.expected_numbers({"rear": frames}))
    assert any("carries no times" in note for note in clip.notes)


def test_cameras_without_a_timestamps_file_start_with_the_others(tools: Any, tmp_path: Path) -> None:
    for name in ("front_main", "rear"):
        tools.write_video(tmp_path / f"{name}.mp4", [25 * k for k in range(20)])
    times_ns = [UNIX_NS + 25_000_000 * k for k in range(20)]
    tools.write_timestamps(tmp_path / "rear.timestamps.parquet", times_ns)
    clip = open_clip(tmp_path)
    frames = list(zip(times_ns, range(20), strict=True))
    expected = tools.expected_numbers({"front_main": frames, "rear": frames})
    assert np.array_equal(tools.replay(clip).numbers, expected)
    assert any("No timestamps file for front_main" in note for note in clip.notes)


def test_duplicate_container_times_are_counted_and_the_later_frame_shows(tools: Any, tmp_path: Path) -> None:
    times = [100, 130, 130, 160]
    tools.write_video(tmp_path / "rear.mkv", times, codec="mjpeg")
    shown = tools.replay(tmp_path)
    assert shown.numbers[:, 7].tolist() == [0, 0, 2]
    assert shown.report.cameras["rear"].duplicate_times == 1


def test_gaps_are_counted_and_the_frame_goes_stale(tools: Any, tmp_path: Path) -> None:
    times = [25 * k + (1000 if k >= 20 else 0) for k in range(40)]
    tools.write_video(tmp_path / "rear.mp4", times)
    shown = tools.replay(tmp_path)
    counters = shown.report.cameras["rear"]
    assert (counters.gaps, counters.max_gap_ns) == (1, 1_025_000_000)
    assert counters.ticks_stale == int((shown.ages_ns[:, 7] > 250_000_000).sum()) > 0
    assert not shown.is_valid[shown.ages_ns[:, 7] > 250_000_000, 7].any()


@pytest.mark.parametrize("hole_ms", [2_100, 61_000])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_hole_in_all_cameras_begins_a_new_run(tools: Any, tmp_path: Path, hole_ms: int, workers: int) -> None:
    for name, offset in (("front_main", 0), ("rear", 10)):
        times = [offset + 25 * k + (hole_ms if k >= 20 else 0) for k in range(40)]
        tools.write_video(tmp_path / f"{name}.mp4", times)
    shown = tools.replay(tmp_path, workers=workers)
    # 20 pictures at 25 ms and the offset of the second camera: 485 ms are 18 ticks, in either run.
    assert [(each.first_tick, each.start_ns) for each in shown.report.runs] == [
        (0, 0),
        (18, (500 + hole_ms) * 1_000_000),
    ]
    assert [each.hole_ns for each in shown.report.runs] == [None, (hole_ms + 15) * 1_000_000]
    assert shown.numbers.shape == (36, 8)
    # Nothing from before the hole is shown after it: rear starts 10 ms after front_main, as at the start.
    assert shown.numbers[18].tolist() == [20, *[-1] * 7]
    assert (shown.numbers[19:, 0] >= 21).all()
    assert (shown.numbers[19:, 7] >= 20).all()
    only = tools.replay(tmp_path, workers=workers, start_tick=16, max_ticks=4)
    assert only.numbers.tolist() == shown.numbers[16:20].tolist()


def test_a_hole_of_under_two_seconds_stays_in_the_run(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear.mp4", [25 * k + (1_900 if k >= 20 else 0) for k in range(40)])
    shown = tools.replay(tmp_path)
    assert len(shown.report.runs) == 1
    assert len(shown.numbers) == (39 * 25 + 1_900) * 36 // 1000 + 1


def test_a_long_gap_in_one_camera_alone_is_no_error(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "front_main.mp4", [1000 * k for k in range(70)])
    tools.write_video(tmp_path / "rear.mp4", [0, 25, 64_000, 64_025])
    shown = tools.replay(tmp_path)
    assert shown.numbers[-1, [0, 7]].tolist() == [69, 3]


def test_a_window_of_ticks_is_the_same_as_that_part_of_all_ticks(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear.mp4", [33 * k for k in range(40)])
    everything = tools.replay(tmp_path).numbers
    for start, count in ((0, 5), (7, 11), (40, 100), (len(everything) - 1, None), (len(everything), None), (3, 0)):
        window = tools.replay(tmp_path, start_tick=start, max_ticks=count).numbers
        stop = None if count is None else start + count
        assert np.array_equal(window, everything[start:stop])


def test_the_number_of_ticks_is_known_before_they_are_read(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "front_main.mp4", [2500 * k for k in range(50)], Fraction(1, 90_000))
    tools.write_video(tmp_path / "rear.mp4", [2500 * k + 900 for k in range(70)], Fraction(1, 90_000))
    clip = open_clip(tmp_path)
    with FrameSource(clip) as source:
        assert source.expected_ticks == len(list(source)) == 70
    with FrameSource(clip, start_tick=10, max_ticks=20) as source:
        assert source.expected_ticks == 20


def test_repeated_skipped_and_missing_are_counted_apart(tools: Any, tmp_path: Path) -> None:
    # 20 Hz beside 50 Hz; the slow camera starts 0.5 s late and has a hole of 1 s.
    tools.write_video(tmp_path / "front_main.mp4", [20 * k for k in range(150)])
    tools.write_video(tmp_path / "rear.mp4", [500 + 50 * k + (1000 if k >= 10 else 0) for k in range(30)])
    report = tools.replay(tmp_path).report
    fast, slow = report.cameras["front_main"], report.cameras["rear"]
    assert (fast.ticks_repeated, fast.ticks_missing) == (0, 0)
    assert fast.frames_skipped == 150 - fast.frames_shown > 0
    assert slow.frames_skipped == 0
    # 18 ticks until the first frame; in the hole, all ticks but those of the first two periods.
    assert slow.ticks_missing == pytest.approx(18 + 36 - 2, abs=2)
    assert slow.frames_shown + slow.ticks_repeated + slow.ticks_missing == report.ticks
