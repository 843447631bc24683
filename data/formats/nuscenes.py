"""nuScenes: scenes of 20 s with six cameras at 12 Hz in JPEG files, calibration and ego poses in JSON tables.

Layout, as in the schema of the official nuScenes development kit: `ROOT/samples/<channel>/*.jpg` (key frames, 2 Hz),
`ROOT/sweeps/<channel>/*.jpg` (the pictures between) and `ROOT/v1.0-<split>/*.json` with the tables scene, sample,
sample_data, sensor, calibrated_sensor and ego_pose. Times are Unix microseconds. The ego frame has its origin on the
ground under the middle of the rear axle, as `data/rig.py` has it; pictures are undistorted.

A scene is named by a fragment behind the folder of the tables, such as `ROOT/v1.0-mini#scene-0061`; where the root has
tables of one split only, `ROOT#scene-0061` is understood too.

Labels of the dataset, not read: 3D boxes at 2 Hz (`sample_annotation.json`), maps. Without its CAN bus expansion it has
no route commands.
"""

import mmap
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fsd.data.camera_names import canonical_name
from fsd.data.clip import Clip
from fsd.data.ego import EgoTrack, yaw_rad_of
from fsd.data.errors import ClipError, RigError
from fsd.data.formats.fragment import split_fragment, with_fragment
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.pose_track import ego_track_of_poses
from fsd.data.formats.recording_format import Match, refusing_wrong_values
from fsd.data.image_stream import ImageStream, image_stream
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Camera, Pinhole, Pose, Rig
from fsd.data.text_files import read_json
from fsd.data.wall_clock import WallClock

_END_BYTES = 4096
"""A table ends within its last bytes, whatever blanks follow."""

_TABLES = ("scene.json", "sample.json", "sample_data.json", "sensor.json", "calibrated_sensor.json", "ego_pose.json")


