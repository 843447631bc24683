"""KITTI raw drives: one front camera at 10 Hz in PNG files, calibration, and motion from a GPS/IMU unit.

Layout, as in the readme of KITTI's raw data development kit: `<date>/<date>_drive_<number>_sync/` with
`image_00` … `image_03` (left and right grayscale, left and right colour: `data/<number>.png` and `timestamps.txt`,
where line k, counted from 0, is the time of picture k), `oxts/data/<number>.txt` (30 numbers) with
`oxts/timestamps.txt`, and the calibration in `<date>/`. Times are dates without a zone.
Drives that end in `_extract` are not rectified.

Labels of the dataset, not read: 3D tracklets of some drives (`tracklet_labels.xml`). It has no route commands.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.data.ego import EgoTrack
from fsd.data.errors import ClipError, ClockError
from fsd.data.formats.kitti_calibration import KittiCalibration, find_calibration
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.recording_format import Match, refusing_wrong_values
from fsd.data.image_stream import ImageStream, image_stream, images_in
from fsd.data.physical_limits import MAX_SPEED_MPS, MAX_YAW_RATE_RPS
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Rig
from fsd.data.text_files import read_text
from fsd.data.wall_clock import WallClock

CAMERA = "front_main"

_PREFERRED = (2, 0, 3, 1)
_NAMES = {0: "left grayscale", 1: "right grayscale", 2: "left colour", 3: "right colour"}

_USUAL_HFOV_DEG = 81.4
"""Of a rectified picture, 1242 pixels wide, with a focal length of 721.5 pixels."""

_EARTH_RADIUS_M = 6378137.0
_OXTS_FIELDS = {"lat": 0, "lon": 1, "yaw": 5, "vf": 8, "wu": 22}
_OXTS_COUNT = 30
_OXTS_LIMITS = {"lat": 90.0, "lon": 180.0, "yaw": 2 * np.pi, "vf": MAX_SPEED_MPS, "wu": MAX_YAW_RATE_RPS}


class KittiRaw:
    """A drive, or a folder of drives, such as that of a date."""

    name = "kitti_raw"
    description = "a KITTI raw drive: one front camera (left colour), calibration, GPS/IMU motion"

    def detect(self, path: Path) -> Match | None:
        if _is_drive(path):
            return Match("a KITTI raw drive (image_NN/data with timestamps.txt)", (path,))
        if not path.is_dir():
            return None
        drives = tuple(sorted(each for each in path.iterdir() if _is_drive(each)))
        return Match(f"{len(drives)} KITTI raw drives", drives) if drives else None

    @refusing_wrong_values
    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open a drive.

        Raises:
            ClipError: there are no pictures, or none can be decoded.
            ClockError: the times of the pictures cannot be read.
            RigError: the calibration cannot be read or does not match the pictures.
        """
        notes: list[str] = []
        number = next((each for each in _PREFERRED if images_in(path / f"image_{each:02d}" / "data")), None)
        if number is None:
            raise ClipError(f"{path} holds no pictures (image_02/data/*.png). Download the drive again.")
        notes.append(f"image_{number:02d} ({_NAMES[number]}) is {CAMERA}.")
        others = [each for each in sorted(_NAMES) if each != number and (path / f"image_{each:02d}").is_dir()]
        if others:
            named = ", ".join(f"image_{each:02d} ({_NAMES[each]})" for each in others)
            notes.append(f"Not read: {named}; they look the same way.")
        stream = _stream(path / f"image_{number:02d}", notes)
        calibration = find_calibration(path)
        return make_clip(
            path,
            self.name,
            {CAMERA: stream},
            notes,
            _rig(calibration, number, stream, notes),
            {CAMERA: _USUAL_HFOV_DEG},
            ego=_ego(path / "oxts", calibration, notes),
            wall_clock=WallClock(0, is_local=True),
        )


def _is_drive(path: Path) -> bool:
    return any(
        (path / f"image_{number:02d}" / "timestamps.txt").is_file() and (path / f"image_{number:02d}" / "data").is_dir()
        for number in _NAMES
    )


