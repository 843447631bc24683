"""A camera whose pictures are messages or packets, one each, with a time each: decode them in order.

Does not know where the packets come from: subclasses of `PacketStream` iterate over them.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from fsd.data.camera_stream import CameraStream, Picture
from fsd.data.planes import MAX_PICTURE_PX, limit_decoder, upright_size_px
from fsd.data.sync_report import CameraCounters

DECODERS = {"av1": "libdav1d"}
"""Codec -> decoder, where FFmpeg's own of that name needs special hardware."""


@dataclass(frozen=True, slots=True)
class RawLayout:
    """How the rows of an uncompressed picture lie in memory: FFmpeg's pixel format, packed, and bytes per row."""

    pixel_format: str
    width_px: int
    height_px: int
    row_bytes: int


@dataclass(frozen=True, slots=True)
class TimedPacket:
    """One picture as it was recorded; `layout` is set where it is not compressed."""

    timestamp_ns: int
    data: bytes
    layout: RawLayout | None = None


@dataclass(frozen=True, kw_only=True)
class PacketStream(CameraStream):
    """A camera of which every packet is one picture; `codec` is `rawvideo` where nothing is compressed."""

    def packets(self, counters: CameraCounters) -> Iterator[TimedPacket]:
        """All packets in the order in which they must be decoded."""
        raise NotImplementedError

    def pictures(self, counters: CameraCounters) -> Iterator[Picture]:
        """Decode all; the index of a picture is the place of its packet, so a lost one leaves a hole."""
        size_px = (self.width_px, self.height_px)
        for picture in decoded_packets(self.packets(counters), self.codec, counters):
            counters.frames_decoded += 1
            counters.resized_frames += upright_size_px(picture.picture) != size_px
            yield picture


def decoded_packets(packets: Iterator[TimedPacket], codec: str, counters: CameraCounters) -> Iterator[Picture]:
    """The pictures of these packets, each with the time of its own packet."""
    if codec == "rawvideo":
        for index, timed in enumerate(packets):
            picture = unpacked(timed)
            if picture is None:
                counters.corrupt_packets += 1
            else:
                yield Picture(index, timed.timestamp_ns, picture)
        return
    decoder = _new_decoder(codec)
    waiting: list[tuple[int, int]] = []  # time and index of packets that have returned no picture yet
    times_ns: dict[int, int] = {}
    for index, timed in enumerate(packets):
        packet = av.Packet(timed.data)
        packet.pts = packet.dts = index
        packet.time_base = Fraction(1, 1000)
        heapq.heappush(waiting, (timed.timestamp_ns, index))
        times_ns[index] = timed.timestamp_ns
        if codec == "png":
            decoder = _new_decoder(codec)  # FFmpeg 8 filters the first row with the last row of the picture before
        yield from _received(decoder, packet, waiting, times_ns, counters)
    yield from _received(decoder, None, waiting, times_ns, counters)
    counters.lost_frames += len(waiting)


def _new_decoder(codec: str) -> av.VideoCodecContext:
    decoder = av.CodecContext.create(DECODERS.get(codec, codec), "r")
    assert isinstance(decoder, av.VideoCodecContext)
    limit_decoder(decoder)
    return decoder


def _received(
    decoder: av.VideoCodecContext,
    packet: av.Packet | None,
    waiting: list[tuple[int, int]],
    times_ns: dict[int, int],
    counters: CameraCounters,
) -> Iterator[Picture]:
    try:
        pictures = decoder.decode(packet)
    except av.FFmpegError:
        counters.corrupt_packets += 1
        return
    for picture in pictures:
        index = picture.pts
        timestamp_ns = times_ns.get(index) if index is not None else None
        if index is None or timestamp_ns is None:
            counters.untimed_frames += 1
            continue
        while waiting and waiting[0] <= (timestamp_ns, index):
            _, other = heapq.heappop(waiting)
            counters.lost_frames += other != index
            times_ns.pop(other, None)
        counters.corrupt_frames += picture.is_corrupt
        yield Picture(index, timestamp_ns, picture)


def unpacked(packet: TimedPacket) -> av.VideoFrame | None:
    """The picture of an uncompressed packet; None where the packet is too short, or the picture is none."""
    layout = packet.layout
    if layout is None:
        return None
    used = layout.width_px * _BYTES_PER_PIXEL[layout.pixel_format]
    if layout.row_bytes < used or len(packet.data) < layout.row_bytes * (layout.height_px - 1) + used:
        return None
    if not 0 < layout.width_px * layout.height_px <= MAX_PICTURE_PX:
        return None
    picture = av.VideoFrame(layout.width_px, layout.height_px, layout.pixel_format)
    plane = picture.planes[0]
    rows = np.ndarray((layout.height_px, used), np.uint8, packet.data, strides=(layout.row_bytes, 1))
    target = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    target[: layout.height_px, :used] = rows
    return picture


_BYTES_PER_PIXEL = {"rgb24": 3, "bgr24": 3, "gray": 1, "rgba": 4, "bgra": 4, "uyvy422": 2, "yuyv422": 2}
"""Packed pixel formats that can be read."""
