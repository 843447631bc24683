"""Argoverse 2 sensor logs: seven ring cameras at 20 Hz in JPEG files, calibration and poses in Feather files.

Layout, as documented by the Argoverse 2 user guide (sensor dataset) and read by its official `av2` package:
`LOG/sensors/cameras/<camera>/<timestamp_ns>.jpg`, `LOG/calibration/intrinsics.feather` (sensor_name, fx_px, fy_px,
cx_px, cy_px, k1, k2, k3, height_px, width_px; the pictures are undistorted, so k1 k2 k3 are not applied),
`LOG/calibration/egovehicle_SE3_sensor.feather` (sensor_name, qw, qx, qy, qz, tx_m, ty_m, tz_m) and
`LOG/city_SE3_egovehicle.feather` (timestamp_ns and the same pose columns).

Labels of the dataset, not read: 3D boxes at 10 Hz (`annotations.feather`), HD map. It has no route commands.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.camera_names import canonical_name
from fsd.data.clip import Clip
from fsd.data.clock import MAX_TIME_NS, check_times
from fsd.data.ego import EgoTrack, yaw_rad_of
from fsd.data.errors import ClipError, ClockError, RigError
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.pose_track import ego_track_of_poses
from fsd.data.formats.recording_format import Match, refusing_wrong_values
from fsd.data.image_stream import ImageStream, image_stream, images_in
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Camera, Pinhole, Pose, Rig

AXLE_HEIGHT_M = 0.33
"""Assumed height of the rear axle, the origin of Argoverse's ego frame, above the ground: the radius of the wheels."""

_POSE_COLUMNS = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
_LENS_COLUMNS = ("fx_px", "fy_px", "cx_px", "cy_px", "width_px", "height_px")


