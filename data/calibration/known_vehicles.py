"""Assumed cameras of vehicles whose recordings carry no calibration: where an estimate starts.

Tesla HW3 and HW4 as TeslaCam records them. Public sources give the names, the sizes (ffprobe tables of recordings), and
the places of the cameras in words: forward at the top of the windscreen, B-pillars looking forward and sideways,
fenders looking backward and sideways, rear above the licence plate (owner's manuals). Fields of view, angles and
positions in numbers are not published: every number below is `assumed`, drawn from those words and from the look of the
images. `fsd calibrate` replaces what it can measure.
"""

from collections.abc import Mapping
from typing import NamedTuple

from fsd.data.frames import CAMERAS
from fsd.data.rig import Camera, Pose, Rig, VehicleSpec
from fsd.data.standard_rigs import pinhole_for


class AssumedCamera(NamedTuple):
    """Translation in metres, yaw (left positive) and pitch (up positive), horizontal field of view; all assumed."""

    translation_m: tuple[float, float, float]
    yaw_deg: float
    pitch_deg: float
    hfov_deg: float


TESLA: dict[str, AssumedCamera] = {
    "front_main": AssumedCamera((1.85, 0.0, 1.30), 0.0, -1.0, 50.0),
    "left_pillar": AssumedCamera((1.05, 0.75, 1.25), 60.0, -4.0, 85.0),
    "right_pillar": AssumedCamera((1.05, -0.75, 1.25), -60.0, -4.0, 85.0),
    "left_repeater": AssumedCamera((2.30, 0.95, 0.90), 145.0, -4.0, 75.0),
    "right_repeater": AssumedCamera((2.30, -0.95, 0.90), -145.0, -4.0, 75.0),
    "rear": AssumedCamera((-0.85, 0.0, 0.90), 180.0, -10.0, 110.0),
}
"""The cameras that TeslaCam records; HW3 leaves out the pillars."""


def known_rig(sizes: Mapping[str, tuple[int, int]]) -> Rig:
    """The assumed rig of a Tesla.

    Args:
        sizes: canonical camera -> (width, height) in pixels of its images; cameras that TeslaCam never records are
            left out.
    """
    is_hw4 = not {"left_pillar", "right_pillar"}.isdisjoint(sizes)
    cameras = [
        Camera(
            name=name,
            width_px=sizes[name][0],
            height_px=sizes[name][1],
            intrinsics=pinhole_for(*sizes[name], TESLA[name].hfov_deg),
            ego_from_camera=Pose.looking(TESLA[name].translation_m, TESLA[name].yaw_deg, TESLA[name].pitch_deg),
        )
        for name in CAMERAS
        if name in sizes and name in TESLA
    ]
    vehicle = VehicleSpec(length_m=4.7, width_m=1.85, height_m=1.45, wheelbase_m=2.875, rear_overhang_m=0.95)
    return Rig(name=f"Tesla HW{4 if is_hw4 else 3}", cameras=tuple(cameras), vehicle=vehicle)
