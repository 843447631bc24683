"""The fit on made-up flow of a known world: no video, no chance but a fixed seed."""

import math

import numpy as np
import pytest

from fsd.data.calibration.ego_steps import EgoSteps
from fsd.data.calibration.epipolar_fit import EpipolarFit, fit_mounting, rotation_z
from fsd.data.calibration.flow_pairs import FlowPairs
from fsd.data.camera_model import project
from fsd.data.frames import CAMERAS
from fsd.data.rig import Camera, Pose
from fsd.data.standard_rigs import canonical_rig, pinhole_for

ASSUMED = canonical_rig(640, 480)


def turned(camera: Camera, yaw_deg: float, pitch_deg: float, zoom: float) -> Camera:
    """The camera turned left and up, with a longer lens."""
    forward = camera.ego_from_camera.matrix()[:3, 2]
    lens = camera.intrinsics
    hfov_deg = 2 * math.degrees(math.atan(camera.width_px / 2 / (lens.fx_px * zoom)))  # type: ignore[union-attr]
    return Camera(
        name=camera.name,
        width_px=camera.width_px,
        height_px=camera.height_px,
        intrinsics=pinhole_for(camera.width_px, camera.height_px, hfov_deg),
        ego_from_camera=Pose.looking(
            camera.ego_from_camera.translation_m,
            math.degrees(math.atan2(forward[1], forward[0])) + yaw_deg,
            math.degrees(math.asin(forward[2])) + pitch_deg,
        ),
    )


def flow(
    camera: Camera, headings_rad: np.ndarray, outliers: float = 0.0, noise_px: float = 0.1
) -> tuple[FlowPairs, EgoSteps]:
    """Matches of points around a car that drives 1.5 m per pair and turns by `headings_rad` (K,)."""
    rng = np.random.default_rng(5)
    distance_m = np.full(len(headings_rad), 1.5)
    matches, pair = [], []
    for index, heading in enumerate(headings_rad):
        angle, far = rng.uniform(0, 2 * np.pi, 4000), rng.uniform(5, 80, 4000)
        points = np.stack([far * np.cos(angle), far * np.sin(angle), rng.uniform(0, 8, 4000)], axis=-1)
        ego = distance_m[index] * np.array([math.cos(heading / 2), math.sin(heading / 2), 0])
        seen = []
        for turn, shift in ((0.0, np.zeros(3)), (heading, ego)):
            in_ego = (points - shift) @ rotation_z(np.array(turn))
            pose = camera.ego_from_camera.matrix()
            seen.append(project(camera, (in_ego - pose[:3, 3]) @ pose[:3, :3]))
        inside = seen[0][1] & seen[1][1]
        both = np.hstack([seen[0][0][inside], seen[1][0][inside]])[:80]
        both += rng.normal(0, noise_px, both.shape)
        bad = rng.uniform(size=len(both)) < outliers
        both[bad, 2:] += rng.uniform(-20, 20, (int(bad.sum()), 2))
        matches.append(both)
        pair += [index] * len(both)
    stacked = np.concatenate(matches)
    times = np.arange(len(headings_rad), dtype=np.int64) * 10**9
    pairs = FlowPairs(times, times + 10**8, np.array(pair), stacked[:, :2], stacked[:, 2:])
    return pairs, EgoSteps(distance_m, headings_rad, np.full(len(headings_rad), 1e-3), True)


@pytest.mark.parametrize("name", CAMERAS)
def test_turns_and_straight_driving_give_all_three_unknowns(name: str) -> None:
    assumed = ASSUMED.camera(name)
    assert assumed is not None
    true = turned(assumed, 3.0, -2.0, 1.1)
    headings_rad = np.radians(np.concatenate([np.zeros(8), np.linspace(-3, 3, 12)]))
    fit = fit_mounting(assumed, *flow(true, headings_rad, outliers=0.15, noise_px=0.05))
    assert math.degrees(fit.mounting.yaw_rad) == pytest.approx(3.0, abs=0.3)
    assert math.degrees(fit.mounting.pitch_rad) == pytest.approx(-2.0, abs=0.15)
    assert math.exp(fit.mounting.log_zoom) == pytest.approx(1.1, rel=0.01)
    assert fit.inliers.mean() == pytest.approx(0.86, abs=0.05)


def test_straight_driving_leaves_the_focal_length_of_a_front_camera_open() -> None:
    assumed = ASSUMED.camera("front_main")
    assert assumed is not None
    true = turned(assumed, 3.0, -2.0, 1.1)
    straight = fit_mounting(assumed, *flow(true, np.zeros(20)))
    curved = fit_mounting(assumed, *flow(true, np.radians(np.linspace(-3, 3, 20))))
    assert sigma_of_focal(curved) < 0.01
    assert sigma_of_focal(straight) > 5 * sigma_of_focal(curved)


def sigma_of_focal(fit: EpipolarFit) -> float:
    """Standard deviation of the logarithm of the focal length, yaw and pitch being unknown as well."""
    covariance = np.linalg.inv(fit.information.sum(0) + np.diag(fit.prior))
    return float(fit.noise_px * math.sqrt(covariance[2, 2]))
