"""Pictures that are packets with a time each: those before the first one that is needed are hardly decoded."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fsd.data.packet_stream import PacketStream, TimedPacket
from fsd.data.sync_report import CameraCounters

COUNT, KEY_EVERY, STEP_NS = 100, 10, 10**8


@dataclass(frozen=True, kw_only=True)
class Packets(PacketStream):
    """Packets in memory."""

    listed: tuple[TimedPacket, ...] = field(repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        return (Path("none.mcap"),)

    def packets(self, counters: CameraCounters) -> Iterator[TimedPacket]:
        return iter(self.listed)


def encoded(codec: str, encoder: str, options: dict[str, str]) -> Packets:
    """A stream whose pictures grow brighter, each with twice its number."""
    try:
        context = av.CodecContext.create(encoder, "w")
    except ValueError:
        pytest.skip(f"this FFmpeg has no {encoder}")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.time_base = 64, 48, Fraction(1, 10)
    context.pix_fmt, context.options = ("yuvj420p" if codec == "mjpeg" else "yuv420p"), options
    packets = []
    for number in range(COUNT):
        picture = av.VideoFrame.from_ndarray(np.full((72, 64), 2 * number, np.uint8), format="yuv420p")
        picture = picture.reformat(format=context.pix_fmt)
        picture.pts = number
        packets += context.encode(picture)
    packets += context.encode(None)
    listed = tuple(TimedPacket((packet.pts or 0) * STEP_NS, bytes(packet)) for packet in packets)
    return Packets(name="rear", width_px=64, height_px=48, codec=codec, rate_hz=Fraction(10), listed=listed)


def shown(stream: Packets, from_ns: int = 0) -> tuple[dict[int, float], int]:
    """Time -> brightness of the pictures from a time on, and how many were decoded."""
    counters = CameraCounters()
    found = {
        each.timestamp_ns: float(each.picture.to_ndarray(format="gray").mean())
        for each in stream.pictures(counters)
        if each.timestamp_ns >= from_ns
    }
    assert counters.lost_frames == counters.corrupt_packets == 0
    return found, counters.frames_decoded


CODECS = {
    "h264": ("libx264", {"g": str(KEY_EVERY), "bf": "0"}),
    "h264 with B-frames": ("libx264", {"g": str(KEY_EVERY), "bf": "3"}),
    "h264 with open groups": ("libx264", {"g": str(KEY_EVERY), "x264-params": "open-gop=1:bframes=3"}),
    "hevc": ("libx265", {"x265-params": f"keyint={KEY_EVERY}:min-keyint={KEY_EVERY}:log-level=none"}),
    "mjpeg": ("mjpeg", {}),
}


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("first", [0, 1, 57, 60, 99])
def test_pictures_from_a_time_on_are_as_in_the_whole(name: str, first: int) -> None:
    stream = encoded(name.split()[0], *CODECS[name])
    whole, count = shown(stream, first * STEP_NS)
    part, decoded = shown(replace(stream, from_ns=first * STEP_NS), first * STEP_NS)
    assert part == whole
    assert count == COUNT
    if "open" not in name:
        assert decoded <= len(part) + KEY_EVERY


def test_without_key_frames_all_is_decoded() -> None:
    stream = encoded("h264", "libx264", {"g": "1000", "bf": "0"})
    assert shown(replace(stream, from_ns=90 * STEP_NS)) == shown(stream)
