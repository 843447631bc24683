"""Open a recording of any accepted form as one thing: `Clip`. No video is copied, and none is read through.

Decides files, clocks, sizes and the rig; frames come from `FrameSource`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from fsd.data.camera_names import canonical_name, fov_deg_in_name
from fsd.data.camera_stream import CameraStream
from fsd.data.clip_layout import Layout, find_videos, mapped_videos
from fsd.data.clock import MAX_GAP_NS, Timestamps, floor_ns, has_timestamp_column, load_timestamps
from fsd.data.ego import CommandTrack, EgoTrack, load_commands, load_ego
from fsd.data.errors import ClipError, RigError
from fsd.data.frames import CAMERAS
from fsd.data.part_overlap import overlap_frames
from fsd.data.rig import Rig, assumed_rig, load_rig
from fsd.data.video_probe import VideoInfo, probe


@dataclass(frozen=True)
class Clip:
    """A recording, ready to be read.

    Attributes:
        name: for people; path: what was opened.
        format: `native` (with rig.json), `folder`, `parts`, `file` or `mapping`.
        rig: described or assumed; `rig_is_assumed` says which.
        streams: (8,) one per camera of `CAMERAS`; None where there is no video.
        ego, commands: what the car did and was told to do, where recorded.
        notes: sentences that say what was assumed.
    """

    name: str
    path: Path
    format: str
    rig: Rig
    rig_is_assumed: bool
    streams: tuple[CameraStream | None, ...]
    ego: EgoTrack | None = None
    commands: CommandTrack | None = None
    notes: tuple[str, ...] = ()


def open_clip(path: Path, cameras: Mapping[str, Path] | None = None) -> Clip:
    """Open a clip folder, a plain folder of videos or part files, a single video, or videos named by hand.

    Args:
        path: a folder or a video file.
        cameras: camera name -> video; overrules what the folder holds. Relative paths start at `path`, if found there.

    Raises:
        ClipError: nothing usable is there, or a file is broken; says which and what to do.
        RigError: rig.json is wrong or does not fit the videos.
        ClockError: a timestamps file is wrong.
    """
    path = Path(path)
    if not path.exists():
        raise ClipError(f"{path} does not exist. Give a folder of recordings or a video file.")
    folder = path if path.is_dir() else path.parent
    layout = _layout(path, folder, cameras)
    rig_path = path / "rig.json"
    rig = load_rig(rig_path) if path.is_dir() and rig_path.exists() else None
    notes = list(layout.notes)
    streams = _streams(layout, folder, rig, notes)
    if rig is None:
        sizes = {name: (stream.width_px, stream.height_px) for name, stream in streams.items()}
        fov_deg = {name: fov for name, label in layout.labels.items() if (fov := fov_deg_in_name(label))}
        notes.append("No rig.json: usual camera places and lenses are assumed, so the geometry is approximate.")
        used_rig = assumed_rig(sizes, fov_deg)
    else:
        used_rig = rig
        _check_rig_fits(rig_path, rig, streams)
    missing = [name for name in CAMERAS if name not in streams]
    if missing:
        notes.append(f"No video for {', '.join(missing)}: masked.")
    ego_path, command_path = folder / "ego.parquet", folder / "command.parquet"
    return Clip(
        name=path.stem if path.is_file() else path.resolve().name,
        path=path,
        format=_format(path, cameras, rig, layout),
        rig=used_rig,
        rig_is_assumed=rig is None,
        streams=tuple(streams.get(name) for name in CAMERAS),
        ego=load_ego(ego_path) if path.is_dir() and ego_path.exists() else None,
        commands=load_commands(command_path) if path.is_dir() and command_path.exists() else None,
        notes=tuple(notes),
    )


def _layout(path: Path, folder: Path, cameras: Mapping[str, Path] | None) -> Layout:
    if cameras:
        return mapped_videos(folder, cameras)
    if path.is_dir():
        return find_videos(path)
    layout = Layout()
    name = canonical_name(path.stem)
    layout.add(name or "front_main", path.stem, (path,))
    if name is None:
        layout.notes.append(f"{path.name} names no camera; it is taken as front_main.")
    return layout


def _format(path: Path, cameras: Mapping[str, Path] | None, rig: Rig | None, layout: Layout) -> str:
    if cameras:
        return "mapping"
    if path.is_file():
        return "file"
    if rig is not None:
        return "native"
    return "parts" if any(len(parts) > 1 for parts in layout.videos.values()) else "folder"


def _streams(layout: Layout, folder: Path, rig: Rig | None, notes: list[str]) -> dict[str, CameraStream]:
    infos = {name: [probe(part, decodes=part is parts[0]) for part in parts] for name, parts in layout.videos.items()}
    overlap = 0
    in_parts = [parts for parts in layout.videos.values() if len(parts) > 1]
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
    if not has_timestamp_column(table):
        notes.append(f"{table.name} has no column `timestamp_ns` and is not used.")
        return None
    return load_timestamps(table)


def _stream(
    name: str,
    infos: list[VideoInfo],
    timestamps: Timestamps | None,
    overlap: int,
    rig: Rig | None,
    notes: list[str],
) -> CameraStream:
    first = infos[0]
    for info in infos[1:]:
        if sorted((info.width_px, info.height_px)) != sorted((first.width_px, first.height_px)):
            raise ClipError(
                f"{info.path} is {info.width_px}x{info.height_px}, but {first.path} is {first.width_px}x"
                f"{first.height_px}. The parts of one camera must have one size; remove or convert the odd one."
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
    return CameraStream(
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


def _on_one_clock(streams: dict[str, CameraStream], notes: list[str]) -> dict[str, CameraStream]:
    """Put cameras that only have container times on the clock of those with timestamp files."""
    filed = [stream for stream in streams.values() if stream.timestamps is not None]
    others = [name for name, stream in streams.items() if stream.timestamps is None]
    if not filed or not others:
        return streams
    first_ns = min(stream.start_ns or 0 for stream in filed)
    if first_ns < MAX_GAP_NS:
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


def _check_rig_fits(path: Path, rig: Rig, streams: Mapping[str, CameraStream]) -> None:
    for name, stream in streams.items():
        camera = rig.camera(name)
        if camera is None:
            raise RigError(
                f"{path}: `cameras` does not describe {name}, but there is a video of it ({stream.path.name}). "
                "Describe the camera, or remove the video."
            )
        if (camera.width_px, camera.height_px) != (stream.width_px, stream.height_px):
            raise RigError(
                f"{path}: {name} is described with {camera.width_px}x{camera.height_px} pixels, but {stream.path.name} "
                f"has {stream.width_px}x{stream.height_px}. Correct `width_px`, `height_px` and the intrinsics, "
                "or use the video that the calibration belongs to."
            )
