"""A clip folder with rig.json, a plain folder of videos or part files, one video, or videos named by hand."""

from collections.abc import Mapping
from pathlib import Path

from fsd.data.camera_names import canonical_name, fov_deg_in_name
from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.clip_streams import camera_streams
from fsd.data.ego import EgoTrack, load_commands, load_ego
from fsd.data.errors import ClipError, RigError
from fsd.data.formats.gps_track import find_gps_track
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.recording_format import Match
from fsd.data.frames import CAMERAS
from fsd.data.recording_files import RecordingFiles, clips_below, find_videos, mapped_videos
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Rig, load_rig
from fsd.data.steering import SteeringTrack, has_steering_column, load_steering


class VideoFolder:
    """The forms that need nothing but videos; everything that no other format claims is opened as one of them."""

    name = "folder"
    description = "a clip folder with rig.json, a folder of videos named after cameras, part files, or one video"

    def detect(self, path: Path) -> Match:
        if path.is_file():
            return Match("one video", (path,))
        if (path / "rig.json").exists():
            return Match("a folder with rig.json", (path,))
        clips = [] if _names_cameras(path) else clips_below(path)
        if clips in ([], [path]):
            return Match("a folder of videos", (path,))
        return Match(f"{len(clips)} folders of videos", tuple(clips))

    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open it; the formats of such clips are `native`, `folder`, `parts`, `file` and `mapping`.

        Raises:
            ClipError: nothing usable is there, or a file is broken.
            RigError: rig.json is wrong or does not match the videos.
            ClockError: a timestamps file is wrong.
        """
        folder = path if path.is_dir() else path.parent
        files = _files(path, folder, options.cameras)
        rig_path = path / "rig.json"
        rig = load_rig(rig_path) if path.is_dir() and rig_path.exists() else None
        notes = list(files.notes)
        streams = camera_streams(files, folder, rig, notes, options)
        if rig is not None:
            check_rig_fits(rig_path, rig, streams)
        ego_path, command_path = folder / "ego.parquet", folder / "command.parquet"
        ego: EgoTrack | None
        if path.is_dir() and ego_path.exists():
            ego = load_ego(ego_path, notes)
        else:
            ego = find_gps_track(folder, next(iter(streams.values())), None, notes, only_named=path.is_file())
        return make_clip(
            path,
            _format(path, options.cameras, rig, files),
            streams,
            notes,
            rig,
            {name: fov for name, label in files.labels.items() if (fov := fov_deg_in_name(label))},
            ego=ego,
            commands=load_commands(command_path) if path.is_dir() and command_path.exists() else None,
            steering=_steering(files),
        )


def _names_cameras(folder: Path) -> bool:
    """Whether the videos of a folder, or the folders in it, are named after cameras."""
    try:
        find_videos(folder)
    except ClipError:
        return False
    return True


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


def check_rig_fits(path: Path, rig: Rig, streams: Mapping[str, CameraStream]) -> None:
    """Refuse videos that the rig does not describe, or describes with another size.

    Raises:
        RigError: names the camera.
    """
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
