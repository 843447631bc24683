"""Record a drive of the expert: as a clip folder (videos, exact calibration, ego motion and commands), or as the event
folder that a Tesla would have saved.
"""

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import msgspec
import numpy as np

from fsd.data.calibration.known_vehicles import known_rig
from fsd.data.camera_names import canonical_name
from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.errors import OutputError
from fsd.data.formats.teslacam.teslacam_format import TeslaCam
from fsd.data.formats.teslacam.teslacam_writer import HW3_CAMERAS, HW4_CAMERAS, TeslaCamWriter
from fsd.data.formats.video_folder import VideoFolder
from fsd.data.frames import CAMERAS, RATE_HZ
from fsd.data.open_clip import detect
from fsd.data.options import OptionError, Options, option
from fsd.data.recording_files import clips_below
from fsd.data.result_folder import result_folder
from fsd.data.rig import Rig, VehicleSpec
from fsd.data.simulator.expert.expert import expert_controls
from fsd.data.simulator.rendering.camera_view import draw_world, load_world
from fsd.data.simulator.rendering.renderer import Renderer
from fsd.data.simulator.rendering.yuv import planes_from_rgb
from fsd.data.simulator.scenarios import SCENARIOS, build_world
from fsd.data.simulator.teslacam_telemetry import origin, telemetry_message
from fsd.data.simulator.world import World
from fsd.data.standard_rigs import canonical_rig

DEFAULT_SCENARIO = "tour"

TESLACAM_CAMERAS = {"hw3": HW3_CAMERAS, "hw4": HW4_CAMERAS}
DEFAULT_SIZES_PX = {"native": (640, 480), "hw3": (1280, 960), "hw4": (1448, 938)}

FIRST_START = datetime(2026, 1, 2, 12, tzinfo=UTC)
"""A TeslaCam drive with seed 0 starts here, one with another seed that many hours later, up to a year."""

UTC_OFFSET = timedelta(hours=-3)
"""Of the local time in file names: that of the made-up place."""


@dataclass(frozen=True)
class RecordConfig(Options):
    """Settings of a recorded drive.

    `crf` is the quality of the videos, from 0 (best) to 51. The front camera of `hw4` has twice the width and height of
    the others, as in the car: its picture is drawn at their size and enlarged.
    """

    out: Path = option(help="folder for the recording, created if missing", flag="", metavar="CLIP")
    seconds: float = option(20.0, "length of the drive", unit="s", above=0, at_most=3600)
    seed: int = option(0, "seed of the world, its traffic and its light", at_least=0)
    width_px: int | None = option(
        None,
        "width of every camera's images",
        unit="px",
        at_least=32,
        at_most=2048,
        flag="--width",
        default_text="640; as in the car with --format teslacam",
    )
    height_px: int | None = option(
        None,
        "height of every camera's images",
        unit="px",
        at_least=32,
        at_most=2048,
        flag="--height",
        default_text="480; as in the car with --format teslacam",
    )
    format: str = option("native", "form of the recording", choices=("native", "teslacam"), metavar="FORMAT")
    cameras_like: str | None = option(
        None,
        "generation of the car's cameras with --format teslacam: four (hw3) or six (hw4)",
        choices=tuple(TESLACAM_CAMERAS),
        metavar="HW",
        default_text="hw3",
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
            if value is not None and value % 2:
                raise OptionError(name, f"must be even, got {value}")
        if self.cameras_like is not None and self.format != "teslacam":
            raise OptionError("cameras_like", "needs the format teslacam")

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the images that are drawn."""
        kind = "native" if self.format == "native" else self.cameras_like or "hw3"
        width_px, height_px = DEFAULT_SIZES_PX[kind]
        return self.width_px or width_px, self.height_px or height_px

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
        OutputError: the folder holds another recording, cannot be written, also because the disk is full, or another
            run holds it.
    """
    _check_is_free(config)
    rig = _rig(config)
    renderer = Renderer(rig, config.quality)
    world = build_world(config.scenario or DEFAULT_SCENARIO, config.seed)
    for _ in range(math.floor(config.skip_s * RATE_HZ)):
        world.step(*expert_controls(world))
    load_world(renderer, world)
    done = 0
    with result_folder(config.out, "record", ()), ExitStack() as stack:
        write_moment = _teslacam(config, stack) if config.format == "teslacam" else _native(config, rig, stack)
        while done < config.ticks and world.s < world.setting.goal_m:
            write_moment(draw_world(renderer, world), tick_time_ns(done), world)
            world.step(*expert_controls(world))
            done += 1
            if progress is not None:
                progress(done, config.ticks)
    return done


def _check_is_free(config: RecordConfig) -> None:
    """Refuse a folder in which the new recording would hide another one, or be hidden by it.

    A folder of TeslaCam events takes more of them.

    Raises:
        OutputError: names what is there.
    """
    if not config.out.is_dir():
        return
    found, match = detect(config.out)
    if isinstance(found, TeslaCam) and config.format == "teslacam":
        others = clips_below(config.out, depth=0)
    elif isinstance(found, VideoFolder):
        others = clips_below(config.out)
    else:
        others = list(match.recordings) or [config.out]
    if others:
        where = "" if others[0] == config.out else f" ({others[0]})"
        raise OutputError(
            f"{config.out} already holds a recording{where}. Choose another folder, or remove that recording."
        )


WriteMoment = Callable[[np.ndarray, int, World], None]
"""Called with the (8, H, W, 4) images, the time and the world."""


def _rig(config: RecordConfig) -> Rig:
    """The canonical cameras; those that a Tesla records stand where its recordings are assumed to have them."""
    rig = msgspec.structs.replace(canonical_rig(*config.size_px), is_simulated=True)
    if config.format != "teslacam":
        return rig
    tesla = known_rig({camera.name: config.size_px for camera in rig.cameras})
    return msgspec.structs.replace(rig, cameras=tuple(tesla.camera(each.name) or each for each in rig.cameras))


def _native(config: RecordConfig, rig: Rig, stack: ExitStack) -> WriteMoment:
    writer = stack.enter_context(ClipWriter(config.out, rig, crf=config.crf))

    def write_moment(rgba: np.ndarray, timestamp_ns: int, world: World) -> None:
        writer.write(_video_images(rgba), timestamp_ns, _ego_row(world, rig.vehicle), world.command)

    return write_moment


def _teslacam(config: RecordConfig, stack: ExitStack) -> WriteMoment:
    kind = config.cameras_like or "hw3"
    names = TESLACAM_CAMERAS[kind]
    shown = [CAMERAS.index(canonical_name(name) or name) for name in names]
    start = FIRST_START + timedelta(hours=config.seed % (365 * 24))
    place = origin(config.seed)
    writer = stack.enter_context(TeslaCamWriter(config.out, start, names, UTC_OFFSET, config.crf))

    def write_moment(rgba: np.ndarray, timestamp_ns: int, world: World) -> None:
        images = _video_images(rgba[shown])
        if kind == "hw4":
            front = images[names.index("front")]
            images[names.index("front")] = front.reformat(width=2 * front.width, height=2 * front.height)
        writer.write(images, timestamp_ns, telemetry_message(world, place))

    return write_moment


def _video_images(rgba: np.ndarray) -> list[av.VideoFrame]:
    planes = planes_from_rgb(rgba)
    width = rgba.shape[2]
    images = []
    for y, u, v in zip(planes.y, planes.u, planes.v, strict=True):
        packed = np.concatenate([y.ravel(), u.ravel(), v.ravel()]).reshape(-1, width)
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
