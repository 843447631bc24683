"""A rig that is assumed, with what a person knows of it: see `MountingOptions`."""

import math

import msgspec
import numpy as np

from fsd.data.errors import UsageError
from fsd.data.frames import CAMERAS
from fsd.data.mounting_options import MountingOptions
from fsd.data.rig import Pose, Rig
from fsd.data.standard_rigs import lens_for


def mounted(rig: Rig, options: MountingOptions, recorded: tuple[str, ...]) -> tuple[Rig, str]:
    """A rig with what the options say, and a sentence that says so.

    Args:
        recorded: canonical cameras that have pictures.

    Raises:
        UsageError: an option is for a camera without pictures.
    """
    cameras = {camera.name: camera for camera in rig.cameras}
    first = next(name for name in CAMERAS if name in recorded)
    said = []
    given = {"--hfov": options.hfov_deg, "--height": options.height_m, "--pitch": options.pitch_deg}
    for flag, values in given.items():
        for label, value in (values or {}).items():
            name = label or first
            if name not in recorded or name not in cameras:
                raise UsageError(
                    f"{flag} is for {name}, of which there are no pictures. There are {', '.join(recorded)}."
                )
            camera = cameras[name]
            if flag == "--hfov":
                lens = lens_for(camera.width_px, camera.height_px, value)
                cameras[name] = msgspec.structs.replace(camera, intrinsics=lens)
            else:
                pose = _turned(camera.ego_from_camera, flag, value)
                cameras[name] = msgspec.structs.replace(camera, ego_from_camera=pose)
            said.append(f"{flag} {name}={value:g}")
    return (
        msgspec.structs.replace(rig, cameras=tuple(cameras.values())),
        f"As given, the rest of the calibration assumed: {', '.join(said)}.",
    )


def _turned(pose: Pose, flag: str, value: float) -> Pose:
    """A pose at another height or pitch, with the same yaw and without roll."""
    x_m, y_m, z_m = pose.translation_m
    forward = np.asarray(pose.matrix()[:3, 2])
    yaw_deg = math.degrees(math.atan2(forward[1], forward[0]))
    pitch_deg = math.degrees(math.asin(float(np.clip(forward[2], -1, 1))))
    is_height = flag == "--height"
    return Pose.looking((x_m, y_m, value if is_height else z_m), yaw_deg, pitch_deg if is_height else value)
