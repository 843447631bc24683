"""From pictures to a calibration: a small textured world, seen by a camera that moves as known."""

import math

import numpy as np
import pytest

from fsd.data.calibration.estimate import CameraEstimate, estimate_camera
from fsd.data.calibration.flow_pairs import CameraTracker
from fsd.data.camera_model import rays
from fsd.data.ego import EgoTrack
from fsd.data.rig import Camera, Pinhole, Pose
from fsd.data.standard_rigs import canonical_rig, pinhole_for

STEP_NS = 50_000_000
RATE_HZ = 20
SPEED_MPS = 6.0


def texture() -> np.ndarray:
    """(512, 512) smooth noise that tiles."""
    rng = np.random.default_rng(2)
    waves = np.fft.fft2(rng.normal(size=(512, 512)))
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.fftfreq(512)[None])
    image = np.fft.ifft2(waves * np.exp(-((frequency / 0.08) ** 2)) / (frequency + 0.01)).real
    return np.asarray(np.clip(110 + 45 * image / image.std(), 16, 235))


TEXTURE = texture()


def picture(camera: Camera, x_m: float, y_m: float, heading_rad: float) -> np.ndarray:
    """Ray casting: the ground, walls 9 m to the left and right of the start, and a ceiling of 12 m."""
    v, u = np.mgrid[: camera.height_px, : camera.width_px]
    pose = camera.ego_from_camera.matrix()
    direction = rays(camera, np.stack([u, v], axis=-1)) @ pose[:3, :3].T
    cosine, sine = math.cos(heading_rad), math.sin(heading_rad)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    direction = direction @ turn.T
    eye = np.array([x_m, y_m, 0]) + turn @ pose[:3, 3]
    best, luma = np.full(u.shape, np.inf), np.full(u.shape, 110.0)
    for axis, at, first, second in ((2, 0.0, 0, 1), (2, 12.0, 0, 1), (1, 9.0, 0, 2), (1, -9.0, 0, 2)):
        with np.errstate(divide="ignore"):
            distance = (at - eye[axis]) / direction[..., axis]
        hit = (distance > 0.1) & (distance < best) & (distance < 60)
        points = eye + distance[hit][:, None] * direction[hit]
        best[hit] = distance[hit]
        luma[hit] = sampled(points[:, first] * 7 + 100 * axis + 31 * at, points[:, second] * 7)
    return luma.astype(np.uint8)


def sampled(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The texture between its pixels."""
    i, j = np.floor(a).astype(int), np.floor(b).astype(int)
    s, t = a - i, b - j
    at = [TEXTURE[(j + dj) % 512, (i + di) % 512] for dj in (0, 1) for di in (0, 1)]
    return np.asarray((at[0] * (1 - s) + at[1] * s) * (1 - t) + (at[2] * (1 - s) + at[3] * s) * t)


def drive(camera: Camera, yaw_rates_rps: np.ndarray, speed_mps: float = SPEED_MPS) -> tuple[CameraTracker, EgoTrack]:
    """Follow points through a drive with one yaw rate per picture."""
    tracker = CameraTracker()
    x_m = y_m = heading_rad = 0.0
    states = []
    for index, rate_rps in enumerate(yaw_rates_rps):
        states.append((x_m, y_m, heading_rad))
        tracker.add(picture(camera, x_m, y_m, heading_rad), index * STEP_NS)
        middle = heading_rad + 0.5 * rate_rps / RATE_HZ
        x_m += speed_mps / RATE_HZ * math.cos(middle)
        y_m += speed_mps / RATE_HZ * math.sin(middle)
        heading_rad += rate_rps / RATE_HZ
    x, y, yaw = np.array(states).T
    times = np.arange(len(yaw_rates_rps), dtype=np.int64) * STEP_NS
    return tracker, EgoTrack(times, np.full(len(x), speed_mps), yaw_rates_rps, x, y, yaw)


def assumed_and_true() -> tuple[Camera, Camera]:
    assumed = canonical_rig(320, 240).camera("front_main")
    assert assumed is not None
    true = Camera(
        name="front_main",
        width_px=320,
        height_px=240,
        intrinsics=pinhole_for(320, 240, 55.0),
        ego_from_camera=Pose.looking(assumed.ego_from_camera.translation_m, 2.0, -3.5),
    )
    return assumed, true


@pytest.fixture(scope="module")
def weaving() -> tuple[CameraEstimate, CameraEstimate, Camera]:
    assumed, true = assumed_and_true()
    rates_rps = np.radians(np.repeat([0.0, 18.0, -18.0, 0.0, -18.0, 18.0], 20))
    tracker, ego = drive(true, rates_rps, speed_mps=10.0)
    return estimate_camera(assumed, tracker.pairs(), ego), estimate_camera(assumed, tracker.pairs(), None), true


def test_pictures_of_a_weaving_drive_give_the_camera(weaving: tuple[CameraEstimate, CameraEstimate, Camera]) -> None:
    estimate, _, true = weaving
    assert (estimate.pitch_is_known, estimate.focal_is_known) == (True, True)
    # Six seconds of small pictures hardly tell the yaw; benchmarks/calibration.py measures it on drives of 20 s.
    assert estimate.yaw_deg == (pytest.approx(2.0, abs=0.5) if estimate.yaw_is_known else pytest.approx(0.0, abs=1e-6))
    assert estimate.pitch_deg == pytest.approx(-3.5, abs=0.5)
    assert isinstance(estimate.camera.intrinsics, Pinhole)
    assert isinstance(true.intrinsics, Pinhole)
    assert estimate.camera.intrinsics.fx_px == pytest.approx(true.intrinsics.fx_px, rel=0.03)


def test_without_a_yaw_rate_the_focal_length_is_unknown_and_stays(
    weaving: tuple[CameraEstimate, CameraEstimate, Camera],
) -> None:
    _, blind, _ = weaving
    assert not blind.focal_is_known
    assert blind.hfov_deg == pytest.approx(50.0, abs=1e-6)
    assert blind.reasons


def test_a_standing_car_says_unknown() -> None:
    assumed, true = assumed_and_true()
    tracker, ego = drive(true, np.zeros(20), speed_mps=0.0)
    estimate = estimate_camera(assumed, tracker.pairs(), ego)
    assert [estimate.yaw_is_known, estimate.pitch_is_known, estimate.focal_is_known] == [False] * 3
    assert estimate.camera == assumed
    assert "motion" in estimate.reasons[0]
