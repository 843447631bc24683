"""Errors of single ticks, beside those of two planners that use no camera: what means over a drive are made of."""

import numpy as np

from fsd.data.ego import EgoTrack
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.scoring.baseline_plans import Plans, constant_velocity, hold_last
from fsd.scoring.plan_errors import driven_control, driven_waypoints

ERROR_UNITS = {
    "speed_mps": "m/s",
    "ade_1s_m": "m",
    "ade_3s_m": "m",
    "fde_3s_m": "m",
    "constant_velocity_ade_3s_m": "m",
    "hold_last_ade_3s_m": "m",
    "curvature_error_per_m": "1/m",
    "acceleration_error_mps2": "m/s²",
}
"""Name of a value per tick -> its unit."""


def tick_errors(ego: EgoTrack, tick_times_ns: np.ndarray, network: Plans) -> dict[str, np.ndarray]:
    """Errors of every tick by the names of `ERROR_UNITS`, (T,) each; NaN where the recording does not reach.

    Args:
        ego: the driven track; tick_times_ns: (T,) int64; network: its plans.
    """
    driven = driven_waypoints(ego, tick_times_ns)
    speed_mps = ego.poses_at(tick_times_ns)[:, 3]
    curvature, acceleration = driven_control(driven, speed_mps)

    def distance_m(plans: Plans, seconds: float) -> np.ndarray:
        steps = round(seconds / WAYPOINT_STEP_S)
        return np.asarray(np.linalg.norm(plans.trajectory[:, :steps, :2] - driven[:, :steps, :2], axis=-1))

    three_m = distance_m(network, 3)
    return {
        "speed_mps": speed_mps,
        "ade_1s_m": distance_m(network, 1).mean(axis=1),
        "ade_3s_m": three_m.mean(axis=1),
        "fde_3s_m": np.where(np.isfinite(three_m).all(axis=1), three_m[:, -1], np.nan),
        "constant_velocity_ade_3s_m": distance_m(constant_velocity(ego, tick_times_ns), 3).mean(axis=1),
        "hold_last_ade_3s_m": distance_m(hold_last(ego, tick_times_ns), 3).mean(axis=1),
        "curvature_error_per_m": np.abs(network.curvature_per_m - curvature),
        "acceleration_error_mps2": np.abs(network.acceleration_mps2 - acceleration),
    }
