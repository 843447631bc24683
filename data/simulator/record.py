"""Record a drive of the expert as a clip folder: videos, exact calibration, ego motion and commands."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.frames import RATE_HZ
from fsd.data.options import OptionError, Options, option
from fsd.data.rig import VehicleSpec
from fsd.data.simulator.expert.expert import expert_controls
from fsd.data.simulator.rendering.camera_view import draw_world, load_world
from fsd.data.simulator.rendering.renderer import Renderer
from fsd.data.simulator.rendering.yuv import planes_from_rgb
from fsd.data.simulator.scenarios import SCENARIOS, build_world
from fsd.data.simulator.world import World
from fsd.data.standard_rigs import canonical_rig

DEFAULT_SCENARIO = "tour"


@dataclass(frozen=True)
class RecordConfig(Options):
    """Settings of a recorded drive. `crf` is the quality of the videos, from 0 (best) to 51."""

    out: Path = option(help="folder for the recording, created if missing", flag="", metavar="CLIP")
    seconds: float = option(20.0, "length of the drive", unit="s", above=0, at_most=3600)
    seed: int = option(0, "seed of the world, its traffic and its light", at_least=0)
    width_px: int = option(640, "width of every camera's images", unit="px", at_least=32, at_most=2048, flag="--width")
    height_px: int = option(
        480, "height of every camera's images", unit="px", at_least=32, at_most=2048, flag="--height"
    )
    scenario: str | None = option(
        None,
        "traffic scenario to drive",
        choices=tuple(SCENARIOS),
        metavar="NAME",
        default_text=f"{DEFAULT_SCENARIO}, a drive through the town",
    )
    crf: int = option(23, "quality of the videos", at_least=0, at_most=51, is_argument=False)
    skip_s: float = option(0.0, "time driven before the recording begins", unit="s", at_least=0, is_argument=False)
    quality: str = option("fine", "quality of the rendering", choices=("fine", "fast"), is_argument=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("width_px", self.width_px), ("height_px", self.height_px)):
            if value % 2:
                raise OptionError(name, f"must be even, got {value}")

    @property
    def ticks(self) -> int:
        return max(1, math.floor(self.seconds * RATE_HZ))


def record(config: RecordConfig, progress: Callable[[int, int], None] | None = None) -> int:
    """Drive and record.

    Args:
        config: what to record.
        progress: called as progress(done, total) after every tick.

    Returns:
        Ticks written: fewer than requested if the route ends first.

    Raises:
        SimulatorError: no OpenGL here (names the packages to install), or no such road.
        ClipError: the folder cannot be written or already holds a clip.
    """
    rig = canonical_rig(config.width_px, config.height_px)
    renderer = Renderer(rig, config.quality)
    world = build_world(config.scenario or DEFAULT_SCENARIO, config.seed)
    for _ in range(math.floor(config.skip_s * RATE_HZ)):
        world.step(*expert_controls(world))
    load_world(renderer, world)
    done = 0
    with ClipWriter(config.out, rig, crf=config.crf) as writer:
        while done < config.ticks and world.s < world.setting.goal_m:
            images = _video_images(draw_world(renderer, world))
            writer.write(images, tick_time_ns(done), _ego_row(world, rig.vehicle), world.command)
            world.step(*expert_controls(world))
            done += 1
            if progress is not None:
                progress(done, config.ticks)
    return done


def _video_images(rgba: np.ndarray) -> list[av.VideoFrame]:
    planes = planes_from_rgb(rgba)
    width = rgba.shape[2]
    images = []
    for y, u, v in zip(planes.y, planes.u, planes.v, strict=True):
        packed = np.concatenate([y, u.reshape(-1, width), v.reshape(-1, width)])
        images.append(av.VideoFrame.from_ndarray(packed, format="yuv420p"))
    return images


def _ego_row(world: World, vehicle: VehicleSpec | None) -> dict[str, float]:
    ego = world.ego
    wheelbase_m = vehicle.wheelbase_m if vehicle is not None else 2.875
    return {
        "x": ego.x_m,
        "y": ego.y_m,
        "z": 0.0,
        "qw": math.cos(ego.heading_rad / 2),
        "qx": 0.0,
        "qy": 0.0,
        "qz": math.sin(ego.heading_rad / 2),
        "v_mps": ego.speed_mps,
        "yaw_rate_rps": ego.yaw_rate_rps,
        "acceleration_mps2": ego.acceleration_mps2,
        "curvature": ego.curvature,
        "steering_rad": math.atan(wheelbase_m * ego.curvature),
    }
