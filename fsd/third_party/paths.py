"""A model's path: read its points out of the outputs, and resample them to the contract's trajectory.

Arithmetic only: it knows neither files nor runtimes. Ego frame: x forward, y left, metres, seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINT_TIMES_S, WAYPOINTS
from fsd.third_party.interpolation import interpolate
from fsd.third_party.output_fields import Place, Waypoints
from fsd.third_party.output_reader import OutputReader

LEAST_SPEED_MPS = 0.04
"""A car that is slower has no direction of travel, and keeps its heading."""

LEAST_SCALE, MOST_SCALE = 1e-6, 1e6
"""Bounds of an uncertainty: one of 0 would be infinitely sure, and a logarithm may be any number."""

_SUBSTEPS = 10
"""Steps between two waypoints in which the rear axle is drawn along behind a point ahead of it."""

_COLUMNS = ("x_m", "y_m", "yaw_rad", "v_mps")


@dataclass(frozen=True)
class ModelPath:
    """A path as the model gave it, in ISO 8855 and metres.

    Attributes:
        times_s: (P,) of the points, rising, 0 or later.
        columns: `x_m`, `y_m`, and where the model has them `yaw_rad` and `v_mps`, (P,) each.
        scales: uncertainty of the same columns, above 0; empty if the model has none.
        origin_x_m: the point of the car whose path it is, ahead of the rear axle.
    """

    times_s: np.ndarray
    columns: Mapping[str, np.ndarray]
    scales: Mapping[str, np.ndarray]
    origin_x_m: float = 0.0


def point_times_s(waypoints: Waypoints) -> np.ndarray:
    """(P,) of every point."""
    if waypoints.step_s is None:
        return np.array(waypoints.times_s, np.float64)
    return np.arange(1, waypoints.points + 1) * waypoints.step_s


def read_path(waypoints: Waypoints, reader: OutputReader) -> ModelPath:
    """The path of the route command, and of several the most probable one."""
    place = waypoints.by_command.get(reader.command, Place())
    name, start = place.name or waypoints.name, waypoints.start if place.start is None else place.start
    moved = start - waypoints.start
    mixture, chosen = waypoints.mixture, 0
    if mixture is not None:
        own = mixture.probability_name is None
        first = mixture.probability_start + (moved if own else 0)
        values = reader.part(mixture.probability_name or name, first, mixture.count, mixture.probability_stride)
        chosen = int(np.argmax(values)) * mixture.stride
    columns = _read_columns(waypoints, reader, name, start + chosen)
    scales: dict[str, np.ndarray] = {}
    if waypoints.scale_start is not None:
        own = waypoints.scale_name is None
        first = waypoints.scale_start + (moved if own else 0) + chosen
        scales = _read_columns(waypoints, reader, waypoints.scale_name or name, first)
        if waypoints.scale_is_log:
            scales = {column: np.exp(values) for column, values in scales.items()}
    for column in ("x_m", "y_m"):
        columns[column] = columns[column] * waypoints.scale
        if column in scales:
            scales[column] = scales[column] * abs(waypoints.scale)
        if waypoints.are_steps:
            columns[column] = np.cumsum(columns[column])
            if column in scales:  # of a sum of independent steps
                scales[column] = np.sqrt(np.cumsum(scales[column] ** 2))
    if waypoints.y_is_right:
        columns |= {column: -columns[column] for column in ("y_m", "yaw_rad") if column in columns}
    scales = {column: bounded_scale(values) for column, values in scales.items()}
    return ModelPath(point_times_s(waypoints), columns, scales, waypoints.origin_x_m)


def bounded_scale(values: np.ndarray | float) -> np.ndarray:
    """An uncertainty within the bounds."""
    return np.clip(values, LEAST_SCALE, MOST_SCALE)


def _read_columns(waypoints: Waypoints, reader: OutputReader, name: str, start: int) -> dict[str, np.ndarray]:
    """Column -> (P,) of a block of numbers; columns to ignore are not read."""
    points, width = waypoints.points, len(waypoints.columns)
    columns: dict[str, np.ndarray] = {}
    for index, column in enumerate(waypoints.columns):
        if column == "ignore":
            continue
        first, stride = (index * points, 1) if waypoints.by_column else (index, width)
        columns[column] = reader.part(name, start + first, points, stride)
    return columns


def speed_at_start(path: ModelPath) -> float:
    """Of the car now, by the path alone; m/s."""
    if "v_mps" in path.columns:
        return float(path.columns["v_mps"][0])
    x, y, times_s = path.columns["x_m"], path.columns["y_m"], path.times_s
    if times_s[0] > 0:
        return float(np.hypot(x[0], y[0]) / times_s[0])
    return float(np.hypot(x[1] - x[0], y[1] - y[0]) / (times_s[1] - times_s[0]))


def resample(path: ModelPath, speed_mps: float) -> np.ndarray:
    """(16, 4) float32 x m, y m, yaw rad, v m/s of the rear axle at `WAYPOINT_TIMES_S`.

    After the model's last point the motion continues at constant velocity.

    Args:
        speed_mps: of the car now.
    """
    times_s, columns = _from_now_on(path, speed_mps)
    yaw = np.unwrap(columns["yaw_rad"]) if "yaw_rad" in columns else None
    x, y = columns["x_m"], columns["y_m"]
    if yaw is not None:  # a rigid car
        x = x + path.origin_x_m * (1 - np.cos(yaw))
        y = y - path.origin_x_m * np.sin(yaw)
    points = np.stack([x, y], axis=1)
    if yaw is None and path.origin_x_m > 0:
        poses = _drawn_along(times_s, points, path.origin_x_m)
    else:
        positions, velocities = interpolate(WAYPOINT_TIMES_S, times_s, points)
        heading = _heading(velocities) if yaw is None else np.interp(WAYPOINT_TIMES_S, times_s, yaw)
        poses = np.column_stack([positions, heading, np.hypot(velocities[:, 0], velocities[:, 1])])
    if "v_mps" in columns:
        poses[:, 3] = np.interp(WAYPOINT_TIMES_S, times_s, columns["v_mps"])
    return poses.astype(np.float32)


def resample_scales(path: ModelPath) -> np.ndarray:
    """(16, 4) float32, uncertainty at `WAYPOINT_TIMES_S`; constant outside the model's points, 1 if unknown."""
    scales = np.ones((WAYPOINTS, len(_COLUMNS)), np.float32)
    for index, column in enumerate(_COLUMNS):
        if column in path.scales:
            scales[:, index] = np.interp(WAYPOINT_TIMES_S, path.times_s, path.scales[column])
    return scales


