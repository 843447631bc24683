"""A model's controls: curvature and acceleration out of its outputs, and the path that follows from them.

Arithmetic only: it knows neither files nor runtimes. Ego frame: x forward, y left, metres, seconds.
"""

from collections.abc import Iterator

import numpy as np

from fsd.data.physical_limits import MAX_CURVATURE_PER_M
from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINT_TIMES_S, WAYPOINTS
from fsd.third_party.output_fields import STEERING_FIELDS, Outputs, Scalar
from fsd.third_party.output_reader import Number, OutputReader

CONTROL_HORIZON_S = 1.0
"""Curvature and acceleration of a path are those of its first second; a target speed is reached in it."""

LEAST_TURNING_SPEED_MPS = 1.0
"""A yaw rate is divided by at least this speed: at standstill it gives no curvature."""

_STEPS_PER_WAYPOINT = 10


def steering_field(outputs: Outputs) -> Number | None:
    """The one of the four fields that steer which the adapter has."""
    fields: Iterator[Number | None] = (getattr(outputs, name) for name in STEERING_FIELDS)
    return next((field for field in fields if field is not None), None)


def accelerations(outputs: Outputs) -> tuple[Scalar, ...]:
    """The outputs whose sum is the acceleration."""
    given = outputs.acceleration_mps2
    if given is None:
        return ()
    return (given,) if isinstance(given, Scalar) else given


def read_steering_rad(outputs: Outputs, reader: OutputReader) -> float | None:
    """Angle of the steering wheel, left positive; None for a model without."""
    return None if outputs.steering is None else reader.number(outputs.steering)


def read_curvature(outputs: Outputs, reader: OutputReader, speed_mps: float) -> float | None:
    """Curvature to apply now, 1/m, left positive; None for a model that does not steer."""
    if outputs.curvature_per_m is not None:
        return reader.number(outputs.curvature_per_m)
    if outputs.steering is not None:
        road_wheel_rad = reader.number(outputs.steering) / outputs.steering.steering_ratio
        return float(np.tan(road_wheel_rad)) / outputs.steering.wheelbase_m
    if outputs.lateral_offset is not None:
        return arc_through(outputs.lateral_offset.ahead_m, reader.number(outputs.lateral_offset))
    if outputs.yaw_rate_rps is not None:
        return reader.number(outputs.yaw_rate_rps) / max(abs(speed_mps), LEAST_TURNING_SPEED_MPS)
    return None


def read_acceleration(outputs: Outputs, reader: OutputReader, speed_mps: float) -> float | None:
    """Acceleration to apply now, m/s²: the model's own, or the one that reaches its speed; None for neither."""
    if fields := accelerations(outputs):
        return sum(reader.number(field) for field in fields)
    if outputs.speed_mps is not None:
        return (reader.number(outputs.speed_mps) - speed_mps) / CONTROL_HORIZON_S
    return None


def arc_through(x_m: float, y_m: float) -> float:
    """Curvature of the arc that begins straight ahead and passes through a point, 1/m."""
    return 2 * y_m / (x_m * x_m + y_m * y_m)


def controls_of_path(trajectory: np.ndarray, speed_mps: float) -> tuple[float, float]:
    """Curvature and acceleration of the first second of a trajectory (16, 4)."""
    x, y, _, speed = (float(value) for value in trajectory[round(CONTROL_HORIZON_S / WAYPOINT_STEP_S) - 1])
    # A car that hardly moves has no direction of travel: centimetres would give any curvature.
    curvature = 2 * y / max(x * x + y * y, 1e-6)
    return (
        float(np.clip(curvature, -MAX_CURVATURE_PER_M, MAX_CURVATURE_PER_M)),
        (speed - speed_mps) / CONTROL_HORIZON_S,
    )


def roll_out(
    speed_mps: float, curvature_per_m: float, acceleration_mps2: float, accelerates_s: float = np.inf
) -> np.ndarray:
    """(16, 4): curvature and acceleration held constant; a braking car stops and does not reverse.

    Args:
        accelerates_s: after this time the speed stays as it is.
    """
    step_s = WAYPOINT_STEP_S / _STEPS_PER_WAYPOINT
    times_s = (np.arange(WAYPOINTS * _STEPS_PER_WAYPOINT) + 0.5) * step_s

    def speed_at(at_s: np.ndarray) -> np.ndarray:
        return np.maximum(speed_mps + acceleration_mps2 * np.minimum(at_s, accelerates_s), 0.0)

    speed = speed_at(times_s)
    travelled = np.cumsum(speed) * step_s
    middle_yaw = curvature_per_m * (travelled - speed * step_s / 2)
    x, y = np.cumsum(speed * np.cos(middle_yaw)) * step_s, np.cumsum(speed * np.sin(middle_yaw)) * step_s
    every = slice(_STEPS_PER_WAYPOINT - 1, None, _STEPS_PER_WAYPOINT)
    columns = [x[every], y[every], curvature_per_m * travelled[every], speed_at(WAYPOINT_TIMES_S)]
    return np.stack(columns, axis=1).astype(np.float32)
