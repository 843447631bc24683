"""Convert a third-party model's outputs to a plan: resample a path, or integrate a curvature.

Arithmetic only: it knows neither files nor runtimes. Ego frame: x forward, y left, metres, seconds.
"""

from collections.abc import Mapping

import numpy as np

from fsd.data.physical_limits import MAX_CURVATURE_PER_M
from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINT_TIMES_S, WAYPOINTS
from fsd.third_party.adapter import Adapter
from fsd.third_party.output_fields import Scalar, Steering, Waypoints

CONTROL_HORIZON_S = 1.0
"""Curvature and acceleration of a path are those of its first second."""

_STEPS_PER_WAYPOINT = 10


def plan_arrays(adapter: Adapter, raw: Mapping[str, np.ndarray], speed_mps: float) -> tuple[np.ndarray, float, float]:
    """Trajectory (16, 4) x m, y m, yaw rad, v m/s; curvature 1/m; acceleration m/s².

    Args:
        raw: the model's outputs by name, finite.
        speed_mps: of the car, 0 where unknown.
    """
    outputs = adapter.outputs

    def number(scalar: Scalar | Steering) -> float:
        return float(raw[scalar.name].reshape(-1)[scalar.index]) * scalar.scale + scalar.offset

    curvature = acceleration = None
    if outputs.curvature_per_m is not None:
        curvature = number(outputs.curvature_per_m)
    elif outputs.steering is not None:
        road_wheel_rad = number(outputs.steering) / outputs.steering.steering_ratio
        curvature = float(np.tan(road_wheel_rad)) / outputs.steering.wheelbase_m
    if outputs.acceleration_mps2 is not None:
        assert isinstance(outputs.acceleration_mps2, Scalar)
        acceleration = number(outputs.acceleration_mps2)
    elif outputs.speed_mps is not None:
        acceleration = (number(outputs.speed_mps) - speed_mps) / CONTROL_HORIZON_S
    if outputs.waypoints is not None:
        trajectory = resample(outputs.waypoints, raw[outputs.waypoints.name], speed_mps)
        row = round(CONTROL_HORIZON_S / WAYPOINT_STEP_S) - 1
        if curvature is None:
            x, y = trajectory[row, :2]
            # A car that hardly moves has no direction of travel: centimetres would give any curvature.
            curvature = float(np.clip(2 * y / max(x * x + y * y, 1e-6), -MAX_CURVATURE_PER_M, MAX_CURVATURE_PER_M))
        if acceleration is None:
            acceleration = float(trajectory[row, 3] - speed_mps) / CONTROL_HORIZON_S
        return trajectory, curvature, acceleration
    assert curvature is not None  # `load_adapter` has checked that there is a path, a curvature or a steering angle
    return roll_out(speed_mps, curvature, acceleration or 0.0), curvature, acceleration or 0.0


def source_of(adapter: Adapter, quantity: str) -> str:
    """The model's output that `trajectory`, `curvature` or `acceleration` is made of."""
    outputs = adapter.outputs
    paths = (outputs.waypoints, outputs.curvature_per_m, outputs.steering)
    first = {
        "trajectory": paths,
        "curvature": (outputs.curvature_per_m, outputs.steering, *paths),
        "acceleration": (outputs.acceleration_mps2, outputs.speed_mps, *paths),
    }[quantity]
    return next(each.name for each in first if each is not None)


def resample(waypoints: Waypoints, output: np.ndarray, speed_mps: float) -> np.ndarray:
    """(16, 4) at `WAYPOINT_TIMES_S`; extrapolated at constant velocity after the model's last point."""
    size = waypoints.points * len(waypoints.columns)
    rows = output.reshape(-1)[waypoints.start : waypoints.start + size].reshape(waypoints.points, -1)
    columns = {name: rows[:, index].astype(np.float64) for index, name in enumerate(waypoints.columns)}
    if waypoints.y_is_right:
        columns |= {name: -columns[name] for name in ("y_m", "yaw_rad") if name in columns}
    assert waypoints.step_s is not None
    times_s = np.arange(waypoints.points + 1) * waypoints.step_s
    x, y = (_extended(WAYPOINT_TIMES_S, times_s, np.append(0.0, columns[name])) for name in ("x_m", "y_m"))
    steps = np.diff(np.stack([x, y], axis=1), axis=0, prepend=0.0)
    if "v_mps" in columns:
        speed = np.interp(WAYPOINT_TIMES_S, times_s, np.append(speed_mps, columns["v_mps"]))
    else:
        speed = np.hypot(steps[:, 0], steps[:, 1]) / WAYPOINT_STEP_S
    if "yaw_rad" in columns:
        yaw = np.interp(WAYPOINT_TIMES_S, times_s, np.append(0.0, np.unwrap(columns["yaw_rad"])))
    else:
        # A car that hardly moves has no direction of travel and keeps its heading.
        yaw = np.where(np.hypot(steps[:, 0], steps[:, 1]) > 0.01, np.arctan2(steps[:, 1], steps[:, 0]), 0.0)
    return np.stack([x, y, yaw, speed], axis=1).astype(np.float32)


def roll_out(speed_mps: float, curvature_per_m: float, acceleration_mps2: float) -> np.ndarray:
    """(16, 4): curvature and acceleration held constant; a braking car stops and does not reverse."""
    step_s = WAYPOINT_STEP_S / _STEPS_PER_WAYPOINT
    times_s = (np.arange(WAYPOINTS * _STEPS_PER_WAYPOINT) + 0.5) * step_s
    speed = np.maximum(speed_mps + acceleration_mps2 * times_s, 0.0)
    travelled = np.cumsum(speed) * step_s
    middle_yaw = curvature_per_m * (travelled - speed * step_s / 2)
    x, y = np.cumsum(speed * np.cos(middle_yaw)) * step_s, np.cumsum(speed * np.sin(middle_yaw)) * step_s
    end_speed = np.maximum(speed_mps + acceleration_mps2 * WAYPOINT_TIMES_S, 0.0)
    every = slice(_STEPS_PER_WAYPOINT - 1, None, _STEPS_PER_WAYPOINT)
    return np.stack([x[every], y[every], curvature_per_m * travelled[every], end_speed], axis=1).astype(np.float32)


def _extended(wanted_s: np.ndarray, times_s: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Linear between the points, and with the last slope after them."""
    slope = (values[-1] - values[-2]) / (times_s[-1] - times_s[-2])
    return np.interp(wanted_s, times_s, values) + slope * np.maximum(wanted_s - times_s[-1], 0.0)
