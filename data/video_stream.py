"""The pictures of one camera in video files, in order, each with its index and its exact time, also from damaged files.

Reads one file after the other, one packet at a time, without look-ahead or conversion. Faults are counted in
`CameraCounters`.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from fsd.data.camera_stream import CameraStream, Picture
from fsd.data.clock import SECOND_NS, floor_ns
from fsd.data.errors import ClipError
from fsd.data.planes import upright_size_px
from fsd.data.sync_report import CameraCounters
from fsd.data.video_probe import opened


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
        shift_ns: added to container times.
    """

    parts: tuple[Path, ...]
    has_times: bool = True
    overlap_frames: int = 0
    parts_continue: bool = False
    part_start_ns: tuple[int, ...] = ()
    part_spans_ns: tuple[tuple[int, int], ...] = ()
    shift_ns: int = 0

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
    """A picture of a file; `lost_before` pictures between it and the one before could not be decoded."""

    picture: av.VideoFrame
    time_s: Fraction | None
    lost_before: int


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
        index = -1
        for decoded in self._all_parts():
            index += 1 + decoded.lost_before
            timestamp_ns = self._timestamp_ns(index, decoded.time_s)
            if timestamp_ns is None:
                counters.frames_without_row += 1
            else:
                yield Picture(index, timestamp_ns, decoded.picture)
        if stream.timestamps is not None:
            counters.rows_without_frame = int((stream.timestamps.frame_index > index).sum())

    def _timestamp_ns(self, index: int, time_s: Fraction | None) -> int | None:
        stream = self._stream
        if stream.timestamps is not None:
            return stream.timestamps.time_of(index)
        if time_s is None:
            time_s = index / stream.rate_hz
        return floor_ns(time_s) + stream.shift_ns

    def _part_offset_s(self, part: int) -> Fraction | None:
        """What to add to the container times of a part; None where it follows the part before."""
        stream = self._stream
        if stream.part_start_ns:
            return Fraction(stream.part_start_ns[part], SECOND_NS)
        return None if part and not stream.parts_continue else Fraction(0)

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

    def _all_parts(self) -> Iterator[_Decoded]:
        """The pictures of all parts on one time line, without the frames in which parts overlap."""
        stream, counters = self._stream, self._counters
        size_px = (stream.width_px, stream.height_px)
        before = _TimeLine(1 / stream.rate_hz)
        lost = 0
        for part, path in enumerate(stream.parts):
            overlap = stream.overlap_frames if part else 0
            line = _TimeLine(1 / stream.rate_hz)
            offset_s = self._part_offset_s(part)
            file = _File(path, counters)
            for place, decoded in enumerate(file):
                counters.frames_decoded += 1
                upright_px = upright_size_px(decoded.picture)
                counters.resized_frames += upright_px != size_px
                if part and place == 0:
                    self._check_turned(path, upright_px)
                time_s = decoded.time_s if stream.has_times else None
                if time_s is not None:
                    if offset_s is None:  # times start anew: the first frame follows the part before
                        offset_s = before.next_s - overlap * before.period_s - time_s
                    time_s += offset_s
                elif stream.has_times:
                    counters.untimed_frames += 1
                    time_s = line.next_s
                if time_s is not None:
                    line.add(time_s)
                lost += decoded.lost_before
                shared_and_lost = min(overlap, decoded.lost_before)
                overlap, lost = overlap - shared_and_lost, lost - shared_and_lost
                if overlap:
                    overlap -= 1
                    counters.overlap_frames += 1
                else:
                    yield _Decoded(decoded.picture, time_s, lost)
                    lost = 0
            lost += file.lost_at_end
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

    `lost_at_end` is the number of pictures lost after the last one, once the iteration has ended.
    """

    def __init__(self, path: Path, counters: CameraCounters) -> None:
        self._path = path
        self._counters = counters
        self.lost_at_end = 0

    def __iter__(self) -> Iterator[_Decoded]:
        counters = self._counters
        with opened(self._path) as (container, stream):
            order = _PresentationOrder(container, stream)
            for packet in _packets(container, stream, counters):
                if packet is not None:
                    order.send(packet)
                try:
                    pictures = stream.codec_context.decode(packet)
                except av.FFmpegError:
                    counters.corrupt_packets += 1
                    continue
                for picture in pictures:
                    time_s, lost = order.receive(picture)
                    counters.lost_frames += lost
                    counters.corrupt_frames += picture.is_corrupt
                    yield _Decoded(picture, time_s, lost)
            self.lost_at_end = order.outstanding
            counters.lost_frames += self.lost_at_end


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

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._pending: list[int] = []
        self._hides_frames = stream.codec_context.name == "vp8"  # its packets may contain pictures that are never shown
        self._time_base = stream.time_base or Fraction(1)
        # AVI stores no presentation times, and FFmpeg's guess is wrong with B-frames; the k-th picture out has the
        # k-th time, since AVI counts frames.
        self._counts_frames = container.format.name == "avi" and bool(stream.codec_context.has_b_frames)

    def send(self, packet: av.Packet) -> None:
        time = packet.dts if self._counts_frames else packet.pts
        if time is not None and not packet.is_discard:
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
