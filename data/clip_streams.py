"""Make a `VideoStream` of the files of each camera: headers, times, part files, one clock for all.

Assumptions are added to `notes`, as sentences for display.
"""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from fsd.data.cadence import measure_cadence
from fsd.data.clock import SECOND_NS, Timestamps, csv_columns, floor_ns, load_timestamps
from fsd.data.errors import ClipError
from fsd.data.frames import CAMERAS
from fsd.data.part_overlap import overlap_frames
from fsd.data.recording_files import RecordingFiles
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Rig
from fsd.data.video_probe import VideoInfo, probe
from fsd.data.video_stream import VideoStream

_COUNTS_FROM_START_NS = 60 * SECOND_NS


def camera_streams(
    files: RecordingFiles, folder: Path, rig: Rig | None, notes: list[str], options: CameraOptions
) -> dict[str, VideoStream]:
    """The streams of a clip by canonical camera name.

    Args:
        files: which files belong to which camera.
        folder: of the clip, where timestamp files may lie.
        rig: as described, for the rate of videos without times; None where it is assumed.
        notes: sentences that state what was assumed are appended.
        options: rate of videos without times, and whether all cameras start together.

    Raises:
        ClipError: a file is broken or does not match the others.
        ClockError: a timestamps file is wrong.
    """
    infos = {name: [probe(part, decodes=part is parts[0]) for part in parts] for name, parts in files.videos.items()}
    overlap = 0
    in_parts = [parts for parts in files.videos.values() if len(parts) > 1]
    if in_parts:
        overlap, note = overlap_frames(in_parts)
        notes.append(note)
    streams = {}
    for name in CAMERAS:
        if name in infos:
            timestamps = _find_timestamps(name, infos[name], folder, notes)
            streams[name] = _stream(name, infos[name], timestamps, overlap, rig, notes)
    return _on_one_clock(streams, notes)


def _find_timestamps(name: str, infos: list[VideoInfo], folder: Path, notes: list[str]) -> Timestamps | None:
    first = infos[0].path
    for candidate in (
        first.with_name(f"{first.stem}.timestamps.parquet"),
        first.with_name(f"{name}.timestamps.parquet"),
        folder / f"{name}.timestamps.parquet",
    ):
        if candidate.exists():
            return load_timestamps(candidate)
    table = first.with_suffix(".csv")
    if not table.exists():
        return None
    if "timestamp_ns" not in csv_columns(table):
        notes.append(f"{table.name} has no column `timestamp_ns` and is not used.")
        return None
    return load_timestamps(table)


def _stream(
    name: str, infos: list[VideoInfo], timestamps: Timestamps | None, overlap: int, rig: Rig | None, notes: list[str]
) -> VideoStream:
    first = infos[0]
    for info in infos[1:]:
        if sorted((info.width_px, info.height_px)) != sorted((first.width_px, first.height_px)):
            raise ClipError(
                f"{info.path} is {info.width_px}x{info.height_px}, but {first.path} is {first.width_px}x"
                f"{first.height_px}. The parts of one camera must have one size; remove or convert this one.",
                camera=name,
            )
    has_times = all(info.has_times for info in infos)
    rate_hz = first.rate_hz
    if not has_times and timestamps is None:
        source = "the video's header"
        if rig is not None:
            rate_hz, source = rig.clock.rate, "rig.json"
        notes.append(f"{first.path.name} carries no times: {float(rate_hz):g} frames/s are assumed, from {source}.")
    if timestamps is not None:
        start_ns: int | None = int(timestamps.timestamp_ns[0])
        end_ns: int | None = int(timestamps.timestamp_ns[-1])
    else:
        start_ns, end_ns = _header_span_ns(infos, overlap, rate_hz)
    return VideoStream(
        name=name,
        parts=tuple(info.path for info in infos),
        width_px=first.width_px,
        height_px=first.height_px,
        codec=first.codec,
        rate_hz=rate_hz,
        has_times=has_times,
        timestamps=timestamps,
        overlap_frames=overlap if len(infos) > 1 else 0,
        parts_continue=_parts_continue(infos),
        start_ns=start_ns,
        end_ns=end_ns,
        cadence=first.cadence if timestamps is None else measure_cadence(timestamps.timestamp_ns),
    )


def _parts_continue(infos: list[VideoInfo]) -> bool:
    """Whether the container times of every part go on from the part before."""
    for before, after in pairwise(infos):
        if before.start_s is None or before.duration_s is None or after.start_s is None:
            return False
        if after.start_s < before.start_s + before.duration_s / 2:
            return False
    return True


def _header_span_ns(infos: list[VideoInfo], overlap: int, rate_hz: Fraction) -> tuple[int | None, int | None]:
    first, last = infos[0], infos[-1]
    if first.start_s is None or any(info.duration_s is None for info in infos):
        return None, None
    start_s = first.start_s
    if len(infos) > 1 and _parts_continue(infos):
        end_s = (last.start_s or Fraction(0)) + (last.duration_s or Fraction(0))
    else:
        total_s = sum((info.duration_s or Fraction(0) for info in infos), Fraction(0))
        end_s = start_s + total_s - overlap * (len(infos) - 1) / rate_hz
    return floor_ns(start_s), floor_ns(max(start_s, end_s - 1 / rate_hz))


def _on_one_clock(streams: dict[str, VideoStream], notes: list[str]) -> dict[str, VideoStream]:
    """Put cameras that only have container times on the clock of those with timestamp files."""
    filed = [stream for stream in streams.values() if stream.timestamps is not None]
    others = [name for name, stream in streams.items() if stream.timestamps is None]
    if not filed or not others:
        return streams
    first_ns = min(stream.start_ns or 0 for stream in filed)
    if first_ns < _COUNTS_FROM_START_NS:
        return streams  # both count from the start of the recording
    shift_ns = first_ns - min(streams[name].start_ns or 0 for name in others)
    notes.append(f"No timestamps file for {', '.join(others)}: their times are taken to start with the other cameras'.")
    shifted = dict(streams)
    for name in others:
        stream = streams[name]
        shifted[name] = replace(
            stream,
            shift_ns=shift_ns,
            start_ns=None if stream.start_ns is None else stream.start_ns + shift_ns,
            end_ns=None if stream.end_ns is None else stream.end_ns + shift_ns,
        )
    return shifted
