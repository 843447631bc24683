"""openpilot routes: minutes in folders, joined to one drive."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.data.errors import ClipError
from fsd.data.formats.fragment import with_fragment
from fsd.data.formats.openpilot import Openpilot
from fsd.data.open_clip import detect, open_clip, recordings_in
from fsd.data.recording_options import CameraOptions
from fsd.data.sync_report import CameraCounters

ROUTE = "2026-01-02--15-16-32"
RATE = Fraction(1, 20)


def write_raw(tools: Any, path: Path, first: int, count: int = 4, size_px: tuple[int, int] = (64, 48)) -> None:
    """Raw HEVC without times, as the device writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    no_rate = {"x265-params": "log-level=none:pools=1:frame-threads=1:bframes=0:vui-timing-info=0"}
    tools.write_video(path, list(range(count)), RATE, "libx265", no_rate, size_px, first_number=first, container="hevc")


def write_route(tools: Any, folder: Path, numbers: list[int], route: str = ROUTE) -> Path:
    for number in numbers:
        for name in ("fcamera", "ecamera", "dcamera"):
            shift = {"fcamera": 0, "ecamera": 1000, "dcamera": 2000}[name]
            write_raw(tools, folder / f"{route}--{number}" / f"{name}.hevc", shift + 10 * number)
    return folder


def pictures(tools: Any, clip: Clip, name: str) -> list[tuple[float, int]]:
    """(seconds, rounded to 0.1 ms; number) of all pictures of a camera."""
    stream = next(stream for stream in clip.streams if stream is not None and stream.name == name)
    return [
        (round(each.timestamp_ns / SECOND_NS, 4), tools.number_in(each.picture.to_ndarray(format="gray")))
        for each in stream.pictures(CameraCounters())
    ]


def test_segments_are_one_drive_in_the_order_of_their_numbers_and_a_hole_stays_a_hole(
    tools: Any, tmp_path: Path
) -> None:
    write_route(tools, tmp_path, [9, 10, 2])
    found, match = detect(tmp_path)
    assert (found.name, match.recordings) == ("openpilot", (tmp_path,))
    clip = open_clip(tmp_path)
    expected = [(round(60 * n + k / 20, 4), 10 * n + k) for n in (2, 9, 10) for k in range(4)]
    assert pictures(tools, clip, "front_main") == expected
    assert [time for time, _ in pictures(tools, clip, "front_wide")] == [time for time, _ in expected]
    assert [number for _, number in pictures(tools, clip, "front_wide")] == [1000 + number for _, number in expected]
    assert any("3, 4, 5, 6, 7, 8" in note for note in clip.notes)
    assert any("rlog" in note for note in clip.notes)
    shown = tools.replay(clip)
    assert [run.hole_ns for run in shown.report.runs] == [None, 419_850_000_000, 59_850_000_000]
    assert set(shown.numbers[:, 0]) == {20, 21, 22, 90, 91, 92, 100, 101, 102}  # the last ones come after the last tick


def test_the_driver_is_never_a_road_camera(tools: Any, tmp_path: Path) -> None:
    clip = open_clip(write_route(tools, tmp_path, [0]))
    assert [stream.name for stream in clip.streams if stream] == ["front_main", "front_wide"]
    assert {file.name for file in clip.files} == {"fcamera.hevc", "ecamera.hevc"}
    (tmp_path / "only").mkdir()
    write_raw(tools, tmp_path / "only" / f"{ROUTE}--0" / "dcamera.hevc", 0)
    assert Openpilot().detect(tmp_path / "only") is None


def test_one_segment_is_a_recording_too(tools: Any, tmp_path: Path) -> None:
    write_route(tools, tmp_path, [0, 1])
    shown = tools.replay(tmp_path / f"{ROUTE}--1")
    assert shown.numbers[0, 0] == 10
    assert shown.numbers[-1, 0] == 12  # the last one, at 0.15 s, comes after the last tick
    assert shown.report.start_ns == 60 * SECOND_NS


def test_the_rate_of_raw_video_may_be_given(tools: Any, tmp_path: Path) -> None:
    write_route(tools, tmp_path, [0])
    assert [time for time, _ in pictures(tools, open_clip(tmp_path), "front_main")] == [0, 0.05, 0.1, 0.15]
    clip = open_clip(tmp_path, CameraOptions(rate_hz=10.0))
    assert [time for time, _ in pictures(tools, clip, "front_main")] == [0, 0.1, 0.2, 0.3]
    assert any("10 frames/s" in note for note in clip.notes)


