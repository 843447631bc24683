"""Calibration from recordings of simulator drives whose cameras were turned and zoomed by known amounts.

Every drive has another world, other light and other errors of all eight cameras: yaw and pitch up to 4 degrees, focal
length up to 12%, position up to 5 cm. The estimate starts from the unperturbed rig.

    python benchmarks/calibration.py [--quick] [--seeds N …] [--seconds S]
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from fsd.data.calibration.estimate import CameraEstimate, direction_deg, estimate_rig
from fsd.data.calibration.flow_pairs import follow_points
from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.frame_source import FrameSource
from fsd.data.frames import RATE_HZ
from fsd.data.open_clip import open_clip
from fsd.data.rig import Camera, Pinhole, Pose, Rig
from fsd.data.simulator.expert.expert import expert_controls
from fsd.data.simulator.record import _ego_row, _video_images
from fsd.data.simulator.rendering.camera_view import draw_world, load_world
from fsd.data.simulator.rendering.renderer import Renderer
from fsd.data.simulator.scenarios import build_world
from fsd.data.standard_rigs import CANONICAL, canonical_rig, pinhole_for

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish

YAW_PITCH_ERROR_DEG, FOCAL_ERROR, POSITION_ERROR_M = 4.0, 0.12, 0.05


def perturbed_rig(seed: int, size: tuple[int, int]) -> Rig:
    """The canonical rig with errors of every camera, drawn by seed."""
    rng = np.random.default_rng([seed, 18])
    cameras = []
    for camera in canonical_rig(*size).cameras:
        translation_m, yaw_deg, pitch_deg, hfov_deg = CANONICAL[camera.name]
        yaw_deg += rng.uniform(-YAW_PITCH_ERROR_DEG, YAW_PITCH_ERROR_DEG)
        pitch_deg += rng.uniform(-YAW_PITCH_ERROR_DEG, YAW_PITCH_ERROR_DEG)
        focal = math.tan(math.radians(hfov_deg) / 2) / (1 + rng.uniform(-FOCAL_ERROR, FOCAL_ERROR))
        x_m, y_m, z_m = (each + float(rng.uniform(-POSITION_ERROR_M, POSITION_ERROR_M)) for each in translation_m)
        cameras.append(
            Camera(
                name=camera.name,
                width_px=size[0],
                height_px=size[1],
                intrinsics=pinhole_for(*size, 2 * math.degrees(math.atan(focal))),
                ego_from_camera=Pose.looking((x_m, y_m, z_m), yaw_deg, pitch_deg),
            )
        )
    return msgspec.structs.replace(canonical_rig(*size), name=f"perturbed_{seed}", cameras=tuple(cameras))


def make_drive(seed: int, seconds: float, size: tuple[int, int]) -> Path:
    """A clip folder of a drive, made on first use and kept in the temporary directory."""
    folder = Path(tempfile.gettempdir()) / f"fsd-calibration-{seed}-{size[0]}x{size[1]}-{seconds:g}"
    if (folder / "complete").exists():
        return folder
    rig = perturbed_rig(seed, size)
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


def main() -> None:
    """Calibrate, compare with the truth, and print the metrics."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one short drive in small images, under a minute")
    parser.add_argument("--seeds", type=int, nargs="+", default=None, help="drives (default: 8 6 11; quick: 8)")
    parser.add_argument("--seconds", type=float, default=None, help="length of a drive (default: 20; quick: 7)")
    arguments = parser.parse_args()
    seconds = arguments.seconds or (7.0 if arguments.quick else 20.0)
    seeds = arguments.seeds or ([8] if arguments.quick else [8, 6, 11])
    size = (320, 240) if arguments.quick else (640, 480)
    errors: dict[str, list[float]] = {"yaw": [], "pitch": [], "focal": []}
    covered, unknown, cameras = 0, 0, 0
    for seed in seeds:
        folder = make_drive(seed, seconds, size)
        for name, (values, estimate) in compare(folder, size).items():
            cameras += 1
            shown = []
            for value, (error, uncertainty, is_known) in values.items():
                if is_known:
                    errors[value].append(abs(error))
                    covered += uncertainty is not None and abs(error) <= uncertainty
                unknown += not is_known
                shown.append(f"{value} {error:+.2f} ± {uncertainty:.2f}" if is_known else f"{value} unknown")
            print(f"seed {seed} {name:15} {', '.join(shown)}; {estimate.matches} points", flush=True)
    known = sum(map(len, errors.values()))
    metrics = {
        "pitch_error_deg_max": round(max(errors["pitch"], default=0.0), 3),
        "yaw_error_deg_max": round(max(errors["yaw"], default=0.0), 3),
        "focal_error_percent_max": round(max(errors["focal"], default=0.0), 3),
        "known": known,
        "unknown": unknown,
        "within_uncertainty_share": round(covered / max(1, known), 3),
        "cameras": cameras,
    }
    finish("calibration", metrics, len(seeds), f"simulator drives {seeds}, {seconds:g} s, {size[0]}x{size[1]}")


def compare(
    folder: Path, size: tuple[int, int]
) -> dict[str, tuple[dict[str, tuple[float, float | None, bool]], CameraEstimate]]:
    """Camera -> error, uncertainty and whether known of yaw, pitch (degrees) and focal length (percent)."""
    clip = open_clip(folder)
    with FrameSource(clip) as source:
        flow = follow_points(source, clip.ego, 0)
    _, estimates = estimate_rig(canonical_rig(*size), flow, clip.ego)
    compared = {}
    for name, each in estimates.items():
        true = clip.rig.camera(name)
        assert true is not None
        assert isinstance(true.intrinsics, Pinhole)
        assert isinstance(each.camera.intrinsics, Pinhole)
        yaw_deg, pitch_deg = direction_deg(true)
        focal = 100 * (each.camera.intrinsics.fx_px / true.intrinsics.fx_px - 1)
        yaw_error_deg = (each.yaw_deg - yaw_deg + 180) % 360 - 180
        values = {
            "yaw": (yaw_error_deg, each.yaw_uncertainty_deg, each.yaw_is_known),
            "pitch": (each.pitch_deg - pitch_deg, each.pitch_uncertainty_deg, each.pitch_is_known),
            "focal": (focal, each.focal_uncertainty_percent, each.focal_is_known),
        }
        compared[name] = (values, each)
    return compared


if __name__ == "__main__":
    main()
