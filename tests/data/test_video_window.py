"""A recording that is a window of a longer video."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from fsd.data.clock import SECOND_NS
from fsd.data.open_clip import open_clip
from fsd.data.sync_report import CameraCounters
from fsd.data.video_stream import VideoStream


def stream_of(tools: Any, folder: Path) -> VideoStream:
    path = tools.write_video(folder / "rear.mp4", list(range(100)), Fraction(1, 10), options={"g": "10"})
    stream = open_clip(path).streams[-1]
    assert isinstance(stream, VideoStream)
    return stream


def read(tools: Any, stream: VideoStream) -> tuple[list[tuple[int, int, int]], CameraCounters]:
    counters = CameraCounters()
    return [
        (each.index, each.timestamp_ns, tools.number_in(each.picture.to_ndarray(format="gray")))
        for each in stream.pictures(counters)
    ], counters


def test_a_window_holds_the_pictures_from_its_start_to_before_its_end(tools: Any, tmp_path: Path) -> None:
    stream = stream_of(tools, tmp_path)
    for first, end in ((0, 3), (37, 52), (95, 120), (50, 50)):
        times_ns = (first * SECOND_NS // 10, end * SECOND_NS // 10)
        shown, _ = read(tools, replace(stream, window_ns=times_ns, shift_ns=-times_ns[0]))
        last = min(end, 100)
        assert shown == [(k - first, (k - first) * SECOND_NS // 10, k) for k in range(first, last)]


def test_what_lies_far_before_a_window_is_not_decoded(tools: Any, tmp_path: Path) -> None:
    stream = stream_of(tools, tmp_path)
    content = bytearray(stream.path.read_bytes())
    start = content.find(b"mdat") + 4
    content[start : start + len(content) // 3] = bytes(len(content) // 3)
    stream.path.write_bytes(content)
    _, whole = read(tools, stream)
    assert whole.lost_frames + whole.corrupt_packets > 0
    shown, counters = read(tools, replace(stream, window_ns=(8 * SECOND_NS, 9 * SECOND_NS)))
    assert [number for _, _, number in shown] == list(range(80, 90))
    assert (counters.lost_frames, counters.corrupt_packets, counters.corrupt_frames) == (0, 0, 0)
