"""NVIDIA PhysicalAI-Autonomous-Vehicles: clips of 20 s with seven f-theta cameras, as unpacked from its zip chunks.

Layout, columns, units and frames: wiki and `dataset.py` of github.com/NVlabs/physical_ai_av (its rig frame is our ego
frame). That pixel coordinates count from pixel centres: documentation of github.com/NVIDIA/ncore.

    camera/<camera>/<clip>.<camera>.mp4 and <clip>.<camera>.timestamps.parquet
    calibration/camera_intrinsics/*.parquet, sensor_extrinsics/*.parquet, vehicle_dimensions/*.parquet
    labels/egomotion/<clip>.egomotion.parquet

Files of a clip may also lie in a folder of their chunk, one level deeper, or all together in one folder. The path of a
clip is `DATASET#<clip>`. LiDAR, radar and obstacles are not read.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.cadence import measure_cadence
from fsd.data.camera_names import canonical_name, fov_deg_in_name
from fsd.data.clip import Clip
from fsd.data.clock import MAX_TIME_NS, Timestamps, check_rising, check_steps, floor_ns, integer_column, read_parquet
from fsd.data.ego import EgoTrack, count_wrong_rows, is_possible_pose, unwrapped, yaw_rad_of
from fsd.data.errors import ClipError, ClockError, RigError
from fsd.data.formats.derived_motion import backward_rate
from fsd.data.formats.fragment import split_fragment, with_fragment
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.recording_format import Match, refusing_wrong_values
from fsd.data.frames import CAMERAS
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Camera, FTheta, Pose, Rig, VehicleSpec
from fsd.data.video_probe import probe
from fsd.data.video_stream import VideoStream

_VIDEO = re.compile(r"^(?P<clip>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\.(?P<camera>camera_\w+)\.mp4$")

_MICROSECOND_NS = 1000
_MAX_TIME_US = MAX_TIME_NS // _MICROSECOND_NS
_RATE_OVER_NS = 45_000_000  # egomotion has about 100 rows per second

_POSE_COLUMNS = ("x", "y", "z", "qx", "qy", "qz", "qw")
_INTRINSICS_COLUMNS = ("width", "height", "cx", "cy", *(f"fw_poly_{power}" for power in range(5)))


class NvidiaPhysicalAiAv:
    """Clips of the NVIDIA PhysicalAI-Autonomous-Vehicles data set."""

    name = "nvidia_physicalai_av"
    description = (
        "NVIDIA PhysicalAI-Autonomous-Vehicles, unpacked: camera/CAMERA/CLIP.CAMERA.mp4 with calibration and labels"
    )

    def detect(self, path: Path) -> Match | None:
        folder, fragment = split_fragment(path)
        if not folder.is_dir():
            return None
        clips = _clips(folder)
        if fragment is not None:
            return Match("a clip of NVIDIA PhysicalAI-AV", (path,)) if fragment in clips else None
        if clips:
            recordings = tuple(with_fragment(folder, clip) for clip in clips) if len(clips) > 1 else (path,)
            return Match(f"{len(clips)} clip{'s' * (len(clips) > 1)} of NVIDIA PhysicalAI-AV", recordings)
        return Match("packed chunks of NVIDIA PhysicalAI-AV", (path,)) if _packed(folder) else None

    @refusing_wrong_values
    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open one clip.

        Raises:
            ClipError: the chunks are still packed, there is no such clip, or a file is broken.
            RigError: the calibration is wrong or does not match the videos.
            ClockError: the times of a camera do not rise.
        """
        folder, clip = split_fragment(path)
        clips = _clips(folder)
        if not clips:
            names = ", ".join(file.name for file in _packed(folder)[:3])
            raise ClipError(f"{folder} holds packed chunks ({names}, …). Unpack each beside itself with `unzip`.")
        clip = next(iter(clips)) if clip is None and len(clips) == 1 else clip
        if clip not in clips:
            raise ClipError(f"{folder} has no video of clip {clip}. Give one of: {', '.join(list(clips)[:3])}.")
        videos = clips[clip]
        notes: list[str] = []
        streams = {name: _stream(name, videos[name], notes) for name in CAMERAS if name in videos}
        rig = _rig(folder, clip, videos, streams, notes)
        hfov_deg = {
            name: fov for name, file in videos.items() if (fov := fov_deg_in_name(_camera_of(file))) is not None
        }
        return make_clip(path, self.name, streams, notes, rig, hfov_deg, name=clip, ego=_ego(folder, clip, notes))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _camera_of(video: Path) -> str:
    return video.name.split(".")[1]


def _clips(folder: Path) -> dict[str, dict[str, Path]]:
    """Clip -> canonical camera -> video, by clip."""
    files = _entries(folder)
    for camera in _entries(folder / "camera"):
        for entry in _entries(camera):
            files += _entries(entry) if entry.is_dir() else [entry]
    clips: dict[str, dict[str, Path]] = {}
    for file in files:
        match = _VIDEO.match(file.name)
        name = canonical_name(match["camera"]) if match else None
        if match and name is not None:
            clips.setdefault(match["clip"], {}).setdefault(name, file)
    return dict(sorted(clips.items()))


