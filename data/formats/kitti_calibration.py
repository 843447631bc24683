"""The camera of a KITTI raw drive in the ego frame, from the calibration files of its date.

Layout: the readme of KITTI's raw data development kit. `calib_cam_to_cam.txt` (S, K, D, R, T before and S_rect,
R_rect, P_rect after rectification), `calib_velo_to_cam.txt` (R, T: laser scanner -> unrectified camera 00) and
`calib_imu_to_velo.txt` (R, T: GPS/IMU unit -> laser scanner), matrices row by row. That readme gives the axes of the
unit as x forward, y right, z down; the published matrices are for x forward, y left, z up, and so they are read here.

Heights above the road are those of the sensor setup published with the data: laser scanner 1.73 m, GPS/IMU unit 0.93 m.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fsd.data.errors import RigError
from fsd.data.rig import Camera, Pinhole, Pose
from fsd.data.text_files import read_text

IMU_HEIGHT_M = 0.93
"""Height of the GPS/IMU unit above the road."""

_FILES = ("calib_cam_to_cam.txt", "calib_velo_to_cam.txt", "calib_imu_to_velo.txt")


@dataclass(frozen=True)
class KittiCalibration:
    """The calibration of one date.

    Attributes:
        folder: where it lies.
        cameras: entries of `calib_cam_to_cam.txt`, such as `P_rect_02` -> (12,) float64.
        cam0_from_velo, velo_from_imu: (4, 4) float64.
    """

    folder: Path
    cameras: dict[str, np.ndarray]
    cam0_from_velo: np.ndarray
    velo_from_imu: np.ndarray

    @property
    def ego_from_imu(self) -> np.ndarray:
        """(4, 4). The axes are those of the unit. The rear axle is taken to be under the unit, and the middle of the
        vehicle under the laser scanner; the unit is mounted 0.3 m left of it."""
        imu_from_velo = np.linalg.inv(self.velo_from_imu)
        pose = np.eye(4)
        pose[1, 3], pose[2, 3] = -imu_from_velo[1, 3], IMU_HEIGHT_M
        return pose

    def camera(self, name: str, number: int, width_px: int, height_px: int) -> Camera:
        """Camera `image_<number>` as `name`; the picture's size says whether it is rectified.

        Raises:
            RigError: the calibration has no such camera, or is for pictures of other sizes.
        """
        rectified, raw = (tuple(self._values(f"{key}_{number:02d}", 2).astype(int)) for key in ("S_rect", "S"))
        if (width_px, height_px) == rectified:
            projection = self._values(f"P_rect_{number:02d}", 12).reshape(3, 4)
            matrix, distortion = projection[:, :3], ()
            rectify = np.eye(4)
            rectify[:3, :3] = self._values("R_rect_00", 9).reshape(3, 3)
            shift = np.eye(4)
            shift[:3, 3] = np.linalg.solve(matrix, projection[:, 3])
            camera_from_cam0 = shift @ rectify
        elif (width_px, height_px) == raw:
            matrix = self._values(f"K_{number:02d}", 9).reshape(3, 3)
            distortion = tuple(self._values(f"D_{number:02d}", 5).tolist())
            camera_from_cam0 = rigid(self._values(f"R_{number:02d}", 9), self._values(f"T_{number:02d}", 3))
        else:
            raise RigError(
                f"{self.folder / _FILES[0]} is for pictures of {rectified[0]}x{rectified[1]} pixels, or "
                f"{raw[0]}x{raw[1]} before rectification, but image_{number:02d} has "
                f"{width_px}x{height_px}. Use the original images.",
                camera=name,
            )
        camera_from_imu = camera_from_cam0 @ self.cam0_from_velo @ self.velo_from_imu
        return Camera(
            name=name,
            width_px=width_px,
            height_px=height_px,
            intrinsics=Pinhole(
                fx_px=float(matrix[0, 0]),
                fy_px=float(matrix[1, 1]),
                cx_px=float(matrix[0, 2]),
                cy_px=float(matrix[1, 2]),
                distortion=distortion,
            ),
            ego_from_camera=Pose.from_matrix(self.ego_from_imu @ np.linalg.inv(camera_from_imu)),
        )

    def _values(self, key: str, count: int) -> np.ndarray:
        values = self.cameras.get(key)
        if values is None or len(values) != count:
            raise RigError(f"{self.folder / _FILES[0]} has no {key} of {count} numbers. Download it again.", field=key)
        return values


def find_calibration(drive: Path) -> KittiCalibration | None:
    """The calibration in a drive's folder or up to two folders above; None where the files are not all there.

    Raises:
        RigError: a file cannot be read.
    """
    drive = drive.resolve()
    for folder in (drive, *list(drive.parents)[:2]):
        if all((folder / name).is_file() for name in _FILES):
            cameras, velo, imu = (_read(folder / name) for name in _FILES)
            for name, entries in zip(_FILES[1:], (velo, imu), strict=True):
                if len(entries.get("R", ())) != 9 or len(entries.get("T", ())) != 3:
                    raise RigError(f"{folder / name} has no R of 9 and T of 3 numbers. Download it again.")
            return KittiCalibration(folder, cameras, rigid(velo["R"], velo["T"]), rigid(imu["R"], imu["T"]))
    return None


def rigid(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """(4, 4) float64 transform of a rotation of 9 numbers, row by row, and a translation of 3."""
    transform = np.eye(4)
    transform[:3, :3], transform[:3, 3] = np.reshape(rotation, (3, 3)), np.reshape(translation, 3)
    return transform


def _read(path: Path) -> dict[str, np.ndarray]:
    """`KEY: numbers` per line; lines of text, such as `calib_time`, are left out."""
    entries = {}
    for line in read_text(path, RigError).splitlines():
        key, separator, text = line.partition(":")
        try:
            values = np.array([float(word) for word in text.split()])
        except ValueError:
            continue
        if separator and len(values) and np.isfinite(values).all():
            entries[key.strip()] = values
    return entries
