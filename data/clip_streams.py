"""Make a `VideoStream` of the files of each camera: headers, times, part files, one clock for all.

Assumptions are added to `notes`, as sentences for display.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from fsd.data.cadence import measure_cadence
from fsd.data.clock import SECOND_NS, Timestamps, csv_columns, floor_ns, load_timestamps
from fsd.data.errors import MOST_NAMED, ClipError, ClockError
from fsd.data.frames import CAMERAS
from fsd.data.part_overlap import overlap_frames
from fsd.data.part_times import CHAIN_NS, StampedPart, starts_by_stamp
from fsd.data.parts_together import Found, cameras_together, note_faults, probe_parts, starts_together_ns
from fsd.data.recording_files import RecordingFiles
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Rig
from fsd.data.video_probe import VideoInfo, probe
from fsd.data.video_stream import VideoStream

_LATE_START_NS = SECOND_NS
"""A camera that starts later than another by more than this is noted."""

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
    together = [] if files.stamps_ns or files.parts_follow else cameras_together(files.videos)
    beside = {name: probe_parts(name, files.videos[name], notes) for name in together}
    infos = {
        name: [info for info in beside[name] if info] if name in beside else _probed(name, files, notes)
        for name in files.videos
    }
    infos = {name: found for name, found in infos.items() if found}
    if not infos:
        more = f" And {len(notes) - MOST_NAMED} more." if len(notes) > MOST_NAMED else ""
        raise ClipError(f"{folder}: no video can be read. {' '.join(notes[:MOST_NAMED])}{more}")
    starts_ns = _part_starts_ns(files, infos, notes) or _starts_together_ns(beside, notes)
    overlap = 0
    in_parts = [[info.path for info in found] for found in infos.values() if len(found) > 1]
    if in_parts and not starts_ns:
        overlap, note = overlap_frames(in_parts)
        notes.append(note)
        if not files.parts_follow:
            notes.append("The parts carry no dates that tell of holes: they are taken to follow each other.")
    streams = {}
    for name in CAMERAS:
        if name in infos:
            timestamps = _find_timestamps(name, infos[name], folder, notes)
            if timestamps is not None:
                _check_frame_numbers(name, timestamps, infos[name])
            rate_hz = _rate_hz(infos[name], timestamps, rig, options, notes)
            on_line_ns = starts_ns.get(name, ()) if timestamps is None else ()
            streams[name] = _stream(name, infos[name], timestamps, overlap, rate_hz, on_line_ns)
    return _with_one_start(_on_one_clock(streams, notes), options, notes)


def _probed(name: str, files: RecordingFiles, notes: list[str]) -> list[VideoInfo]:
    """Headers of a camera's parts. Where names state the time of every part, a broken one is left out and noted."""
    parts, stamps_ns = files.videos[name], files.stamps_ns.get(name)
    if stamps_ns is None:
        return [_probe_of(name, part, decodes=part is parts[0]) for part in parts]
    found: list[VideoInfo] = []
    kept: list[int] = []
    faults: list[str] = []
    for part, stamp_ns in zip(parts, stamps_ns, strict=True):
        try:
            found.append(probe(part, decodes=not found))
            kept.append(stamp_ns)
        except ClipError as error:
            faults.append(f"{name} is masked where this part would be: {error}")
    note_faults(name, faults, notes)
    files.stamps_ns[name] = tuple(kept)
    return found


def _probe_of(name: str, part: Path, decodes: bool) -> VideoInfo:
    try:
        return probe(part, decodes)
    except ClipError as error:
        error.camera = error.camera or name
        raise