def _stream(folder: Path, notes: list[str]) -> ImageStream:
    times_ns = _times_ns(folder / "timestamps.txt")
    images = []
    image_ns = []
    untimed = 0
    for image in images_in(folder / "data"):
        time_ns = times_ns.get(int(image.stem)) if image.stem.isdecimal() else None
        if time_ns is None:
            untimed += 1
        else:
            images.append(image)
            image_ns.append(time_ns)
    if not images:
        raise ClockError(
            f"{folder / 'timestamps.txt'} has no time for any picture in {folder / 'data'}. Line k must be the time of "
            "picture k, such as 2011-09-26 13:02:25.964389445. Download the drive again.",
            camera=CAMERA,
        )
    if untimed:
        notes.append(f"{untimed} pictures have no line in {folder.name}/timestamps.txt and are not shown.")
    missing = len(range(int(images[0].stem), int(images[-1].stem) + 1)) - len(images)
    if missing:
        notes.append(f"{missing} pictures are missing in {folder.name}.")
    return image_stream(CAMERA, images, np.array(image_ns, np.int64))


def _times_ns(path: Path) -> dict[int, int]:
    """Line number, from 0 -> time in ns, the date taken as if it were UTC; lines that are no times are left out."""
    times_ns = {}
    for number, line in enumerate(read_text(path, ClockError).splitlines()):
        match = re.fullmatch(r"\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\d*\s*", line)
        if match:
            try:
                seconds = int(datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp())
            except ValueError:
                continue
            times_ns[number] = seconds * SECOND_NS + int((match[2] or "").ljust(9, "0"))
    return times_ns


def _rig(calibration: KittiCalibration | None, number: int, stream: ImageStream, notes: list[str]) -> Rig | None:
    if calibration is None:
        notes.append(
            "No calib_cam_to_cam.txt, calib_velo_to_cam.txt and calib_imu_to_velo.txt in the drive or above: "
            f"{_USUAL_HFOV_DEG:g} degrees of view are assumed."
        )
        return None
    notes.append(
        "The ego frame has the axes of the GPS/IMU unit; the rear axle is assumed under the unit, the middle of the "
        "vehicle under the laser scanner, and the road 0.93 m below the unit."
    )
    camera = calibration.camera(CAMERA, number, stream.width_px, stream.height_px)
    return Rig(name=KittiRaw.name, cameras=(camera,))


def _ego(folder: Path, calibration: KittiCalibration | None, notes: list[str]) -> EgoTrack | None:
    """Motion of the ego frame; the world frame has x east, y north, and its origin at the first position."""
    if not (folder / "timestamps.txt").is_file():
        notes.append("No oxts/timestamps.txt: ego motion is unknown.")
        return None
    rows: list[Mapping[str, float]] = []
    times_ns: list[int] = []
    unread = 0
    for number, time_ns in sorted(_times_ns(folder / "timestamps.txt").items()):
        row = _oxts_row(folder / "data" / f"{number:010d}.txt")
        if row is None or (times_ns and time_ns <= times_ns[-1]):
            unread += 1
        else:
            rows.append(row)
            times_ns.append(time_ns)
    if unread:
        notes.append(f"{unread} rows of oxts are missing, damaged or out of order, and not used.")
    if not rows:
        notes.append("No rows in oxts: ego motion is unknown.")
        return None
    columns = {name: np.array([row[name] for row in rows]) for name in _OXTS_FIELDS}
    scale_m = _EARTH_RADIUS_M * np.cos(np.radians(columns["lat"][0]))  # Mercator, true to scale at the first position
    east_m = scale_m * np.radians(columns["lon"] - columns["lon"][0])
    mercator = np.log(np.tan(np.pi / 4 + np.radians(columns["lat"]) / 2))
    north_m = scale_m * (mercator - mercator[0])
    yaw_rad = columns["yaw"]
    left_m = 0.0 if calibration is None else float(calibration.ego_from_imu[1, 3])
    return EgoTrack(
        timestamp_ns=np.array(times_ns, np.int64),
        speed_mps=columns["vf"] + columns["wu"] * left_m,  # in the middle of the axle, `left_m` right of the unit
        yaw_rate_rps=columns["wu"],
        x_m=east_m + left_m * np.sin(yaw_rad),
        y_m=north_m - left_m * np.cos(yaw_rad),
        yaw_rad=yaw_rad,
    )


def _oxts_row(path: Path) -> dict[str, float] | None:
    try:
        values = [float(word) for word in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError):  # also text that is not UTF-8
        return None
    row = {name: values[place] for name, place in _OXTS_FIELDS.items()} if len(values) == _OXTS_COUNT else None
    return row if row and all(abs(value) <= _OXTS_LIMITS[name] for name, value in row.items()) else None
