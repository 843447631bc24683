"""A camera whose pictures are messages or packets, one each, with a time each: decode them in order.

Does not know where the packets come from: subclasses of `PacketStream` iterate over them.
"""

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from fsd.data.camera_stream import CameraStream, Picture
from fsd.data.planes import MAX_PICTURE_PX, limit_decoder, upright_size_px
from fsd.data.sync_report import CameraCounters

MAX_HELD = 1000
"""Packets between two that decoding can begin with; of a camera with more, all is decoded."""

_EACH_ALONE = frozenset({"rawvideo", "mjpeg", "png", "webp"})
_NAL_TYPES = {"h264": (7, frozenset({5})), "hevc": (33, frozenset(range(16, 22)))}
"""Codec -> type of a sequence parameter set, and of slices of key frames."""
_NAL_START = re.compile(rb"\x00\x00\x01(.)", re.DOTALL)

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
    """A camera of which every packet is one picture; `codec` is `rawvideo` where nothing is compressed.

    Attributes:
        from_ns: time of the first picture that is needed; of those before, only what it rests on is decoded. None is
            all.
    """

    from_ns: int | None = None

    @property
    def may_skip(self) -> bool:
        """Whether `from_ns` saves decoding: of other codecs, no packet tells that it rests on none before."""
        return self.codec in _EACH_ALONE or self.codec in _NAL_TYPES

    def packets(self, counters: CameraCounters) -> Iterator[TimedPacket]:
        """All packets in the order in which they must be decoded."""
        raise NotImplementedError

    def pictures(self, counters: CameraCounters) -> Iterator[Picture]:
        """Decode what is needed; the index of a picture is the place of its packet, so a lost one leaves a hole."""
        size_px = (self.width_px, self.height_px)
        from_ns = self.from_ns if self.may_skip else None
        for picture in decoded_packets(self.packets(counters), self.codec, counters, from_ns):
            counters.frames_decoded += 1
            counters.resized_frames += upright_size_px(picture.picture) != size_px
            yield picture


def decoded_packets(
    packets: Iterator[TimedPacket], codec: str, counters: CameraCounters, from_ns: int | None = None
) -> Iterator[Picture]:
    """The pictures of these packets, each with the time of its own packet; `from_ns` as of `PacketStream`."""
    numbered = enumerate(packets) if from_ns is None else _needed(packets, codec, from_ns)
    if codec == "rawvideo":
        for index, timed in numbered:
            picture = unpacked(timed)
            if picture is None:
                counters.corrupt_packets += 1
            else:
                yield Picture(index, timed.timestamp_ns, picture)
        return
    decoder = _new_decoder(codec)
    waiting: list[tuple[int, int]] = []  # time and index of packets that have returned no picture yet, of those needed
    times_ns: dict[int, int] = {}
    for index, timed in numbered:
        packet = av.Packet(timed.data)
        packet.pts = packet.dts = index
        packet.time_base = Fraction(1, 1000)
        if from_ns is None or timed.timestamp_ns >= from_ns:
            heapq.heappush(waiting, (timed.timestamp_ns, index))
        times_ns[index] = timed.timestamp_ns
        if codec == "png":
            decoder = _new_decoder(codec)  # FFmpeg 8 filters the first row with the last row of the picture before
        yield from _received(decoder, packet, waiting, times_ns, counters)
    yield from _received(decoder, None, waiting, times_ns, counters)
    counters.lost_frames += len(waiting)


def _needed(packets: Iterator[TimedPacket], codec: str, from_ns: int) -> Iterator[tuple[int, TimedPacket]]:
    """The packets from the last one before a time on with which decoding can begin, each with its place."""
    numbered = enumerate(packets)
    held: list[tuple[int, TimedPacket]] = []
    for index, timed in numbered:
        if timed.timestamp_ns <= from_ns and _stands_alone(timed.data, codec):
            held.clear()
        held.append((index, timed))
        if timed.timestamp_ns >= from_ns or len(held) > MAX_HELD:
            break
    yield from held
    yield from numbered


def _stands_alone(data: bytes, codec: str) -> bool:
    """Whether decoding can begin with a packet: of H.264 and H.265, one with parameter sets and a key frame.

    Source: ITU-T H.264 (08/2021) and H.265 (08/2021), NAL unit types in table 7-1.
    """
    if codec in _EACH_ALONE:
        return True
    sets, keys = _NAL_TYPES[codec]
    types = {found[1][0] & 31 if codec == "h264" else found[1][0] >> 1 & 63 for found in _NAL_START.finditer(data)}
    return sets in types and not keys.isdisjoint(types)


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