class NuScenes:
    """A scene, or a nuScenes root, whose scenes are then the recordings."""

    name = "nuscenes"
    description = "nuScenes: each scene is a recording of six cameras with calibration and ego poses"

    def detect(self, path: Path) -> Match | None:
        path, scene = split_fragment(path)
        tables = _table_folders(path)
        if not tables:
            return None
        if scene is not None:
            return Match(f"{scene} of nuScenes", (with_fragment(path, scene),))
        found: list[Path] = []
        for folder in tables:
            try:
                found += [with_fragment(folder, str(row["name"])) for row in _all_rows(folder / "scene.json")]
            except (ClipError, KeyError):
                return Match(f"nuScenes tables in {folder.name}, whose scene.json cannot be read", ())
        return Match(f"{len(found)} nuScenes scenes in {', '.join(each.name for each in tables)}", tuple(found))

    @refusing_wrong_values
    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open a scene.

        Raises:
            ClipError: a table cannot be read, or the scene has no pictures here.
            RigError: the calibration does not match the pictures.
        """
        folder, scene = split_fragment(path)
        tables = _table_folders(folder)
        if scene is None:
            for each in tables:
                _all_rows(each / "scene.json")
            raise ClipError(f"{path} has no scene that can be opened. Download the metadata again.")
        if len(tables) != 1:
            names = ", ".join(str(with_fragment(each, scene)) for each in tables)
            raise ClipError(f"{folder} has tables of several splits. Give one of {names}.")
        notes: list[str] = []
        rows = _CameraRows(tables[0], scene)
        streams = rows.streams(notes)
        rig = rows.rig(streams)
        ego = rows.ego(notes)
        if ego is None:
            notes.append("No poses of this scene in ego_pose.json: ego motion is unknown.")
        else:
            notes.append("Speed and yaw rate are differences of poses over the 0.1 s before.")
        return make_clip(path, self.name, streams, notes, rig, name=scene, ego=ego, wall_clock=WallClock(0))


def _table_folders(path: Path) -> list[Path]:
    """The folders of tables that a path stands for: itself, or those of the root; empty where it is no nuScenes."""
    if not path.is_dir():
        return []
    if path.name in ("samples", "sweeps"):
        path = path.parent
    if _has_tables(path):
        return [path]
    return sorted(folder for folder in path.glob("v1.0-*") if _has_tables(folder))


def _has_tables(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _TABLES)


class _CameraRows:
    """What the tables say about the cameras of one scene.

    Args:
        tables: folder of the tables; scene: name of the scene.

    Raises:
        ClipError: there is no such scene, or a table cannot be read.
    """

    def __init__(self, tables: Path, scene: str) -> None:
        self._tables, self._root, self._scene = tables, tables.parent, scene
        token = next((row["token"] for row in _all_rows(tables / "scene.json") if row["name"] == scene), None)
        if token is None:
            names = ", ".join(str(row["name"]) for row in _all_rows(tables / "scene.json")[:6])
            raise ClipError(f"{tables / 'scene.json'} has no scene {scene!r}; it begins with {names}. Check the name.")
        channels = {row["token"]: row["channel"] for row in _all_rows(tables / "sensor.json")}
        samples = {row["token"] for row in _rows_with(tables / "sample.json", "scene_token", {token})}
        data = list(_rows_with(tables / "sample_data.json", "sample_token", samples))
        sensors = {row["calibrated_sensor_token"] for row in data}
        self._sensors = {row["token"]: row for row in _rows_with(tables / "calibrated_sensor.json", "token", sensors)}
        self._rows: dict[str, list[dict[str, Any]]] = {}
        for row in sorted(data, key=lambda row: row["timestamp"]):
            sensor = self._sensors.get(row["calibrated_sensor_token"])
            name = canonical_name(channels.get(sensor["sensor_token"], "")) if sensor else None
            if name is not None:
                self._rows.setdefault(name, []).append(row)

    def streams(self, notes: list[str]) -> dict[str, ImageStream]:
        """The cameras of which pictures are here."""
        streams = {}
        for name, rows in self._rows.items():
            here = [row for row in rows if (self._root / row["filename"]).is_file()]
            if not here:
                notes.append(f"{name}: none of {len(rows)} pictures of {self._scene} is here.")
                continue
            if len(here) < len(rows):
                keys = all(row["is_key_frame"] for row in here)
                kind = "only key frames (2 Hz) are here, without `sweeps`" if keys else "the others are missing"
                notes.append(f"{name}: {len(here)} of {len(rows)} pictures; {kind}.")
            times_ns = np.array([int(row["timestamp"]) * 1000 for row in here], np.int64)
            streams[name] = image_stream(name, [self._root / row["filename"] for row in here], times_ns)
        if not streams:
            raise ClipError(
                f"{self._root} holds no camera pictures of {self._scene}. Download the part of `samples` and `sweeps` "
                "that holds them, or give another scene."
            )
        return streams

    def rig(self, streams: dict[str, ImageStream]) -> Rig:
        cameras = []
        for name, stream in streams.items():
            row = self._rows[name][0]
            if (row["width"], row["height"]) != (stream.width_px, stream.height_px):
                raise RigError(
                    f"{self._tables / 'sample_data.json'}: {name} is {row['width']}x{row['height']} pixels, but "
                    f"{stream.path} has {stream.width_px}x{stream.height_px}. Use the original images.",
                    camera=name,
                )
            sensor = self._sensors[row["calibrated_sensor_token"]]
            matrix = sensor["camera_intrinsic"]
            quaternion = np.array(sensor["rotation"], np.float64)
            qw, qx, qy, qz = (quaternion / np.linalg.norm(quaternion)).tolist()
            tx, ty, tz = (float(value) for value in sensor["translation"])
            camera = Camera(
                name=name,
                width_px=stream.width_px,
                height_px=stream.height_px,
                intrinsics=Pinhole(
                    fx_px=float(matrix[0][0]),
                    fy_px=float(matrix[1][1]),
                    cx_px=float(matrix[0][2]),
                    cy_px=float(matrix[1][2]),
                ),
                ego_from_camera=Pose(translation_m=(tx, ty, tz), rotation_wxyz=(qw, qx, qy, qz)),
            )
            cameras.append(camera)
        return Rig(name=NuScenes.name, cameras=tuple(cameras))

    def ego(self, notes: list[str]) -> EgoTrack | None:
        """The poses at the times of the pictures."""
        tokens = {row["ego_pose_token"] for rows in self._rows.values() for row in rows}
        poses = list(_rows_with(self._tables / "ego_pose.json", "token", tokens))
        if not poses:
            return None
        positions = np.array([row["translation"] for row in poses], np.float64)
        return ego_track_of_poses(
            np.array([int(row["timestamp"]) * 1000 for row in poses], np.int64),
            positions[:, 0],
            positions[:, 1],
            yaw_rad_of(*np.array([row["rotation"] for row in poses], np.float64).T),
            str(self._tables / "ego_pose.json"),
            notes,
        )


def _all_rows(path: Path) -> list[dict[str, Any]]:
    """A small table."""
    try:
        return msgspec.convert(read_json(path), list[dict[str, Any]])
    except msgspec.ValidationError as error:
        raise ClipError(f"{path} cannot be read as a nuScenes table ({error}). Download the metadata again.") from error


def _rows_with(path: Path, key: str, values: Collection[str]) -> Iterator[dict[str, Any]]:
    """The rows of a large table whose `key` is one of `values`; the others are not parsed, nor kept in memory.

    The full tables have gigabytes. Their rows are flat objects: no braces within a row.
    """
    wanted = {value.encode() for value in values}
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if not text[-_END_BYTES:].rstrip().endswith(b"]"):  # rows may be missing
                raise ClipError(f"{path} is cut off: its last row has no end. Download the metadata again.")
            for match in re.finditer(rb'"%b"\s*:\s*"([^"]*)"' % key.encode(), text):
                if match[1] in wanted:
                    begin, end = text.rfind(b"{", 0, match.start()), text.find(b"}", match.end())
                    yield msgspec.json.decode(text[begin : end + 1], type=dict[str, Any])
    except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise ClipError(f"{path} cannot be read as a nuScenes table ({error}). Download the metadata again.") from error