def test_the_preview_is_used_only_without_the_camera_itself_and_starts_with_its_segment(
    tools: Any, tmp_path: Path
) -> None:
    for number in (0, 1):
        folder = tmp_path / f"{ROUTE}--{number}"
        folder.mkdir()
        times = [1400 + 50 * k for k in range(4)]  # MPEG-TS does not start at 0
        tools.write_video(folder / "qcamera.ts", times, first_number=10 * number, size_px=(64, 48))
    clip = open_clip(tmp_path)
    expected = [(round(60 * n + k / 20, 4), 10 * n + k) for n in (0, 1) for k in range(4)]
    assert pictures(tools, clip, "front_main") == expected
    assert any("qcamera.ts" in note for note in clip.notes)
    write_raw(tools, tmp_path / f"{ROUTE}--1" / "fcamera.hevc", 7)
    assert [number for _, number in pictures(tools, open_clip(tmp_path), "front_main")] == [7, 8, 9, 10]


def test_a_folder_of_several_routes_names_each(tools: Any, tmp_path: Path) -> None:
    write_route(tools, tmp_path, [0])
    write_route(tools, tmp_path, [3], route="000001ab--c0ffee0123")
    names = ["000001ab--c0ffee0123", ROUTE]
    assert recordings_in([tmp_path]) == [with_fragment(tmp_path, name) for name in names]
    assert pictures(tools, open_clip(with_fragment(tmp_path, names[0])), "front_main")[0] == (180.0, 30)
    with pytest.raises(ClipError, match="c0ffee0123"):
        open_clip(tmp_path)
    with pytest.raises(ClipError):
        open_clip(with_fragment(tmp_path, "other"))


def test_a_broken_segment_stays_a_gap(tools: Any, tmp_path: Path) -> None:
    write_route(tools, tmp_path, [0, 1, 2])
    (tmp_path / f"{ROUTE}--1" / "fcamera.hevc").write_bytes(b"")
    clip = open_clip(tmp_path)
    assert [number for _, number in pictures(tools, clip, "front_main")] == [0, 1, 2, 3, 20, 21, 22, 23]
    assert any(f"{ROUTE}--1/fcamera.hevc" in note for note in clip.notes)
    for number in (0, 2):
        (tmp_path / f"{ROUTE}--{number}" / "fcamera.hevc").write_bytes(b"")
    with pytest.raises(ClipError, match=r"fcamera\.hevc") as caught:
        open_clip(tmp_path)
    assert caught.value.exit_code == 3


def test_segments_of_two_devices_are_refused(tools: Any, tmp_path: Path) -> None:
    write_raw(tools, tmp_path / f"{ROUTE}--0" / "fcamera.hevc", 0)
    write_raw(tools, tmp_path / f"{ROUTE}--1" / "fcamera.hevc", 0, size_px=(80, 48))
    with pytest.raises(ClipError, match=r"80x48.*64x48") as caught:
        open_clip(tmp_path)
    assert caught.value.camera == "front_main"


def test_one_raw_file_has_the_rate_of_the_format(tools: Any, tmp_path: Path) -> None:
    write_raw(tools, tmp_path / "fcamera.hevc", 5)
    write_raw(tools, tmp_path / "ecamera.hevc", 9)
    clip = open_clip(tmp_path / "ecamera.hevc")
    assert [stream.name for stream in clip.streams if stream] == ["front_wide"]
    assert pictures(tools, clip, "front_wide") == [(0.05 * k, 9 + k) for k in (0, 1, 2)] + [(0.15, 12)]
    assert any("20 frames/s" in note for note in clip.notes)
    assert len([stream for stream in open_clip(tmp_path).streams if stream]) == 2


def test_a_clip_folder_with_times_of_its_own_stays_one(tools: Any, tmp_path: Path) -> None:
    write_raw(tools, tmp_path / "fcamera.hevc", 5)
    tools.write_timestamps(tmp_path / "fcamera.timestamps.parquet", [10, 20, 30, 40])
    clip = open_clip(tmp_path)
    assert clip.format == "folder"
    assert [time for time, _ in pictures(tools, clip, "front_main")] == [0.0] * 4
