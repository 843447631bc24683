"""Baseline planners that use no camera: a useful plan has smaller errors than theirs.

Both know the ego motion until the tick. Knows the driven track, not how plans are scored.
"""

from dataclasses import dataclass

import numpy as np

from fsd.data.ego import EgoTrack
from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINT_TIMES_S

MIN_DISTANCE_M = 0.25
"""A car that moved less in one waypoint step (1 m/s) has no measurable curvature."""


@dataclass(frozen=True)
class Plans:
    """The plans of one planner over a whole clip, each in the ego frame of its tick.

    Attributes:
        trajectory: (T, 16, 4) x m, y m, yaw rad, v m/s at 0.25 … 4.00 s; NaN where there is none.
        curvature_per_m, acceleration_mps2: (T,) to apply now.
    """

    trajectory: np.ndarray
    curvature_per_m: np.ndarray
    acceleration_mps2: np.ndarray


def constant_velocity(ego: EgoTrack, tick_times_ns: np.ndarray) -> Plans:
    """Keep the present speed and heading (the "constant velocity and heading" of nuScenes' physics baselines)."""
    speed_mps = ego.poses_at(tick_times_ns)[:, 3]
    still = np.zeros_like(speed_mps)
    return Plans(_arc(speed_mps, still, still), still, still)


def hold_last(ego: EgoTrack, tick_times_ns: np.ndarray) -> Plans:
    """Keep the curvature and acceleration of the last 0.25 s.

    A braking car stays where it stops. Where the 0.25 s before the tick are not recorded, both are 0.
    """
    step_ns = round(WAYPOINT_STEP_S * 1e9)
    now, before = ego.poses_at(tick_times_ns), ego.poses_at(tick_times_ns - step_ns)
    distance_m = np.hypot(now[:, 0] - before[:, 0], now[:, 1] - before[:, 1])
    with np.errstate(invalid="ignore", divide="ignore"):
        curvature = np.where(distance_m > MIN_DISTANCE_M, wrapped(now[:, 2] - before[:, 2]) / distance_m, 0.0)
    acceleration = np.nan_to_num((now[:, 3] - before[:, 3]) / WAYPOINT_STEP_S)
    return Plans(_arc(now[:, 3], curvature, acceleration), curvature, acceleration)


def wrapped(angle_rad: np.ndarray) -> np.ndarray:
    """The same angles in -pi … pi."""
    return np.arctan2(np.sin(angle_rad), np.cos(angle_rad))


def rotated(points: np.ndarray, angle_rad: np.ndarray) -> np.ndarray:
    """Points (…, 2), turned counterclockwise by (…) radians."""
    cos, sin, x, y = np.cos(angle_rad), np.sin(angle_rad), points[..., 0], points[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def _arc(speed_mps: np.ndarray, curvature: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
    """(T, 16, 4) waypoints of cars on circles: constant curvature, constant acceleration down to standstill."""
    speed, curvature, acceleration = (column[:, None] for column in (speed_mps, curvature, acceleration))
    with np.errstate(invalid="ignore", divide="ignore"):
        moving_s = np.where(acceleration < 0, np.maximum(speed, 0) / -acceleration, np.inf)
        time_s = np.minimum(WAYPOINT_TIMES_S, moving_s)
    distance = speed * time_s + acceleration * time_s**2 / 2
    yaw = curvature * distance
    # sin(yaw) / curvature, with its limit on a straight; np.sinc(x) is sin(pi x) / (pi x).
    x = distance * np.sinc(yaw / np.pi)
    y = distance * np.sin(yaw / 2) * np.sinc(yaw / 2 / np.pi)
    return np.stack([x, y, yaw, speed + acceleration * time_s], axis=-1)