def moved_on(trajectory: np.ndarray, elapsed_s: float) -> np.ndarray:
    """The rest of a trajectory, (16, 4), for a car that has followed it for `elapsed_s`, in the car's frame by then."""
    if elapsed_s == 0:
        return trajectory.copy()
    times_s = np.append(0.0, WAYPOINT_TIMES_S)
    wanted_s = times_s + elapsed_s
    rows = np.vstack([np.zeros(4), trajectory])
    positions, _ = interpolate(wanted_s, times_s, rows[:, :2])
    yaw = np.interp(wanted_s, times_s, rows[:, 2])
    speed = np.interp(wanted_s[1:], WAYPOINT_TIMES_S, rows[1:, 3])
    cos, sin = np.cos(yaw[0]), np.sin(yaw[0])
    moved = (positions[1:] - positions[0]) @ np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([moved, yaw[1:] - yaw[0], speed]).astype(np.float32)


def _from_now_on(path: ModelPath, speed_mps: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The path with a point at 0 s: the model's own, or where the car is now."""
    if path.times_s[0] == 0:
        return path.times_s, dict(path.columns)
    now = {"v_mps": speed_mps}
    return np.append(0.0, path.times_s), {
        column: np.append(now.get(column, 0.0), values) for column, values in path.columns.items()
    }


def _heading(velocities: np.ndarray) -> np.ndarray:
    """(N,) direction of travel without jumps of a whole turn; a car that hardly moves keeps the one before, first 0."""
    is_moving = np.hypot(velocities[:, 0], velocities[:, 1]) > LEAST_SPEED_MPS
    last = np.maximum.accumulate(np.where(is_moving, np.arange(len(velocities)), -1))
    heading = np.append(np.arctan2(velocities[:, 1], velocities[:, 0]), 0.0)[last]  # -1: no row before moved
    return np.unwrap(np.append(0.0, heading))[1:]


def _drawn_along(times_s: np.ndarray, points: np.ndarray, ahead_m: float) -> np.ndarray:
    """(16, 4): a rear axle that does not slip, `ahead_m` behind a point whose path is known."""
    fine_s = np.arange(1, WAYPOINTS * _SUBSTEPS + 1) * (WAYPOINT_STEP_S / _SUBSTEPS)
    fronts, velocities = interpolate(fine_s, times_s, points)
    poses, rear = np.empty((len(fine_s), 4)), np.zeros(2)
    for row, front in enumerate(fronts + np.array([ahead_m, 0.0])):
        axis = front - rear
        axis /= max(float(np.hypot(*axis)), 1e-9)
        rear = front - ahead_m * axis
        poses[row] = *rear, np.arctan2(axis[1], axis[0]), abs(axis @ velocities[row])
    poses[:, 2] = np.unwrap(poses[:, 2])
    return poses[_SUBSTEPS - 1 :: _SUBSTEPS]
