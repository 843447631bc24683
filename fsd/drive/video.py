"""Videos of simulated drives: the overlay of replay, on a route that is driven again.

Route, driver and latency determine the drive (except a measured latency), so no images are stored for it.
"""

from fractions import Fraction
from pathlib import Path

from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.files import replacing
from fsd.data.frames import CAMERAS, RATE_HZ
from fsd.data.result_folder import result_folder
from fsd.data.rig import Rig
from fsd.data.simulator.environment import DrivingEnv
from fsd.drive.drive import PAGE_FILE, DriveResult, DriverPool, driver_name
from fsd.outputs.disk_space import drive_bytes, warn_if_short
from fsd.overlay.painter import OverlayPainter
from fsd.overlay.video_writer import VideoWriter

VIDEOS = "videos"


def film_extremes(result: DriveResult, count: int) -> list[Path]:
    """Film the worst and the best routes of the first network driver; returns the videos.

    Raises:
        OutputError: the videos cannot be written.
    """
    config = result.config
    pool = DriverPool(config)
    spec = next((name for name in config.drivers if pool.has_cameras(name)), None)
    if spec is None or count < 1:
        return []
    ranked = sorted((score.driving_score, *route) for route, score in result.scores[driver_name(spec)].items())
    films = [("worst", *route) for route in ranked[:count]] + [("best", *route) for route in ranked[-count:][::-1]]
    names = [f"{VIDEOS}/{kind}-{scenario}-{seed}.mp4" for kind, _, scenario, seed in films]
    with result_folder(config.out, "drive", [*names, PAGE_FILE]) as folder:
        folder.begin()
        warn_if_short(config.out, drive_bytes(0, len(films)))
        (config.out / VIDEOS).mkdir(exist_ok=True)
        for name, (_, _, scenario, seed) in zip(names, films, strict=True):
            with replacing(config.out / name) as unfinished:
                film(pool, spec, scenario, seed, unfinished)
        scores = result.scores[driver_name(spec)]
        result.write_page(
            films=[
                (name, f"{kind}: {scenario} {seed}, {score:.2f}, {scores[scenario, seed].finish.replace('_', ' ')}")
                for name, (kind, score, scenario, seed) in zip(names, films, strict=True)
            ]
        )
    return [config.out / name for name in names]


def film(pool: DriverPool, spec: str, scenario: str, seed: int, path: Path) -> None:
    """Drive one route with a network driver, and write the overlay of every tick."""
    driver = pool.network(spec)
    driver.reset()
    env = DrivingEnv(scenario, seed, pool.renderer)
    clip = _clip(pool.rig, f"simulated {scenario}, seed {seed}")
    painter = OverlayPainter(clip, driver.planner.metadata)
    video = VideoWriter(path, painter.layout.width_px, painter.layout.height_px, Fraction(RATE_HZ))
    try:
        while not env.done:
            ego, command = env.ego(), env.command()
            controls = driver.controls(env)
            assert driver.last is not None
            video.write(painter.paint(driver.last, ego, command))
            env.step(*controls)
    finally:
        video.close()


def _clip(rig: Rig, name: str) -> Clip:
    """A stand-in for a recording, with what the overlay needs: rig and image sizes."""
    streams = tuple(
        None
        if camera is None
        else CameraStream(
            name=camera.name, width_px=camera.width_px, height_px=camera.height_px, codec="", rate_hz=RATE_HZ
        )
        for camera in map(rig.camera, CAMERAS)
    )
    return Clip(name, Path(), "simulated", rig, False, streams)
