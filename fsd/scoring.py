"""How far a plan is from what the car then did: open-loop displacement errors, beside two trivial planners.

ADE/FDE as in nuScenes prediction and Waymo Open Motion: mean (final) Euclidean distance between planned and driven
positions up to a horizon. Knows nothing of how plans are made; needs the driven poses of the whole clip.
"""

import numpy as np

from fsd.data.ego import EgoTrack
from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINTS

HORIZONS_S = (1.0, 2.0, 3.0)


def driven_waypoints(ego: EgoTrack, tick_times_ns: np.ndarray) -> np.ndarray:
    """Where the car went, in the ego frame of each tick.

    Returns:
        (T, 16, 4) x m, y m, yaw rad, v m/s; NaN where the recording does not reach.
    """
    now = ego.poses_at(tick_times_ns)  # (T, 4)
    steps_ns = (np.arange(1, WAYPOINTS + 1) * WAYPOINT_STEP_S * 1e9).astype(np.int64)
    later = ego.poses_at((tick_times_ns[:, None] + steps_ns).ravel()).reshape(len(tick_times_ns), WAYPOINTS, 4)
    offset = later[..., :2] - now[:, None, :2]
    cos, sin = np.cos(now[:, 2])[:, None], np.sin(now[:, 2])[:, None]
    yaw = later[..., 2] - now[:, None, 2]
    return np.stack(
        [
            cos * offset[..., 0] + sin * offset[..., 1],
            -sin * offset[..., 0] + cos * offset[..., 1],
            np.arctan2(np.sin(yaw), np.cos(yaw)),
            later[..., 3],
        ],
        axis=-1,
    )


def constant_velocity_waypoints(ego: EgoTrack, tick_times_ns: np.ndarray) -> np.ndarray:
    """(T, 16, 2) positions of a car that keeps its present speed and heading."""
    speed_mps = ego.poses_at(tick_times_ns)[:, 3]
    times_s = np.arange(1, WAYPOINTS + 1) * WAYPOINT_STEP_S
    x = speed_mps[:, None] * times_s
    return np.stack([x, np.zeros_like(x)], axis=-1)


def displacement_errors(planned: np.ndarray, driven: np.ndarray) -> dict[str, float]:
    """ADE and FDE in metres at each horizon, over the ticks whose whole horizon was recorded.

    Args:
        planned: (T, 16, 2+) positions; driven: (T, 16, 2+), NaN where unknown.

    Returns:
        `ade_1s_m`, `fde_1s_m` … and `ticks_1s`: how many ticks each figure is a mean of; no figure without a tick.
    """
    distance_m = np.linalg.norm(planned[..., :2] - driven[..., :2], axis=-1)  # (T, 16)
    figures: dict[str, float] = {}
    for horizon_s in HORIZONS_S:
        steps = round(horizon_s / WAYPOINT_STEP_S)
        known = np.isfinite(distance_m[:, :steps]).all(axis=1)
        label = f"{horizon_s:g}s"
        figures[f"ticks_{label}"] = int(known.sum())
        if known.any():
            figures[f"ade_{label}_m"] = float(distance_m[known, :steps].mean())
            figures[f"fde_{label}_m"] = float(distance_m[known, steps - 1].mean())
    return figures
