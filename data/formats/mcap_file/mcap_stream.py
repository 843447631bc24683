"""One camera of an MCAP recording: a topic of images, in one file or several in order.

Source: image encodings as in ROS 2 `sensor_msgs/image_encodings.hpp` and foxglove.RawImage; `format` of
foxglove.CompressedVideo is h264, h265, vp9 or av1, each message being one access unit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from fsd.data.cadence import measure_cadence
from fsd.data.clock import SECOND_NS
from fsd.data.errors import ClipError
from fsd.data.formats.mcap_file.mcap_index import McapIndex
from fsd.data.formats.mcap_file.mcap_messages import RAW_IMAGE, VIDEO, Message, decoded, find, last_decoded
from fsd.data.packet_stream import PacketStream, RawLayout, TimedPacket, decoded_packets
from fsd.data.planes import check_size, upright_size_px
from fsd.data.sync_report import CameraCounters

VIDEO_CODECS = {"h264": "h264", "h265": "hevc", "hevc": "hevc", "av1": "av1", "vp9": "vp9"}
PIXEL_FORMATS = {
    "rgb8": "rgb24",
    "bgr8": "bgr24",
    "8UC3": "bgr24",
    "mono8": "gray",
    "8UC1": "gray",
    "rgba8": "rgba",
    "bgra8": "bgra",
    "yuv422": "uyvy422",
    "uyvy": "uyvy422",
    "yuv422_yuy2": "yuyv422",
    "yuyv": "yuyv422",
}
"""`encoding` of a raw image -> FFmpeg's name."""

_IMAGE_MARKS = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG": "png", b"RIFF": "webp"}
_FIRST_MESSAGES, _FIRST_BYTES = 144, 8_000_000
"""As much of a topic is read to see how its times run."""
_FIRST_PICTURE_PACKETS = 300


@dataclass(frozen=True, kw_only=True)
class McapStream(PacketStream):
    """A camera whose pictures are messages of one topic.

    Attributes:
        indexes: of the files, in order; topic: of the pictures; kind: of its messages.
        uses_log_time: messages have no times of their own, so the times at which they were logged are used.
    """

    indexes: tuple[McapIndex, ...] = field(repr=False)
    topic: str
    kind: str
    uses_log_time: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(index.path for index in self.indexes)

    def packets(self, counters: CameraCounters) -> Iterator[TimedPacket]:
        counters.truncated_files += sum(bool(index.lost) for index in self.indexes)

        def damaged() -> None:
            counters.corrupt_packets += 1

        return _packets(self.indexes, self.topic, self.kind, self.uses_log_time, damaged)


def open_stream(
    name: str, indexes: tuple[McapIndex, ...], topic: str, kind: str, notes: list[str]
) -> tuple[McapStream, str]:
    """The stream of a topic, and the coordinate frame that its images name; decodes one picture.

    Raises:
        ClipError: nothing in it can be decoded.
    """
    indexes = tuple(index for index in indexes if index.channels_of(topic))
    first = _first_messages(indexes, topic)
    if not first:
        raise ClipError(f"{topic} has no messages.", camera=name)
    codec = codec_of(topic, kind, first[0])
    uses_log_time = _lacks_times(first)
    if uses_log_time:
        notes.append(f"{topic}: its messages carry no times of their own; the times of recording are taken.")
    times_ns = [message.log_time_ns if uses_log_time else message.stamp_ns or 0 for message in first]
    steps_ns = [later - earlier for earlier, later in pairwise(times_ns) if later > earlier]
    period_ns = median(steps_ns) if steps_ns else None
    first_packets = _packets(indexes, topic, kind, uses_log_time, lambda: None)
    width_px, height_px = _first_size_px(name, topic, first_packets, codec)
    last = next((found for index in reversed(indexes) if (found := last_decoded(index, topic)) is not None), first[-1])
    stream = McapStream(
        name=name,
        width_px=width_px,
        height_px=height_px,
        codec=codec,
        rate_hz=_rate_hz(period_ns),
        start_ns=times_ns[0],
        end_ns=last.log_time_ns if uses_log_time else last.stamp_ns or 0,
        cadence=measure_cadence(np.array(times_ns, np.int64)),
        indexes=indexes,
        topic=topic,
        kind=kind,
        uses_log_time=uses_log_time,
    )
    return stream, first[0].frame_id