def _packed(folder: Path) -> list[Path]:
    return sorted((folder / "camera").glob("camera_*/camera_*.chunk_*.zip"))


def _find(folder: Path, kind: str, name: str) -> Path | None:
    """A file of a clip in the folder of its kind, in that of its chunk, or in the data set's own."""
    places = [folder / kind / name, folder / name, *sorted((folder / kind).glob(f"*/{name}"))]
    return next((place for place in places if place.is_file()), None)


def _stream(name: str, video: Path, notes: list[str]) -> VideoStream:
    info = probe(video)
    path = video.with_suffix(".timestamps.parquet")
    timestamps = None
    if path.is_file():
        table = read_parquet(path, "timestamp")
        timestamp_ns = _times_ns(path, table)
        if not len(timestamp_ns):
            raise ClockError(f"{path} has no rows. Unpack it again, or remove it to use the times of the video.")
        check_rising(path, "timestamp", timestamp_ns)
        check_steps(path, "timestamp", timestamp_ns)
        timestamps = Timestamps(path, np.arange(len(timestamp_ns), dtype=np.int64), timestamp_ns)
    else:
        notes.append(f"No {path.name}: the times of the video are used, which start at 0.")
    start_ns = end_ns = None
    if timestamps is not None:
        start_ns, end_ns = int(timestamps.timestamp_ns[0]), int(timestamps.timestamp_ns[-1])
    elif info.start_s is not None and info.duration_s is not None:
        start_ns, end_ns = floor_ns(info.start_s), floor_ns(info.start_s + info.duration_s - 1 / info.rate_hz)
    return VideoStream(
        name=name,
        parts=(video,),
        width_px=info.width_px,
        height_px=info.height_px,
        codec=info.codec,
        rate_hz=info.rate_hz,
        has_times=info.has_times,
        timestamps=timestamps,
        start_ns=start_ns,
        end_ns=end_ns,
        cadence=info.cadence if timestamps is None else measure_cadence(timestamps.timestamp_ns),
    )


def _calibration(folder: Path, clip: str, feature: str, columns: tuple[str, ...]) -> tuple[Path, list[dict[str, Any]]]:
    """The rows of a clip in the tables of a feature, and the table; no rows where there is none."""
    tables = sorted((folder / "calibration" / feature).glob("*.parquet"))
    tables += [
        *sorted((folder / "calibration").glob(f"{feature}*.parquet")),
        *sorted(folder.glob(f"{feature}*.parquet")),
    ]
    chunk = _chunk(folder, clip) if len(tables) > 1 else None
    if chunk is not None:
        tables = [table for table in tables if table.stem.endswith(f"chunk_{chunk:04d}")] or tables
    for path in tables:
        table = read_parquet(path, "clip_id", *columns, only_these=True, filters=[("clip_id", "=", clip)])
        if table.num_rows:
            rows: list[dict[str, Any]] = table.to_pylist()
            return path, rows
    return folder, []


def _chunk(folder: Path, clip: str) -> int | None:
    path = folder / "clip_index.parquet"
    if not path.is_file():
        return None
    try:
        table = read_parquet(path, "clip_id", "chunk", only_these=True, filters=[("clip_id", "=", clip)])
    except ClipError:  # only an index: without it, all tables are searched
        return None
    return int(table["chunk"][0].as_py()) if table.num_rows else None


def _rig(
    folder: Path, clip: str, videos: Mapping[str, Path], streams: Mapping[str, VideoStream], notes: list[str]
) -> Rig | None:
    """The calibrated rig; None, with a note, where a camera is not calibrated."""
    intrinsics_path, rows = _calibration(folder, clip, "camera_intrinsics", ("camera_name", *_INTRINSICS_COLUMNS))
    intrinsics = {row["camera_name"]: row for row in rows}
    extrinsics_path, rows = _calibration(folder, clip, "sensor_extrinsics", ("sensor_name", *_POSE_COLUMNS))
    extrinsics = {row["sensor_name"]: row for row in rows}
    labels = {name: _camera_of(videos[name]) for name in streams}
    missing = [name for name, label in labels.items() if label not in intrinsics or label not in extrinsics]
    if missing:
        notes.append(f"No calibration (camera_intrinsics and sensor_extrinsics) of {', '.join(missing)}: not used.")
        return None
    cameras = []
    for name, label in labels.items():
        try:
            camera = _camera(name, intrinsics[label], extrinsics[label])
        except (ValueError, TypeError, ZeroDivisionError) as error:
            raise RigError(
                f"{intrinsics_path}, {extrinsics_path}: {label} of clip {clip}: {error}. Unpack them again.",
                camera=name,
            ) from error
        stream = streams[name]
        if (camera.width_px, camera.height_px) != (stream.width_px, stream.height_px):
            raise RigError(
                f"{intrinsics_path}: {label} has {camera.width_px}x{camera.height_px} pixels, but {stream.path.name} "
                f"has {stream.width_px}x{stream.height_px}. Use the video that the calibration belongs to.",
                camera=name,
            )
        cameras.append(camera)
    return Rig(name=clip, cameras=tuple(cameras), vehicle=_vehicle(folder, clip))


