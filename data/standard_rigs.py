"""Rigs without a `rig.json`: the eight canonical cameras, and assumed ones for videos without calibration."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from fsd.data.frames import CAMERAS
from fsd.data.rig import Camera, FTheta, Pinhole, Pose, Rig, VehicleSpec

PINHOLE_LIMIT_DEG = 115.0
"""Assumed lenses wider than this are equidistant: a pinhole model would stretch the edges of the picture too much."""


class AssumedCamera(NamedTuple):
    """Translation in metres, yaw (left positive) and pitch (up positive) in degrees, horizontal field of view."""

    translation_m: tuple[float, float, float]
    yaw_deg: float
    pitch_deg: float
    hfov_deg: float

    def camera(self, name: str, width_px: int, height_px: int, hfov_deg: float | None = None) -> Camera:
        """The camera with pictures of this size; `hfov_deg` takes the place of the assumed field of view."""
        hfov_deg = self.hfov_deg if hfov_deg is None else hfov_deg
        return Camera(
            name=name,
            width_px=width_px,
            height_px=height_px,
            intrinsics=lens_for(width_px, height_px, hfov_deg),
            ego_from_camera=Pose.looking(self.translation_m, self.yaw_deg, self.pitch_deg),
        )


CANONICAL = {
    "front_main": AssumedCamera((1.8, 0.0, 1.45), 0.0, -2.0, 50.0),
    "front_wide": AssumedCamera((1.8, 0.08, 1.45), 0.0, -4.0, 110.0),
    "front_narrow": AssumedCamera((1.8, -0.08, 1.45), 0.0, 0.5, 28.0),
    "left_pillar": AssumedCamera((1.1, 0.75, 1.35), 60.0, -4.0, 85.0),
    "right_pillar": AssumedCamera((1.1, -0.75, 1.35), -60.0, -4.0, 85.0),
    "left_repeater": AssumedCamera((2.3, 0.95, 1.0), 145.0, -3.0, 75.0),
    "right_repeater": AssumedCamera((2.3, -0.95, 1.0), -145.0, -3.0, 75.0),
    "rear": AssumedCamera((-0.8, 0.0, 1.1), 180.0, -6.0, 100.0),
}
"""The eight canonical cameras."""

VEHICLE = VehicleSpec(length_m=4.7, width_m=1.85, height_m=1.45, wheelbase_m=2.875, rear_overhang_m=0.95)
"""A usual car: the simulator's, and what is assumed where a recording does not describe its own."""


def pinhole_for(width_px: int, height_px: int, hfov_deg: float) -> Pinhole:
    """The undistorted lens with square pixels that spans `hfov_deg` over the picture's width."""
    focal_px = width_px / 2 / math.tan(math.radians(hfov_deg) / 2)
    return Pinhole(fx_px=focal_px, fy_px=focal_px, cx_px=(width_px - 1) / 2, cy_px=(height_px - 1) / 2)


def lens_for(width_px: int, height_px: int, hfov_deg: float) -> Pinhole | FTheta:
    """The lens that is assumed for a horizontal field of view, degrees."""
    lens = pinhole_for if hfov_deg <= PINHOLE_LIMIT_DEG else _equidistant_for
    return lens(width_px, height_px, hfov_deg)


def _equidistant_for(width_px: int, height_px: int, hfov_deg: float) -> FTheta:
    focal_px = width_px / math.radians(hfov_deg)
    return FTheta(cx_px=(width_px - 1) / 2, cy_px=(height_px - 1) / 2, angle_to_radius_px=(0.0, focal_px))


def canonical_rig(width_px: int = 1280, height_px: int = 960) -> Rig:
    """The eight canonical cameras, all pinholes of this size: the simulator's rig and the default."""
    cameras = tuple(CANONICAL[name].camera(name, width_px, height_px) for name in CAMERAS)
    return Rig(name="canonical", cameras=cameras, vehicle=VEHICLE)


def assumed_rig(sizes: Mapping[str, tuple[int, int]], hfov_deg: Mapping[str, float] | None = None) -> Rig:
    """A rig for videos without one: canonical poses, lenses from the picture's size and field of view.

    Args:
        sizes: canonical camera name -> (width, height) in pixels.
        hfov_deg: canonical camera name -> horizontal field of view in degrees, where it is known.
    """
    known = hfov_deg or {}
    names = [name for name in CAMERAS if name in sizes]
    return Rig(
        name="assumed", cameras=tuple(CANONICAL[name].camera(name, *sizes[name], known.get(name)) for name in names)
    )