def codec_of(topic: str, kind: str, message: Message) -> str:
    """FFmpeg's name of the codec of a topic, told from one message.

    Raises:
        ClipError: it is none that can be read.
    """
    if kind == RAW_IMAGE:
        encoding = str(find(message.content, "encoding"))
        if encoding not in PIXEL_FORMATS:
            raise ClipError(
                f"{topic}: raw images of encoding {encoding!r} cannot be read, only {_list(PIXEL_FORMATS)}."
            )
        return "rawvideo"
    format = str(find(message.content, "format"))
    if kind == VIDEO:
        if format not in VIDEO_CODECS:
            raise ClipError(f"{topic}: video of format {format!r} cannot be read, only {_list(VIDEO_CODECS)}.")
        return VIDEO_CODECS[format]
    data = message.data
    for mark, codec in _IMAGE_MARKS.items():
        if data.startswith(mark):
            return codec
    raise ClipError(f"{topic}: images of format {format!r} cannot be read, only JPEG, PNG and WebP.")


def _packets(
    indexes: tuple[McapIndex, ...], topic: str, kind: str, uses_log_time: bool, damaged: Callable[[], None]
) -> Iterator[TimedPacket]:
    for index in indexes:
        for message in decoded(index, topic, damaged):
            stamp_ns = None if uses_log_time else message.stamp_ns
            layout = _layout(message) if kind == RAW_IMAGE else None
            yield TimedPacket(message.log_time_ns if stamp_ns is None else stamp_ns, message.data, layout)


def _layout(message: Message) -> RawLayout | None:
    pixel_format = PIXEL_FORMATS.get(str(find(message.content, "encoding")))
    if pixel_format is None:
        return None
    width_px, height_px, row_bytes = (int(find(message.content, name) or 0) for name in ("width", "height", "step"))
    return RawLayout(pixel_format, width_px, height_px, row_bytes) if width_px and height_px else None


def _first_messages(indexes: tuple[McapIndex, ...], topic: str) -> list[Message]:
    found: list[Message] = []
    size = 0
    for index in indexes:
        for message in decoded(index, topic):
            found.append(message)
            size += len(message.data)
            if len(found) >= _FIRST_MESSAGES or (size >= _FIRST_BYTES and len(found) > 2):
                return found
    return found


def _lacks_times(messages: list[Message]) -> bool:
    stamps = [message.stamp_ns for message in messages]
    if None in stamps:
        return True
    return len(stamps) > 1 and len(set(stamps)) == 1


def _first_size_px(name: str, topic: str, packets: Iterator[TimedPacket], codec: str) -> tuple[int, int]:
    first = (packet for packet, _ in zip(packets, range(_FIRST_PICTURE_PACKETS), strict=False))
    for picture in decoded_packets(first, codec, CameraCounters()):
        width_px, height_px = upright_size_px(picture.picture)
        check_size(topic, width_px, height_px)
        return width_px, height_px
    raise ClipError(
        f"{topic} holds no picture that can be decoded (codec {codec}). Record it again from a key frame on.",
        camera=name,
    )


def _rate_hz(period_ns: float | None) -> Fraction:
    rate_hz = Fraction(SECOND_NS) / Fraction(period_ns) if period_ns else Fraction(30)
    return rate_hz.limit_denominator(1001) if 1 <= rate_hz <= 1000 else Fraction(30)


def _list(names: dict[str, str]) -> str:
    return ", ".join(names)