def _camera(name: str, lens: Mapping[str, Any], pose: Mapping[str, Any]) -> Camera:
    quaternion = np.array([pose[key] for key in ("qw", "qx", "qy", "qz")], np.float64)
    w, x, y, z = (float(value) for value in quaternion / np.linalg.norm(quaternion))
    coefficients = [float(lens[f"fw_poly_{power}"]) for power in range(5)]
    if abs(coefficients[0]) > 0.5:
        raise ValueError(f"`fw_poly_0` is {coefficients[0]:g} pixels, but a ray along the axis meets (cx, cy)")
    return Camera(
        name=name,
        width_px=int(lens["width"]),
        height_px=int(lens["height"]),
        intrinsics=FTheta(
            cx_px=float(lens["cx"]), cy_px=float(lens["cy"]), angle_to_radius_px=(0.0, *coefficients[1:])
        ),
        ego_from_camera=Pose(
            translation_m=(float(pose["x"]), float(pose["y"]), float(pose["z"])), rotation_wxyz=(w, x, y, z)
        ),
    )


def _vehicle(folder: Path, clip: str) -> VehicleSpec | None:
    columns = ("length", "width", "height", "wheelbase", "rear_axle_to_bbox_center")
    path, rows = _calibration(folder, clip, "vehicle_dimensions", columns)
    if not rows:
        return None
    length_m, width_m, height_m, wheelbase_m, to_centre_m = (float(rows[0][name]) for name in columns)
    try:
        return VehicleSpec(
            length_m=length_m,
            width_m=width_m,
            height_m=height_m,
            wheelbase_m=wheelbase_m,
            rear_overhang_m=length_m / 2 - to_centre_m,
        )
    except ValueError as error:
        raise RigError(f"{path}: clip {clip}: {error}. Unpack it again, or remove it.") from error


def _ego(folder: Path, clip: str, notes: list[str]) -> EgoTrack | None:
    """Poses of the rig, in a frame that starts at the clip's start; z up."""
    path = _find(folder, "labels/egomotion", f"{clip}.egomotion.parquet") or _find(
        folder, "labels/egomotion.offline", f"{clip}.egomotion.offline.parquet"
    )
    if path is None:
        return None
    table = read_parquet(path, "timestamp", *_POSE_COLUMNS)
    timestamp_ns = _times_ns(path, table)
    if not len(timestamp_ns):
        raise ClipError(f"{path} has no rows. Unpack it again, or remove it.", field="timestamp")
    check_rising(path, "timestamp", timestamp_ns)
    pose = {name: _numbers(path, table, name) for name in _POSE_COLUMNS}
    yaw_rad = yaw_rad_of(pose["qw"], pose["qx"], pose["qy"], pose["qz"])
    is_known = is_possible_pose(pose["x"], pose["y"], yaw_rad)
    count_wrong_rows(~is_known, str(path), notes)
    timestamp_ns, yaw_rad = timestamp_ns[is_known], yaw_rad[is_known]
    pose = {name: column[is_known] for name, column in pose.items()}
    if {"vx", "vy"} <= set(table.column_names):
        vx_mps, vy_mps = (_numbers(path, table, name)[is_known] for name in ("vx", "vy"))
        derived = "The yaw rate is"
    else:
        vx_mps, vy_mps = (backward_rate(timestamp_ns, pose[axis], _RATE_OVER_NS) for axis in "xy")
        derived = "Speed and yaw rate are"
    notes.append(f"{derived} derived from the poses of {path.name}.")
    return EgoTrack(
        timestamp_ns=timestamp_ns,
        speed_mps=vx_mps * np.cos(yaw_rad) + vy_mps * np.sin(yaw_rad),
        yaw_rate_rps=backward_rate(timestamp_ns, unwrapped(yaw_rad), _RATE_OVER_NS),
        x_m=pose["x"],
        y_m=pose["y"],
        yaw_rad=yaw_rad,
    )


def _times_ns(path: Path, table: Any) -> np.ndarray:
    timestamp_us = integer_column(path, table, "timestamp")
    wrong = np.flatnonzero(np.abs(timestamp_us / _MAX_TIME_US) > 1)
    if len(wrong):
        raise ClockError(f"{path} row {wrong[0]}: {timestamp_us[wrong[0]]} us is no time. Unpack it again.")
    return timestamp_us * _MICROSECOND_NS


def _numbers(path: Path, table: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(table[name].to_numpy(), np.float64)
    except (TypeError, ValueError) as error:
        raise ClipError(
            f"{path}: `{name}` is {table[name].type}, not a number. Unpack it again.", field=name
        ) from error