class Argoverse2:
    """A log of the sensor dataset, or a folder of logs, such as `train`."""

    name = "argoverse2"
    description = "an Argoverse 2 sensor log: seven ring cameras, calibration, ego poses"

    def detect(self, path: Path) -> Match | None:
        if _is_log(path):
            return Match("an Argoverse 2 log (sensors/cameras/ring_*)", (path,))
        if not path.is_dir():
            return None
        logs = tuple(sorted(each for each in path.iterdir() if _is_log(each)))
        return Match(f"{len(logs)} Argoverse 2 logs", logs) if logs else None

    @refusing_wrong_values
    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open a log.

        Raises:
            ClipError: a table or all pictures of a camera cannot be read.
            RigError: the calibration lacks a camera, or does not match its pictures.
        """
        notes: list[str] = []
        labels = _labels(path, notes)
        streams = {name: _stream(name, path / "sensors" / "cameras" / label) for name, label in labels.items()}
        return make_clip(path, self.name, streams, notes, _rig(path, labels, streams, notes), ego=_ego(path, notes))


def _is_log(path: Path) -> bool:
    try:
        return any((path / "sensors" / "cameras").glob("ring_*"))
    except OSError:
        return False


def _labels(path: Path, notes: list[str]) -> dict[str, str]:
    """Canonical camera -> its name in the log."""
    labels: dict[str, str] = {}
    others = []
    for folder in sorted((path / "sensors" / "cameras").iterdir()):
        name = canonical_name(folder.name) if folder.name.startswith("ring_") else None
        if name is not None and images_in(folder):
            labels[name] = folder.name
        elif folder.is_dir():
            others.append(folder.name)
    if not labels:
        raise ClipError(f"{path}/sensors/cameras holds no images of the ring cameras. Download them.")
    if others:
        notes.append(f"{', '.join(others)}: no place among the eight cameras (or no images); left out.")
    return labels


def _stream(name: str, folder: Path) -> ImageStream:
    images = [each for each in images_in(folder) if each.stem.isdecimal() and int(each.stem) <= MAX_TIME_NS]
    if not images:
        raise ClipError(f"{folder} holds no image that is named by its time in ns. Download it again.", camera=name)
    return image_stream(name, images, np.array([int(image.stem) for image in images], np.int64))


def _rig(path: Path, labels: Mapping[str, str], streams: Mapping[str, ImageStream], notes: list[str]) -> Rig | None:
    folder = path / "calibration"
    if not folder.is_dir():
        notes.append("No folder `calibration`.")
        return None
    lenses = _rows_by_sensor(folder / "intrinsics.feather", _LENS_COLUMNS)
    poses = _rows_by_sensor(folder / "egovehicle_SE3_sensor.feather", _POSE_COLUMNS)
    cameras = []
    for name, label in labels.items():
        if label not in lenses or label not in poses:
            raise RigError(f"{folder} does not describe {label}. Download the calibration again.", camera=name)
        fx_px, fy_px, cx_px, cy_px, width_px, height_px = lenses[label]
        stream = streams[name]
        if (int(width_px), int(height_px)) != (stream.width_px, stream.height_px):
            raise RigError(
                f"{folder}: {label} is calibrated for {width_px:g}x{height_px:g} pixels, but {stream.path} has "
                f"{stream.width_px}x{stream.height_px}. Use the original images.",
                camera=name,
            )
        quaternion, translation_m = np.array(poses[label][:4]), poses[label][4:]
        qw, qx, qy, qz = (quaternion / np.linalg.norm(quaternion)).tolist()
        camera = Camera(
            name=name,
            width_px=stream.width_px,
            height_px=stream.height_px,
            intrinsics=Pinhole(fx_px=fx_px, fy_px=fy_px, cx_px=cx_px, cy_px=cy_px),
            ego_from_camera=Pose(
                translation_m=(translation_m[0], translation_m[1], translation_m[2] + AXLE_HEIGHT_M),
                rotation_wxyz=(qw, qx, qy, qz),
            ),
        )
        cameras.append(camera)
    notes.append(
        f"Poses are relative to the rear axle, which is assumed to lie {AXLE_HEIGHT_M:g} m above the ground under it."
    )
    return Rig(name=Argoverse2.name, cameras=tuple(cameras))


def _ego(path: Path, notes: list[str]) -> EgoTrack | None:
    table_path = path / "city_SE3_egovehicle.feather"
    if not table_path.exists():
        notes.append(f"No {table_path.name}: ego motion is unknown.")
        return None
    columns = _columns(table_path, ("timestamp_ns", *_POSE_COLUMNS))
    if not np.issubdtype(columns["timestamp_ns"].dtype, np.integer):
        raise ClockError(f"{table_path}: `timestamp_ns` must be whole numbers without gaps. Download it again.")
    timestamp_ns = columns["timestamp_ns"].astype(np.int64)
    check_times(table_path, "timestamp_ns", timestamp_ns)
    if len(timestamp_ns) == 0:
        notes.append(f"{table_path.name} has no rows: ego motion is unknown.")
        return None
    yaw_rad = yaw_rad_of(*(columns[name] for name in _POSE_COLUMNS[:4]))
    notes.append("Speed and yaw rate are differences of poses over the 0.1 s before.")
    return ego_track_of_poses(timestamp_ns, columns["tx_m"], columns["ty_m"], yaw_rad, str(table_path), notes)


def _rows_by_sensor(path: Path, names: tuple[str, ...]) -> dict[str, list[float]]:
    columns = _columns(path, ("sensor_name", *names))
    rows = zip(*(columns[name].tolist() for name in names), strict=True)
    return dict(zip((str(name) for name in columns["sensor_name"]), (list(row) for row in rows), strict=True))


def _columns(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.feather as feather

    try:
        table = feather.read_table(path, columns=list(names), memory_map=False)
        return {name: table[name].to_numpy() for name in names}
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise ClipError(
            f"{path} cannot be read as a Feather file with the columns {', '.join(names)} ({error}). Download it again."
        ) from error
