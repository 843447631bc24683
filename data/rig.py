"""The rig: the cameras of a vehicle, their lenses and poses. `rig.json` in a clip folder.

Describes and checks; the geometry of the lenses is in `camera_model.py`. Ego frame: ISO 8855 (x forward, y left, z up,
origin on the ground under the rear axle). Camera frame: OpenCV optical (x right, y down, z forward). Metres, radians,
pixels; whole pixel coordinates are pixel centres, so a picture spans -0.5 … width - 0.5.
"""

import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fsd.data.camera_names import canonical_name, known_names, meant_camera
from fsd.data.errors import RigError
from fsd.data.files import write_bytes
from fsd.data.frame import CAMERAS, RATE_HZ
from fsd.data.rig_errors import rig_error
from fsd.data.text_files import read_json

_RATE = re.compile(r"\d{1,9}(/\d{1,9}|\.\d{1,9})?")
"""No exponents: that of `1e999999999` alone would take minutes."""

MAX_TRANSLATION_M = 20.0
"""No camera of a road vehicle is further from the rear axle; larger numbers are millimetres or a world pose."""


def _finite(**values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"`{name}` must be a finite number, got {value}")


def _positive_focal(**values: float) -> None:
    _finite(**values)
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"`{name}` must be a positive focal length in pixels, got {value:g}")
        if value < 4:
            raise ValueError(
                f"`{name}` is {value:g}, which is no focal length in pixels; "
                "multiply a normalised one by the width of the picture"
            )


