"""Faults of a camera's times have one name at the ticks they concern, and no other camera is named."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import open_clip

T36 = Fraction(1, 36)
SIZE = (64, 48)
TICKS = 108


def named(folder: Path) -> dict[str, dict[CameraFault, list[int]]]:
    """Camera -> fault -> the ticks at which it is named, of a clip."""
    found: dict[str, dict[CameraFault, list[int]]] = {}
    with FrameSource(open_clip(folder)) as source:
        for frame_set in source:
            for name, faults in zip(CAMERAS, frame_set.faults, strict=True):
                for fault in faults:
                    found.setdefault(name, {}).setdefault(fault, []).append(frame_set.tick)
    return found


def only_fault(folder: Path, fault: CameraFault) -> list[int]:
    """The ticks at which `rear` has this fault, the only one of the only faulty camera."""
    found = named(folder)
    assert {name: set(faults) for name, faults in found.items()} == {"rear": {fault}}
    return found["rear"][fault]


def write(tools: Any, folder: Path, times: list[int], suffix: str = "mkv", **options: Any) -> Path:
    """Two healthy cameras and `rear` with these times, in ticks."""
    for name in ("front_main", "left_pillar"):
        tools.write_video(folder / f"{name}.{suffix}", list(range(TICKS)), T36, size_px=SIZE, **options)
    path: Path = tools.write_video(folder / f"rear.{suffix}", times, T36, size_px=SIZE, **options)
    return path


def near(first: int, last: int) -> Any:
    """First and last tick, to one tick: Matroska rounds times to milliseconds."""
    return pytest.approx((first, last), abs=1)


def span(ticks: list[int]) -> tuple[int, int]:
    assert ticks == list(range(ticks[0], ticks[-1] + 1))
    return ticks[0], ticks[-1]


def test_healthy_cameras_have_no_fault(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, list(range(TICKS)))
    assert named(tmp_path) == {}


def test_a_late_start_is_named_until_the_first_picture(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, list(range(20, TICKS)))
    ticks = only_fault(tmp_path, CameraFault.LATE_START)
    assert span(ticks) == near(0, 19)


def test_a_camera_that_ends_early_is_lost_once_its_picture_is_too_old(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, list(range(40)))
    ticks = only_fault(tmp_path, CameraFault.LOST)
    assert span(ticks) == near(39 + 10, TICKS - 1)


def test_a_camera_that_drops_out_is_lost_until_it_returns(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, [*range(30), *range(60, TICKS)])
    ticks = only_fault(tmp_path, CameraFault.LOST)
    assert span(ticks) == near(29 + 10, 59)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_file_cut_off_is_named_truncated_as_soon_as_a_picture_is_missing(
    tools: Any, tmp_path: Path, suffix: str
) -> None:
    path = write(tools, tmp_path, list(range(TICKS)), suffix, options={"g": "10"})
    if suffix == "mp4":
        move_index_to_front(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    ticks = only_fault(tmp_path, CameraFault.TRUNCATED)
    first, last = span(ticks)
    assert 2 < first < 80
    assert last >= TICKS - 2


def test_a_clock_that_is_set_back_is_named_where_its_times_go_on(tools: Any, tmp_path: Path) -> None:
    times = [k if k < 50 else k - 20 for k in range(TICKS + 20)]
    write(tools, tmp_path, [time + TICKS for time in times], codec="mjpeg")
    for name in ("front_main", "left_pillar"):
        tools.write_video(tmp_path / f"{name}.mkv", [k + TICKS for k in range(TICKS)], T36, "mjpeg", size_px=SIZE)
    ticks = only_fault(tmp_path, CameraFault.CLOCK_JUMP)
    assert span(ticks) == pytest.approx((49, 49), abs=2)


def test_a_wrong_stamp_is_named_at_its_tick(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, [k + (36_000 if k == 54 else 0) for k in range(TICKS)], codec="mjpeg")
    ticks = only_fault(tmp_path, CameraFault.CLOCK_JUMP)
    assert ticks == pytest.approx([54], abs=2)


def test_pictures_with_one_time_are_named_at_their_tick(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, [k + TICKS - (k == 60) for k in range(TICKS)], codec="mjpeg")
    for name in ("front_main", "left_pillar"):
        tools.write_video(tmp_path / f"{name}.mkv", [k + TICKS for k in range(TICKS)], T36, "mjpeg", size_px=SIZE)
    ticks = only_fault(tmp_path, CameraFault.DUPLICATES)
    assert ticks == pytest.approx([59], abs=1)


def move_index_to_front(path: Path) -> None:
    """Write an MP4 file again with its index before the pictures."""
    whole = path.with_name("whole.mp4")
    path.rename(whole)
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    whole.unlink()
