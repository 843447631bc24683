"""The pictures of one camera in video files, in order, each with its index and its exact time, also from damaged files.

Reads one file after the other, one packet at a time, without look-ahead or conversion. Faults are counted in
`CameraCounters`.
"""

import heapq
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av

from fsd.data.camera_stream import CameraStream, Picture
from fsd.data.clock import SECOND_NS, floor_ns
from fsd.data.errors import ClipError
from fsd.data.hardware_decode import refused
from fsd.data.planes import upright_size_px
from fsd.data.sync_report import CameraCounters
from fsd.data.video_probe import opened

DAMAGED_PICTURES = 250
"""Pictures after a lost one that count as damaged where no keyframe comes: the largest distance by default in x264."""


@dataclass(frozen=True, kw_only=True)
class VideoStream(CameraStream):
    """A camera in one video file, or in several part files in order.

    Attributes:
        parts: the files, in order.
        has_times: the containers carry times; if not, times are the frame's index over `rate_hz`.
        overlap_frames: number of frames at the start of every later part that repeat the end of the part before.
        parts_continue: container times of a part continue those of the part before, instead of starting anew.
        part_start_ns: time at which the container time of each part is 0, one per part, where the parts lie on a known
            time line; empty where they follow each other.
        part_spans_ns: first and last frame time of each part, estimated, where `part_start_ns` is given.
        part_first_index: place of the first picture of each part in `timestamps`, one per part, where every part has
            its own rows, so that a part that was cut off shifts no other; empty where places go on from part to part.
        window_ns: container times of a window [start, end) of the only part; pictures outside are not part of the
            recording, and those far before are not decoded. Places count from the start of the window.
        shift_ns: added to container times.
        unreadable_parts: files of this camera that are left out, since they cannot be opened.
    """

    may_use_hardware: ClassVar[bool] = True

    parts: tuple[Path, ...]
    has_times: bool = True
    overlap_frames: int = 0
    parts_continue: bool = False
    part_start_ns: tuple[int, ...] = ()
    part_spans_ns: tuple[tuple[int, int], ...] = ()
    part_first_index: tuple[int, ...] = ()
    window_ns: tuple[int, int] | None = None
    shift_ns: int = 0
    unreadable_parts: int = 0

    @property
    def files(self) -> tuple[Path, ...]:
        return self.parts

    @property
    def spans_ns(self) -> tuple[tuple[int, int], ...]:
        return self.part_spans_ns or super().spans_ns

    def pictures(self, counters: CameraCounters) -> Iterator[Picture]:
        return iter(_VideoReader(self, counters))


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A picture of a file; `lost_before` pictures between it and the one before could not be decoded.

    `is_damaged`: it rests on pictures that could not.
    """

    picture: av.VideoFrame
    time_s: Fraction | None
    lost_before: int
    is_damaged: bool


class _VideoReader:
    """Iterates over the `Picture`s of a camera.

    The index of a picture is its place in presentation order among all pictures of the recording. Pictures that
    could not be decoded keep their place, so that damage does not shift the rows of a timestamps file.
    """

    def __init__(self, stream: VideoStream, counters: CameraCounters) -> None:
        self._stream = stream
        self._counters = counters

    def __iter__(self) -> Iterator[Picture]:
        counters, stream = self._counters, self._stream
        counters.unreadable_files = stream.unreadable_parts
        index = -1
        for index, time_s, decoded in self._all_parts():
            timestamp_ns = self._timestamp_ns(index, time_s)
            if timestamp_ns is None:
                counters.frames_without_row += 1
            else:
                yield Picture(index, timestamp_ns, decoded.picture, decoded.is_damaged)
        if stream.timestamps is not None:
            counters.rows_without_frame = int((stream.timestamps.frame_index > index).sum())

    def _timestamp_ns(self, index: int, time_s: Fraction | None) -> int | None:
        stream = self._stream
        if stream.timestamps is not None:
            return stream.timestamps.time_of(index)
        if time_s is None:
            time_s = index / stream.rate_hz
        return floor_ns(time_s) + stream.shift_ns

    def _check_turned(self, path: Path, upright_px: tuple[int, int]) -> None:
        """Refuse a part that was recorded upright after parts that lie, or the other way round."""
        stream = self._stream
        width_px, height_px = upright_px
        if (width_px, height_px) == (stream.height_px, stream.width_px) and width_px != height_px:
            raise ClipError(
                f"{path} is {width_px}x{height_px} when upright, but {stream.path} is {stream.width_px}x"
                f"{stream.height_px}: the parts are rotated differently. Set the same rotation in both, or remove one.",
                camera=stream.name,
            )

    def _all_parts(self) -> Iterator[tuple[int, Fraction | None, _Decoded]]:
        """Place, time and picture of all parts on one time line, without the frames in which parts overlap."""
        stream, counters = self._stream, self._counters
        size_px = (stream.width_px, stream.height_px)
        before = _TimeLine(1 / stream.rate_hz)
        index, lost = -1, 0
        for part, path in enumerate(stream.parts):
            overlap = stream.overlap_frames if part else 0
            line = _TimeLine(1 / stream.rate_hz)
            start_s = Fraction(stream.part_start_ns[part], SECOND_NS) if stream.part_start_ns else None
            offset_s = Fraction(0) if start_s is None and (stream.parts_continue or not part) else start_s
            if stream.part_first_index:
                index, lost = stream.part_first_index[part] - 1, 0
            rows_end = next(iter(stream.part_first_index[part + 1 :]), None)
            place = -1  # in this part
            file = _File(path, counters, stream.window_ns, stream.hwaccel)
            for decoded in file:
                place += 1 + decoded.lost_before
                counters.frames_decoded += 1
                upright_px = upright_size_px(decoded.picture)
                counters.resized_frames += upright_px != size_px
                if part and place == decoded.lost_before:  # the first picture
                    self._check_turned(path, upright_px)
                time_s = decoded.time_s if stream.has_times else None
                if time_s is not None:
                    if offset_s is None:  # times start anew: the first frame follows the part before
                        offset_s = before.next_s - overlap * before.period_s - time_s
                    time_s += offset_s
                elif stream.has_times:
                    counters.untimed_frames += 1
                    time_s = line.next_s
                elif start_s is not None:
                    time_s = start_s + place / stream.rate_hz
                if time_s is not None:
                    line.add(time_s)
                lost += decoded.lost_before
                shared_and_lost = min(overlap, decoded.lost_before)
                overlap, lost = overlap - shared_and_lost, lost - shared_and_lost
                if overlap:
                    overlap -= 1
                    counters.overlap_frames += 1
                else:
                    index, lost = index + 1 + lost, 0
                    if rows_end is not None and index >= rows_end:
                        counters.frames_without_row += 1
                    else:
                        yield index, time_s, decoded
            lost += file.lost_at_end
            counters.unreadable_files += place < 0
            if not line.is_empty:
                before = line


class _TimeLine:
    """The time at which the next frame of a part is due, from its last time and its mean step, exact."""

    def __init__(self, period_s: Fraction) -> None:
        self._period_s = period_s
        self._first_s: Fraction | None = None
        self._last_s: Fraction | None = None
        self._steps = 0

    def add(self, time_s: Fraction) -> None:
        if self._first_s is None:
            self._first_s = time_s
        else:
            self._steps += 1
        self._last_s = time_s

    @property
    def is_empty(self) -> bool:
        return self._last_s is None

    @property
    def period_s(self) -> Fraction:
        if self._first_s is None or self._last_s is None or self._last_s <= self._first_s:
            return self._period_s
        return (self._last_s - self._first_s) / self._steps

    @property
    def next_s(self) -> Fraction:
        return Fraction(0) if self._last_s is None else self._last_s + self.period_s


class _File:
    """Every picture of one file that can be decoded, in presentation order, with its container time.

    With a window, only those in it. `lost_at_end` is the number of pictures lost after the last one, once the iteration
    has ended.
    """

    def __init__(
        self, path: Path, counters: CameraCounters, window_ns: tuple[int, int] | None, hwaccel: str = ""
    ) -> None:
        self._path, self._hwaccel = path, hwaccel
        self._counters = counters
        self._window_s = None if window_ns is None else _seconds(window_ns)
        self.lost_at_end = 0

    def __iter__(self) -> Iterator[_Decoded]:
        counters = self._counters
        with opened(self._path, self._hwaccel) as (container, stream):
            order = _PresentationOrder(container, stream, self._window_s)
            if self._window_s is not None:
                _seek(container, stream, self._window_s[0])
            pictures = _pictures(container, stream, order, counters)
            for picture, is_damaged in _not_refused(pictures, self._path, self._hwaccel, counters):
                time_s, lost = order.receive(picture)
                if self._window_s is not None and time_s is not None:
                    if time_s >= self._window_s[1]:
                        break
                    if time_s < self._window_s[0]:
                        continue
                counters.lost_frames += lost
                counters.corrupt_frames += picture.is_corrupt
                yield _Decoded(picture, time_s, lost, is_damaged)
            self.lost_at_end = order.outstanding
            counters.lost_frames += self.lost_at_end


def _seconds(window_ns: tuple[int, int]) -> tuple[Fraction, Fraction]:
    return Fraction(window_ns[0], SECOND_NS), Fraction(window_ns[1], SECOND_NS)


def _seek(container: av.container.InputContainer, stream: av.VideoStream, start_s: Fraction) -> None:
    """Go to a keyframe before a time; where the file cannot be searched, it is read from its start."""
    # Some demuxers search by decoding times, which are up to a few frames before presentation times.
    margin_s = 1
    with suppress(av.FFmpegError):
        container.seek(max(0, int((start_s - margin_s) / (stream.time_base or Fraction(1)))), stream=stream)


def _pictures(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    order: "_PresentationOrder",
    counters: CameraCounters,
) -> Iterator[tuple[av.VideoFrame, bool]]:
    """All pictures that can be decoded, and whether they are damaged; `order` is told every packet before its pictures.

    After a packet that cannot be decoded, all pictures up to the next keyframe rest on what was lost.
    """
    damaged = 0
    for packet in _packets(container, stream, counters):
        if packet is not None:
            order.send(packet)
        try:
            pictures = stream.codec_context.decode(packet)
        except av.FFmpegError:
            counters.corrupt_packets += 1
            damaged = DAMAGED_PICTURES
            continue
        for picture in pictures:
            damaged = 0 if picture.key_frame else max(0, damaged - 1)
            yield picture, damaged > 0 or picture.is_corrupt


def _not_refused(
    pictures: Iterator[tuple[av.VideoFrame, bool]], path: Path, hwaccel: str, counters: CameraCounters
) -> Iterator[tuple[av.VideoFrame, bool]]:
    """The pictures of a file. Hardware that refuses its profile or its size reports an error for every packet.

    Raises:
        ClipError: hardware decoded no picture of the file.
    """
    refused_before = counters.corrupt_packets
    first = next(pictures, None)
    if first is not None:
        yield first
        yield from pictures
    elif hwaccel and counters.corrupt_packets > refused_before:
        count = counters.corrupt_packets - refused_before
        raise refused(path, hwaccel, f"none of its {count} packets")


def _packets(
    container: av.container.InputContainer, stream: av.VideoStream, counters: CameraCounters
) -> Iterator[av.Packet | None]:
    """The packets of the stream, then None, which makes the decoder return the pictures that it still holds."""
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.FFmpegError:
        counters.truncated_files += 1
    yield None


class _PresentationOrder:
    """Which container time belongs to which picture, and how many pictures were lost.

    Packets are sent in decoding order, pictures return in presentation order: when a picture with time t returns,
    packets with earlier times that returned none are lost.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.VideoStream,
        window_s: tuple[Fraction, Fraction] | None = None,
    ) -> None:
        self._pending: list[int] = []
        self._window_s = window_s
        self._hides_frames = stream.codec_context.name == "vp8"  # its packets may contain pictures that are never shown
        self._time_base = stream.time_base or Fraction(1)
        # AVI stores no presentation times, and FFmpeg's guess is wrong with B-frames; the k-th picture out has the
        # k-th time, since AVI counts frames.
        self._counts_frames = container.format.name == "avi" and bool(stream.codec_context.has_b_frames)

    def send(self, packet: av.Packet) -> None:
        time = packet.dts if self._counts_frames else packet.pts
        if time is None or packet.is_discard:
            return
        if self._window_s is None or self._window_s[0] <= time * self._time_base < self._window_s[1]:
            heapq.heappush(self._pending, time)

    def receive(self, picture: av.VideoFrame) -> tuple[Fraction | None, int]:
        pending = self._pending
        if self._counts_frames:
            return (heapq.heappop(pending) * self._time_base if pending else None), 0
        time = picture.pts
        if time is None:
            return (heapq.heappop(pending) * self._time_base if pending else None), 0
        lost = 0
        while pending and pending[0] < time:
            heapq.heappop(pending)
            lost += 1
        if pending and pending[0] == time:
            heapq.heappop(pending)
        return time * self._time_base, 0 if self._hides_frames else lost

    @property
    def outstanding(self) -> int:
        """Number of packets that have returned no picture yet."""
        return 0 if self._hides_frames else len(self._pending)
