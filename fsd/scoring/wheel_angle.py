"""Error of the steering wheel's angle, for recordings that state it, beside two predictors that use no camera.

The metric of steering benchmarks: the root mean square error over all ticks. It needs no driven path.
"""

import numpy as np

from fsd.data.ego import STALE_NS
from fsd.data.steering import SteeringGeometry, SteeringTrack
from fsd.networks.contract import WAYPOINT_STEP_S

HELD_NS = round(WAYPOINT_STEP_S * 1e9)
"""`hold_last` predicts the angle of this long ago, as the planner of that name keeps the motion of the last 0.25 s."""


def angles_at(track: SteeringTrack, times_ns: np.ndarray) -> np.ndarray:
    """(T,) recorded angle at each time, rad, as `SteeringTrack.angle_at`; NaN where unknown."""
    rows = np.searchsorted(track.timestamp_ns, times_ns, side="right") - 1
    found = track.angle_rad[np.maximum(rows, 0)]
    is_known = (rows >= 0) & (times_ns - track.timestamp_ns[np.maximum(rows, 0)] <= STALE_NS)
    return np.where(is_known, found, np.nan)


def wheel_angle_errors(
    track: SteeringTrack, times_ns: np.ndarray, curvature_per_m: np.ndarray, geometry: SteeringGeometry
) -> dict[str, float | int]:
    """Root mean square errors in rad of the network, of straight ahead, and of the angle 0.25 s before.

    Args:
        times_ns: (T,) of the ticks; curvature_per_m: (T,) planned to be driven now.

    Returns:
        `ticks`, the number with both angles known, and unless it is 0, `network_rad`, `straight_rad`, `hold_last_rad`.
    """
    wanted, before = angles_at(track, times_ns), angles_at(track, times_ns - HELD_NS)
    known = np.isfinite(wanted) & np.isfinite(before)
    found: dict[str, float | int] = {"ticks": int(known.sum())}
    if known.any():
        planned = geometry.wheel_angle_rad(curvature_per_m.astype(np.float64))
        predictions = {"network": planned, "straight": np.zeros_like(wanted), "hold_last": before}
        for name, angle in predictions.items():
            found[f"{name}_rad"] = float(np.sqrt(np.mean((angle - wanted)[known] ** 2)))
    return found