def _part_starts_ns(
    files: RecordingFiles, infos: Mapping[str, list[VideoInfo]], notes: list[str]
) -> dict[str, tuple[int, ...]]:
    """Time of the first picture of every part; empty where the parts follow each other."""
    if files.stamps_ns:
        parts = {
            name: [StampedPart(stamp_ns, _length_ns(info)) for stamp_ns, info in zip(stamps, infos[name], strict=True)]
            for name, stamps in files.stamps_ns.items()
            if name in infos
        }
        starts_ns, found_notes = starts_by_stamp(parts)
        notes += found_notes
        return starts_ns
    if files.parts_follow or all(len(found) == 1 for found in infos.values()):
        return {}
    created = [info.created_unix_ns for found in infos.values() for info in found]
    if any(created_ns is None for created_ns in created):
        return {}
    for name, found in infos.items():
        dates_ns = [info.created_unix_ns or 0 for info in found]
        if any(after + SECOND_NS < before for before, after in pairwise(dates_ns)):
            notes.append(f"{name}: by the dates in their headers, the parts are NOT in order of time. Check the order.")
    origin_ns = min(created_ns for created_ns in created if created_ns is not None)
    parts = {
        name: [StampedPart((info.created_unix_ns or 0) - origin_ns, _length_ns(info)) for info in found]
        for name, found in infos.items()
    }
    if not any(map(_has_hole, parts.values())):
        return {}
    notes.append("The parts are laid on the time line by the date in their headers.")
    return starts_by_stamp(parts)[0]


def _starts_together_ns(beside: Found, notes: list[str]) -> dict[str, tuple[int, ...]]:
    """Time of the first picture of every part, for cameras whose parts begin together; empty where it is not needed."""
    starts_ns = starts_together_ns(beside) if beside else ()
    if not starts_ns:
        return {}
    notes.append("Parts of the same number are taken to begin together, and to follow each other without a hole.")
    return {
        name: tuple(start_ns for start_ns, info in zip(starts_ns, parts, strict=True) if info is not None)
        for name, parts in beside.items()
    }


def _has_hole(parts: list[StampedPart]) -> bool:
    """Whether a camera's dates are in order, and leave a hole between two parts."""
    spare_ns = [
        after.stamp_ns - before.stamp_ns - before.length_ns
        for before, after in pairwise(parts)
        if before.length_ns is not None
    ]
    return len(spare_ns) == len(parts) - 1 and min(spare_ns, default=0) > -CHAIN_NS and max(spare_ns) > CHAIN_NS


def _length_ns(info: VideoInfo) -> int | None:
    return None if info.duration_s is None else floor_ns(info.duration_s)


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


def _check_frame_numbers(name: str, timestamps: Timestamps, infos: list[VideoInfo]) -> None:
    """Refuse a table of which most rows are for pictures that the video does not have.

    Raises:
        ClockError: names the file and the numbers.
    """
    counts = [info.pictures for info in infos]
    if any(count is None for count in counts):
        return
    pictures = sum(count for count in counts if count is not None)
    beyond = int((timestamps.frame_index >= pictures).sum())
    if 2 * beyond > len(timestamps):
        raise ClockError(
            f"{timestamps.path}: {beyond} of {len(timestamps)} rows are for frame numbers over {pictures - 1}, up to "
            f"{timestamps.frame_index[-1]}, but {infos[0].path.name} holds {pictures} pictures. Count frames from 0, "
            "or use the table of this video.",
            camera=name,
            field="frame_index",
        )


def _rate_hz(
    infos: list[VideoInfo], timestamps: Timestamps | None, rig: Rig | None, options: CameraOptions, notes: list[str]
) -> Fraction:
    """Frames per second of a camera; said in a note where the pictures' times are made of it."""
    first = infos[0]
    if timestamps is not None or all(info.has_times for info in infos):
        return first.rate_hz
    if options.rate_hz is not None:
        rate_hz = Fraction(options.rate_hz).limit_denominator(1001)
        notes.append(f"{first.path.name} carries no times: {float(rate_hz):g} frames/s, as --rate-hz says.")
        return rate_hz
    if rig is not None:
        notes.append(
            f"{first.path.name} carries no times: {float(rig.clock.rate):g} frames/s are assumed, from rig.json."
        )
        return rig.clock.rate
    source = "the video's header states it" if first.states_rate else "a GUESS, since the video states no rate"
    notes.append(
        f"{first.path.name} carries no times: {float(first.rate_hz):g} frames/s are assumed ({source}). "
        "Give the true rate with --rate-hz."
    )
    return first.rate_hz


