"""A part of a recording, from a time and for a time: only its pictures are decoded, where the files can be searched.

Pictures of video files with times are found by seeking, images by their times, and messages of MCAP files are decoded
from the last key frame before the part on. Of other recordings all pictures before the part are decoded and not shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from fsd.data.camera_stream import CameraStream, Picture
from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS, Timestamps, floor_ns
from fsd.data.errors import ClipError, UsageError
from fsd.data.image_stream import ImageStream
from fsd.data.packet_stream import PacketStream
from fsd.data.sync_report import CameraCounters
from fsd.data.video_probe import opened
from fsd.data.video_stream import VideoStream

REORDERED_PACKETS = 32
"""Packets that may stand before a picture in the file and after it in time."""

LATE_NS = 2 * SECOND_NS
"""Pictures are in order of time up to this; one far ahead may be a stray."""


def part_of(clip: Clip, start_s: float, duration_s: float | None) -> Clip:
    """The pictures of a clip from `start_s` after its first one on, for `duration_s`, or to its end for None.

    Raises:
        ClipError: the files do not state their times.
        UsageError: the part begins after the end of the recording.
    """
    if not start_s and duration_s is None:
        return clip
    spans = [span for stream in clip.streams if stream is not None for span in stream.spans_ns]
    if not spans:
        raise ClipError(f"{clip.path}: its files do not state their times. Leave out --start and --duration.")
    begins_ns, ends_ns = min(start for start, _ in spans), max(end for _, end in spans)
    start_ns = begins_ns + round(start_s * SECOND_NS)
    end_ns = ends_ns + LATE_NS if duration_s is None else start_ns + round(duration_s * SECOND_NS)
    if start_ns > ends_ns:
        raise UsageError(
            f"--start {start_s:g} is after the end: {clip.name} is {(ends_ns - begins_ns) / 1e9:.1f} s long."
        )
    streams = tuple(None if each is None else _part_of_stream(each, start_ns, end_ns) for each in clip.streams)
    until = "its end" if duration_s is None else f"{start_s + duration_s:g} s"
    note = f"Only a part is read: from {start_s:g} s to {until}."
    unsearched = [each.name for each in streams if isinstance(each, _Filtered) and not each.skips_start]
    if start_s and unsearched:
        note += f" What is before it is decoded too, of files that cannot be searched: {', '.join(unsearched)}."
    return replace(clip, streams=streams, notes=(*clip.notes, note))


def _part_of_stream(stream: CameraStream, start_ns: int, end_ns: int) -> CameraStream | None:
    """The part of one camera; None for one without pictures in it."""
    if not stream.spans_ns:
        return _Filtered.of(stream, start_ns, end_ns)
    first_ns, last_ns = stream.spans_ns[0][0], stream.spans_ns[-1][1]
    if last_ns < start_ns or first_ns >= end_ns:
        return None
    found: CameraStream | None = None
    if isinstance(stream, ImageStream):
        inside = (stream.image_ns >= start_ns) & (stream.image_ns < end_ns)
        images = tuple(image for image, is_inside in zip(stream.images, inside, strict=True) if is_inside)
        found = replace(stream, images=images, image_ns=stream.image_ns[inside]) if images else None
    elif isinstance(stream, VideoStream):
        stream = _needed_parts(stream, start_ns, end_ns)
        found = _sought(stream, start_ns, end_ns)
    elif isinstance(stream, PacketStream):
        stream = replace(stream, from_ns=start_ns)
    found = found or _Filtered.of(stream, start_ns, end_ns)
    cadence = None if found.cadence is None else replace(found.cadence, first_late_ns=0)
    return replace(found, start_ns=max(first_ns, start_ns), end_ns=min(last_ns, end_ns), cadence=cadence)


def _needed_parts(stream: VideoStream, start_ns: int, end_ns: int) -> VideoStream:
    """Without the files that lie outside, where each has its own place on the time line."""
    spans = stream.part_spans_ns
    if not spans or not stream.part_start_ns or (stream.timestamps is not None and not stream.part_first_index):
        return stream
    kept = [part for part, (first_ns, last_ns) in enumerate(spans) if last_ns >= start_ns and first_ns < end_ns]
    return replace(
        stream,
        parts=tuple(stream.parts[part] for part in kept),
        part_start_ns=tuple(stream.part_start_ns[part] for part in kept),
        part_spans_ns=tuple(spans[part] for part in kept),
        part_first_index=tuple(stream.part_first_index[part] for part in kept if stream.part_first_index),
    )


def _sought(stream: VideoStream, start_ns: int, end_ns: int) -> VideoStream | None:
    """The same video read by seeking; None where that cannot be exact."""
    if len(stream.parts) != 1 or not stream.has_times or stream.window_ns is not None or stream.part_first_index:
        return None
    if stream.timestamps is not None:
        return _sought_by_place(stream, stream.timestamps, start_ns, end_ns)
    offset_ns = stream.shift_ns + sum(stream.part_start_ns)
    return replace(stream, window_ns=(start_ns - offset_ns, end_ns - offset_ns), part_spans_ns=())


def _sought_by_place(stream: VideoStream, table: Timestamps, start_ns: int, end_ns: int) -> VideoStream | None:
    rows = np.flatnonzero((table.timestamp_ns >= start_ns) & (table.timestamp_ns < end_ns))
    if not len(rows):
        return None
    first, last = (int(table.frame_index[rows[at]]) for at in (0, -1))
    times_s = _container_times(stream.path, last + 2)
    if times_s is None or len(times_s) <= last:
        return None
    after_s = times_s[last + 1] if len(times_s) > last + 1 else times_s[last] + 1
    kept = Timestamps(table.path, table.frame_index[rows] - first, table.timestamp_ns[rows])
    window_ns = (floor_ns(times_s[first]), floor_ns((times_s[last] + after_s) / 2))
    return replace(stream, window_ns=window_ns, timestamps=kept)


def _container_times(path: Path, count: int) -> list[Fraction] | None:
    """The container times of the first pictures of a file, in order, without decoding; None where they do not tell."""
    with opened(path) as (container, video):
        if container.format.name == "avi" or video.time_base is None:
            return None  # its times are those of decoding
        found: list[int] = []
        for packet in container.demux(video):
            if packet.size:
                if packet.pts is None or packet.is_discard:
                    return None
                found.append(packet.pts)
            if len(found) >= count + REORDERED_PACKETS:
                break
        return [time * video.time_base for time in sorted(found)[:count]]


@dataclass(frozen=True, kw_only=True)
class _Filtered(CameraStream):
    """A camera of which only pictures of a time are shown; those before may be decoded too."""

    whole: CameraStream
    from_ns: int
    until_ns: int

    @classmethod
    def of(cls, stream: CameraStream, from_ns: int, until_ns: int) -> "_Filtered":
        """This part of a camera."""
        same = {field.name: getattr(stream, field.name) for field in fields(CameraStream)}
        return cls(**same, whole=stream, from_ns=from_ns, until_ns=until_ns)

    @property
    def files(self) -> tuple[Path, ...]:
        return self.whole.files

    @property
    def skips_start(self) -> bool:
        """Whether hardly any picture before the part is decoded."""
        return isinstance(self.whole, PacketStream) and self.whole.may_skip

    def pictures(self, counters: CameraCounters) -> Iterator[Picture]:
        for picture in self.whole.pictures(counters):
            if picture.timestamp_ns >= self.until_ns + LATE_NS:
                return
            if self.from_ns <= picture.timestamp_ns < self.until_ns:
                yield picture
