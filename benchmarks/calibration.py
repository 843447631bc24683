"""Calibration from recordings of simulator drives whose cameras were turned and zoomed by known amounts.

Every drive has another world, other light and other errors of all eight cameras: yaw and pitch up to 4 degrees, focal
length up to 12%, position up to 5 cm. The estimate starts from the unperturbed rig.

    python benchmarks/calibration.py [--quick] [--seeds N …] [--seconds S]
"""

import math
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.frames import RATE_HZ
from fsd.data.rig import Camera, Pose, Rig
from fsd.data.simulator.expert.expert import expert_controls
from fsd.data.simulator.record import _ego_row, _video_images
from fsd.data.simulator.rendering.camera_view import draw_world, load_world
from fsd.data.simulator.rendering.renderer import Renderer
from fsd.data.simulator.scenarios import build_world
from fsd.data.standard_rigs import _MOUNTING, canonical_rig, pinhole_for

WIDTH_PX, HEIGHT_PX = 640, 480
YAW_PITCH_ERROR_DEG, FOCAL_ERROR, POSITION_ERROR_M = 4.0, 0.12, 0.05


def perturbed_rig(seed: int) -> Rig:
    """The canonical rig with errors of every camera, drawn by seed."""
    rng = np.random.default_rng([seed, 18])
    cameras = []
    for camera in canonical_rig(WIDTH_PX, HEIGHT_PX).cameras:
        translation_m, yaw_deg, pitch_deg, hfov_deg = _MOUNTING[camera.name]
        yaw_deg += rng.uniform(-YAW_PITCH_ERROR_DEG, YAW_PITCH_ERROR_DEG)
        pitch_deg += rng.uniform(-YAW_PITCH_ERROR_DEG, YAW_PITCH_ERROR_DEG)
        focal = math.tan(math.radians(hfov_deg) / 2) / (1 + rng.uniform(-FOCAL_ERROR, FOCAL_ERROR))
        position = tuple(float(x + rng.uniform(-POSITION_ERROR_M, POSITION_ERROR_M)) for x in translation_m)
        cameras.append(
            Camera(
                name=camera.name,
                width_px=WIDTH_PX,
                height_px=HEIGHT_PX,
                intrinsics=pinhole_for(WIDTH_PX, HEIGHT_PX, 2 * math.degrees(math.atan(focal))),
                ego_from_camera=Pose.looking(position, yaw_deg, pitch_deg),
            )
        )
    return msgspec.structs.replace(canonical_rig(WIDTH_PX, HEIGHT_PX), name=f"perturbed_{seed}", cameras=tuple(cameras))


def make_drive(seed: int, seconds: float) -> Path:
    """A clip folder of a drive, made on first use and kept in the temporary directory."""
    folder = Path(tempfile.gettempdir()) / f"fsd-calibration-{seed}-{WIDTH_PX}x{HEIGHT_PX}-{seconds:g}"
    if (folder / "complete").exists():
        return folder
    rig = perturbed_rig(seed)
    renderer = Renderer(rig, "fine")
    world = build_world("tour", seed)
    load_world(renderer, world)
    with ClipWriter(folder, rig) as writer:
        for tick in range(math.floor(seconds * RATE_HZ)):
            images = _video_images(draw_world(renderer, world))
            writer.write(images, tick_time_ns(tick), _ego_row(world, rig.vehicle), world.command)
            world.step(*expert_controls(world))
    renderer.release()
    (folder / "complete").touch()
    return folder
