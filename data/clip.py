"""Open a recording of any accepted form as a `Clip`. No video is copied or read to its end.

Determines files, clocks, sizes and the rig; frames come from `FrameSource`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fsd.data.camera_names import canonical_name, fov_deg_in_name
from fsd.data.camera_stream import CameraStream
from fsd.data.clip_streams import camera_streams
from fsd.data.ego import CommandTrack, EgoTrack, load_commands, load_ego
from fsd.data.errors import ClipError, RigError
from fsd.data.frames import CAMERAS
from fsd.data.recording_files import RecordingFiles, find_videos, mapped_videos
from fsd.data.rig import Rig, load_rig
from fsd.data.standard_rigs import assumed_rig
from fsd.data.steering import SteeringTrack, has_steering_column, load_steering


@dataclass(frozen=True)
class Clip:
    """A recording, ready to be read.

    Attributes:
        name: for display; path: what was opened.
        format: `native` (with rig.json), `folder`, `parts`, `file` or `mapping`.
        rig: described or assumed; `rig_is_assumed` says which.
        streams: (8,) one per camera of `CAMERAS`; None where there is no video.
        ego, commands: ego motion and route commands, where recorded.
        notes: sentences that state what was assumed.
        steering: angle of the steering wheel, where a CSV file beside a video has it.
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
    steering: SteeringTrack | None = None

    @property
    def videos(self) -> tuple[Path, ...]:
        """All video files."""
        return tuple(part for stream in self.streams if stream is not None for part in stream.parts)


def open_clip(path: Path, cameras: Mapping[str, Path] | None = None) -> Clip:
    """Open a clip folder, a plain folder of videos or part files, a single video, or videos named by hand.

    Args:
        path: a folder or a video file.
        cameras: camera name -> video, in place of the videos in the folder. Relative paths start at `path`, if found
            there.

    Raises:
        ClipError: nothing usable is there, or a file is broken.
        RigError: rig.json is wrong or does not match the videos.
        ClockError: a timestamps file is wrong.
    """
    path = Path(path)
    if not path.exists():
        raise ClipError(f"{path} does not exist. Give a folder of recordings or a video file.")
    folder = path if path.is_dir() else path.parent
    files = _files(path, folder, cameras)
    rig_path = path / "rig.json"
    rig = load_rig(rig_path) if path.is_dir() and rig_path.exists() else None
    notes = list(files.notes)
    streams = camera_streams(files, folder, rig, notes)
    if rig is None:
        sizes = {name: (stream.width_px, stream.height_px) for name, stream in streams.items()}
        fov_deg = {name: fov for name, label in files.labels.items() if (fov := fov_deg_in_name(label))}
        notes.append("No rig.json: usual camera poses and lenses are assumed, so the geometry is approximate.")
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
        format=_format(path, cameras, rig, files),
        rig=used_rig,
        rig_is_assumed=rig is None,
        streams=tuple(streams.get(name) for name in CAMERAS),
        ego=load_ego(ego_path) if path.is_dir() and ego_path.exists() else None,
        commands=load_commands(command_path) if path.is_dir() and command_path.exists() else None,
        notes=tuple(notes),
        steering=_steering(files),
    )


def _files(path: Path, folder: Path, cameras: Mapping[str, Path] | None) -> RecordingFiles:
    if cameras:
        return mapped_videos(folder, cameras)
    if path.is_dir():
        return find_videos(path)
    files = RecordingFiles()
    name = canonical_name(path.stem)
    files.add(name or "front_main", path.stem, (path,))
    if name is None:
        files.notes.append(f"{path.name} names no camera; it is taken as front_main.")
    return files


def _steering(files: RecordingFiles) -> SteeringTrack | None:
    """The angles in the first CSV file that has them, front cameras first."""
    for name in CAMERAS:
        if name in files.videos:
            table = files.videos[name][0].with_suffix(".csv")
            if has_steering_column(table):
                return load_steering(table)
    return None


def _format(path: Path, cameras: Mapping[str, Path] | None, rig: Rig | None, files: RecordingFiles) -> str:
    if cameras:
        return "mapping"
    if path.is_file():
        return "file"
    if rig is not None:
        return "native"
    return "parts" if any(len(parts) > 1 for parts in files.videos.values()) else "folder"


def _check_rig_fits(path: Path, rig: Rig, streams: Mapping[str, CameraStream]) -> None:
    for name, stream in streams.items():
        camera = rig.camera(name)
        if camera is None:
            raise RigError(
                f"{path}: `cameras` does not describe {name}, but there is a video of it ({stream.path.name}). "
                "Describe the camera, or remove the video.",
                camera=name,
            )
        if (camera.width_px, camera.height_px) != (stream.width_px, stream.height_px):
            raise RigError(
                f"{path}: {name} is described with {camera.width_px}x{camera.height_px} pixels, but {stream.path.name} "
                f"has {stream.width_px}x{stream.height_px}. Correct `width_px`, `height_px` and the intrinsics, "
                "or use the video that the calibration belongs to.",
                camera=name,
            )