def _stream(
    name: str,
    infos: list[VideoInfo],
    timestamps: Timestamps | None,
    overlap: int,
    rate_hz: Fraction,
    starts_ns: tuple[int, ...],
) -> VideoStream:
    first = infos[0]
    for info in infos[1:]:
        if sorted((info.width_px, info.height_px)) != sorted((first.width_px, first.height_px)):
            raise ClipError(
                f"{info.path} is {info.width_px}x{info.height_px}, but {first.path} is {first.width_px}x"
                f"{first.height_px}. The parts of one camera must have one size; remove or convert this one.",
                camera=name,
            )
    if timestamps is not None:
        start_ns: int | None = int(timestamps.timestamp_ns[0])
        end_ns: int | None = int(timestamps.timestamp_ns[-1])
    elif starts_ns:
        length_ns = _length_ns(infos[-1])
        start_ns = starts_ns[0]
        end_ns = None if length_ns is None else starts_ns[-1] + max(0, length_ns - floor_ns(1 / rate_hz))
    else:
        start_ns, end_ns = _header_span_ns(infos, overlap, rate_hz)
    return VideoStream(
        name=name,
        parts=tuple(info.path for info in infos),
        width_px=first.width_px,
        height_px=first.height_px,
        codec=first.codec,
        rate_hz=rate_hz,
        has_times=all(info.has_times for info in infos),
        timestamps=timestamps,
        overlap_frames=overlap if len(infos) > 1 else 0,
        parts_continue=_parts_continue(infos),
        part_start_ns=tuple(
            start - floor_ns(info.start_s or Fraction(0)) for start, info in zip(starts_ns, infos, strict=False)
        ),
        part_spans_ns=tuple(
            (start, start + max(0, (_length_ns(info) or 0) - floor_ns(1 / rate_hz)))
            for start, info in zip(starts_ns, infos, strict=False)
        ),
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
    return {name: _shifted(each, shift_ns) if name in others else each for name, each in streams.items()}


def _with_one_start(
    streams: dict[str, VideoStream], options: CameraOptions, notes: list[str]
) -> dict[str, VideoStream]:
    """Note which cameras start later than the first by more than a second; with `align_start`, shift them to it."""
    starts_ns = {name: each.start_ns for name, each in streams.items() if each.start_ns is not None}
    if len(starts_ns) < 2:
        return streams
    first = min(starts_ns, key=lambda name: starts_ns[name])
    later_ns = {name: start_ns - starts_ns[first] for name, start_ns in starts_ns.items()}
    if options.align_start:
        moved = [f"{name} by {late_ns / SECOND_NS:.3f} s" for name, late_ns in later_ns.items() if late_ns]
        if moved:
            notes.append(f"All cameras are shifted to the start of {first}, as --align-start says: {', '.join(moved)}.")
        return {name: _shifted(each, -later_ns.get(name, 0)) for name, each in streams.items()}
    for name, late_ns in later_ns.items():
        if late_ns > _LATE_START_NS:
            notes.append(
                f"{name} starts {late_ns / SECOND_NS:.1f} s after {first}, by the times of its video, and is masked "
                "until then. If both were started together, use --align-start."
            )
    return streams


def _shifted(stream: VideoStream, shift_ns: int) -> VideoStream:
    """The stream with all its times moved."""
    if shift_ns == 0:
        return stream
    table = stream.timestamps
    return replace(
        stream,
        timestamps=None if table is None else replace(table, timestamp_ns=table.timestamp_ns + shift_ns),
        shift_ns=stream.shift_ns + shift_ns,
        part_spans_ns=tuple((first + shift_ns, last + shift_ns) for first, last in stream.part_spans_ns),
        start_ns=None if stream.start_ns is None else stream.start_ns + shift_ns,
        end_ns=None if stream.end_ns is None else stream.end_ns + shift_ns,
    )