class Pose(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`ego_from_camera`: position and rotation of a camera in the ego frame.

    `translation_m` x, y, z in metres; `rotation_wxyz` the unit quaternion qw, qx, qy, qz.
    """

    translation_m: tuple[float, float, float]
    rotation_wxyz: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        _finite(**dict(zip(("translation_m x", "y", "z"), self.translation_m, strict=True)))
        _finite(**dict(zip(("rotation_wxyz qw", "qx", "qy", "qz"), self.rotation_wxyz, strict=True)))
        distance_m = math.hypot(*self.translation_m)
        if distance_m > MAX_TRANSLATION_M:
            raise ValueError(
                f"`translation_m` {list(self.translation_m)} lies {distance_m:g} m from the rear axle "
                f"(at most {MAX_TRANSLATION_M:g} m); are these millimetres, or a pose in the world? Write metres"
            )
        norm = math.hypot(*self.rotation_wxyz)
        if abs(norm - 1.0) > 1e-3:
            raise ValueError(
                f"`rotation_wxyz` {list(self.rotation_wxyz)} has length {norm:.6g} and must have length 1; "
                "normalise it, in the order qw, qx, qy, qz"
            )

    def matrix(self) -> np.ndarray:
        """(4, 4) float64 `ego_from_camera`: a point in the camera frame, in metres, to the ego frame."""
        w, x, y, z = np.asarray(self.rotation_wxyz, np.float64) / math.hypot(*self.rotation_wxyz)
        pose = np.eye(4)
        pose[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        pose[:3, 3] = self.translation_m
        return pose

    @classmethod
    def from_matrix(cls, matrix: np.ndarray) -> "Pose":
        """The pose of a (4, 4) transform, whose rotation may be off by rounding; qw is not negative."""
        xx, xy, xz, yx, yy, yz, zx, zy, zz = matrix[:3, :3].ravel().tolist()
        symmetric = np.array(
            [
                [xx + yy + zz, zy - yz, xz - zx, yx - xy],
                [zy - yz, xx - yy - zz, yx + xy, xz + zx],
                [xz - zx, yx + xy, yy - xx - zz, zy + yz],
                [yx - xy, xz + zx, zy + yz, zz - xx - yy],
            ]
        )
        # The eigenvector of the largest eigenvalue (Bar-Itzhack, 2000); stable for every rotation.
        vector = np.linalg.eigh(symmetric)[1][:, -1]
        w, x, y, z = (vector if vector[0] >= 0 else -vector).tolist()
        tx, ty, tz = matrix[:3, 3].tolist()
        return cls(translation_m=(tx, ty, tz), rotation_wxyz=(w, x, y, z))

    @classmethod
    def looking(cls, translation_m: tuple[float, float, float], yaw_deg: float, pitch_deg: float) -> "Pose":
        """The pose of a camera without roll, looking along `yaw_deg` (left positive) and `pitch_deg` (up positive)."""
        half_yaw, half_pitch = math.radians(yaw_deg) / 2, -math.radians(pitch_deg) / 2
        yaw = (math.cos(half_yaw), 0.0, 0.0, math.sin(half_yaw))
        pitch = (math.cos(half_pitch), 0.0, math.sin(half_pitch), 0.0)  # about y, which points left: down positive
        optical = (0.5, -0.5, 0.5, -0.5)  # optical x right, y down, z forward -> x forward, y left, z up
        return cls(
            translation_m=translation_m, rotation_wxyz=_quaternion_product(_quaternion_product(yaw, pitch), optical)
        )


def _quaternion_product(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float, float, float]:
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )


class Pinhole(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="pinhole", tag_field="model"):
    """A pinhole lens with OpenCV's distortion: k1 k2 p1 p2, k1 k2 p1 p2 k3, or k1 k2 p1 p2 k3 k4 k5 k6; or none."""

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _positive_focal(fx_px=self.fx_px, fy_px=self.fy_px)
        _finite(cx_px=self.cx_px, cy_px=self.cy_px)
        _finite(**{f"distortion[{i}]": value for i, value in enumerate(self.distortion)})
        if len(self.distortion) not in (0, 4, 5, 8):
            raise ValueError(
                f"`distortion` must have 0, 4, 5 or 8 numbers (k1 k2 p1 p2 [k3 [k4 k5 k6]]), got {len(self.distortion)}"
            )


class Fisheye(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="fisheye", tag_field="model"):
    """A Kannala-Brandt lens, as `cv2.fisheye`: angle a -> a (1 + k1 a² + k2 a⁴ + k3 a⁶ + k4 a⁸)."""

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        _positive_focal(fx_px=self.fx_px, fy_px=self.fy_px)
        _finite(cx_px=self.cx_px, cy_px=self.cy_px)
        _finite(**{f"distortion[{i}]": value for i, value in enumerate(self.distortion)})


class FTheta(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="ftheta", tag_field="model"):
    """An f-theta lens: angle from the axis in radians -> distance from (cx, cy) in pixels, by a polynomial.

    `angle_to_radius_px` are the coefficients c0 c1 c2 … of 1, a, a², …; c0 is 0 and c1 is the focal length.
    """

    cx_px: float
    cy_px: float
    angle_to_radius_px: tuple[float, ...]

    def __post_init__(self) -> None:
        _finite(cx_px=self.cx_px, cy_px=self.cy_px)
        _finite(**{f"angle_to_radius_px[{i}]": value for i, value in enumerate(self.angle_to_radius_px)})
        if len(self.angle_to_radius_px) < 2 or self.angle_to_radius_px[0] != 0:
            raise ValueError(
                "`angle_to_radius_px` must be 0 followed by at least one coefficient, "
                f"got {list(self.angle_to_radius_px)}; the order is c0 c1 c2 …, lowest power first"
            )
        _positive_focal(**{"angle_to_radius_px[1]": self.angle_to_radius_px[1]})


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera: `name` is canonical, the picture's size in pixels, the lens, and its pose in the ego frame."""

    name: str
    width_px: int
    height_px: int
    intrinsics: Pinhole | Fisheye | FTheta
    ego_from_camera: Pose

    def __post_init__(self) -> None:
        if self.name not in CAMERAS:
            raise ValueError(
                f"`name` {self.name!r} is not a known camera. {meant_camera(self.name)}The cameras are {known_names()}"
            )
        for field, value in (("width_px", self.width_px), ("height_px", self.height_px)):
            if not 16 <= value <= 16384:
                raise ValueError(f"`{field}` must be 16 … 16384 pixels, got {value}")
        for field, centre_px, size in (
            ("cx_px", self.intrinsics.cx_px, self.width_px),
            ("cy_px", self.intrinsics.cy_px, self.height_px),
        ):
            if not -size <= centre_px <= 2 * size or 0 < centre_px < 1:
                raise ValueError(
                    f"`intrinsics.{field}` is {centre_px:g}, far from the middle of {size} pixels; "
                    "write the principal point in pixels of the recorded picture"
                )


class ClockSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`rate_hz`: nominal frames per second of the cameras, exact: a whole number or a fraction such as `30000/1001`.

    Used only for recordings that carry no times of their own.
    """

    rate_hz: int | str = int(RATE_HZ)

    def __post_init__(self) -> None:
        try:
            rate_hz = self.rate if _RATE.fullmatch(str(self.rate_hz)) else Fraction(0)
        except ZeroDivisionError:
            rate_hz = Fraction(0)
        if not 1 <= rate_hz <= 1000:
            raise ValueError(
                f"`rate_hz` must be 1 … 1000 as a whole number or a fraction such as '30000/1001', got {self.rate_hz!r}"
            )

    @property
    def rate(self) -> Fraction:
        return Fraction(self.rate_hz)


class VehicleSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The car's outline in metres; `rear_overhang_m` is from the rear axle to the rear bumper."""

    length_m: float
    width_m: float
    height_m: float
    wheelbase_m: float
    rear_overhang_m: float

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if not 0 < value < 30:
                raise ValueError(f"`{field}` must be more than 0 and less than 30 metres, got {value:g}")


class Rig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All cameras of a recording, its clock, and optionally the vehicle; `is_simulated`: the pictures are rendered."""

    name: str
    cameras: tuple[Camera, ...]
    clock: ClockSpec = ClockSpec()
    vehicle: VehicleSpec | None = None
    is_simulated: bool = False

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ValueError("`cameras` is empty; describe at least one camera")
        names = [camera.name for camera in self.cameras]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"`cameras` has {', '.join(repeated)} more than once; keep one entry for each")

    def camera(self, name: str) -> Camera | None:
        """The camera of this canonical name, or None where the rig has none."""
        return next((camera for camera in self.cameras if camera.name == name), None)


_STRUCTS: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "": (Rig,),
    "cameras": (Camera,),
    "intrinsics": (Pinhole, Fisheye, FTheta),
    "ego_from_camera": (Pose,),
    "clock": (ClockSpec,),
    "vehicle": (VehicleSpec,),
}
"""Field of `rig.json` -> the structs that are valid there; for messages."""


def load_rig(path: Path) -> Rig:
    """Read and check `rig.json`; camera names may be aliases.

    Raises:
        RigError: the file cannot be read or a field is wrong; `field` names it.
    """
    document = read_json(path, RigError)
    _use_canonical_names(document)
    try:
        return msgspec.convert(document, Rig)
    except msgspec.ValidationError as error:
        raise rig_error(path, document, str(error), _STRUCTS) from error


def save_rig(rig: Rig, path: Path) -> None:
    """Write `rig` as indented JSON that `load_rig` reads back equal."""
    write_bytes(path, msgspec.json.format(msgspec.json.encode(rig), indent=2) + b"\n")


def _use_canonical_names(document: Any) -> None:
    cameras = document.get("cameras") if isinstance(document, dict) else None
    for camera in cameras if isinstance(cameras, list) else ():
        if isinstance(camera, dict) and isinstance(camera.get("name"), str):
            camera["name"] = canonical_name(camera["name"]) or camera["name"]
