"""What a stretch of a data set says that the car did, and the plans of planners that see nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fsd.data.ego import EgoTrack
from fsd.data.steering import SteeringGeometry
from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINTS
from fsd.networks.drives.recorded_dataset import RecordedDataset, Stretch
from fsd.networks.recorded_labels import label_track
from fsd.scoring.baseline_plans import Plans, constant_velocity, hold_last


@dataclass(frozen=True)
class Driven:
    """The labels of a stretch, row by row; NaN where unknown.

    Attributes:
        trajectory: (T, 16, 4), curvature_per_m, acceleration_mps2, speed_mps, yaw_rate_rps: (T,).
        timestamp_ns: (T,) int64; is_used: (T,) bool, rows to score.
        steering: geometry of the car where the curvature is that of its steering wheel; None elsewhere.
    """

    trajectory: np.ndarray
    curvature_per_m: np.ndarray
    acceleration_mps2: np.ndarray
    speed_mps: np.ndarray
    yaw_rate_rps: np.ndarray
    timestamp_ns: np.ndarray
    is_used: np.ndarray
    steering: SteeringGeometry | None

    def __len__(self) -> int:
        return len(self.timestamp_ns)


def driven(data: RecordedDataset, stretch: Stretch, steering: SteeringGeometry | None = None) -> Driven:
    """The labels of a stretch of a data set."""
    labels = data.labels_of(stretch.clip).rows(np.arange(stretch.begin, stretch.end))
    is_used = np.zeros(len(stretch), bool)
    for begin, end in stretch.used:
        is_used[begin - stretch.begin : end - stretch.begin] = True
    ego = np.where(labels["ego_valid"] > 0, labels["ego"], np.nan).astype(np.float64)
    return Driven(
        trajectory=labels["trajectory"].astype(np.float64),
        curvature_per_m=labels["curvature"][:, 0].astype(np.float64),
        acceleration_mps2=labels["acceleration"][:, 0].astype(np.float64),
        speed_mps=ego[:, 0],
        yaw_rate_rps=ego[:, 1],
        timestamp_ns=labels["timestamp_ns"].astype(np.int64),
        is_used=is_used,
        steering=steering,
    )


def baseline_plans(labels: Driven, mean: Plans | None) -> dict[str, Plans]:
    """Planner -> its plans over a stretch, NaN where it has none.

    Args:
        mean: the mean path of the training part, one row; None without one.
    """
    track = _track(labels)
    times_ns, rows = labels.timestamp_ns, len(labels)
    if track is None:
        unknown, still = np.full((rows, WAYPOINTS, 4), np.nan), np.zeros(rows)
        found = {
            "constant_velocity": Plans(unknown, still, still),
            "hold_last": Plans(unknown, _earlier_curvature(labels), np.full(rows, np.nan)),
        }
    else:
        has_ego = np.isfinite(labels.speed_mps) & np.isfinite(labels.yaw_rate_rps)
        found = {
            name: _only(planner(track, times_ns), has_ego)
            for name, planner in (("constant_velocity", constant_velocity), ("hold_last", hold_last))
        }
    if mean is not None:
        first = np.zeros(rows, np.int64)
        found["mean_path"] = Plans(mean.trajectory[first], mean.curvature_per_m[first], mean.acceleration_mps2[first])
    return found


def mean_plan(stretches: Iterable[Driven]) -> Plans | None:
    """The mean of all rows to learn from: one row, NaN where nothing is known; None without any row."""
    total, count = np.zeros(WAYPOINTS * 4 + 2), np.zeros(WAYPOINTS * 4 + 2)
    for each in stretches:
        table = np.column_stack([each.trajectory.reshape(len(each), -1), each.curvature_per_m, each.acceleration_mps2])[
            each.is_used
        ]
        known = np.isfinite(table)
        total += np.where(known, table, 0).sum(axis=0)
        count += known.sum(axis=0)
    if not count.any():
        return None
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return Plans(mean[:-2].reshape(1, WAYPOINTS, 4), mean[-2:-1], mean[-1:])


def _track(labels: Driven) -> EgoTrack | None:
    """Speed and yaw rate at the recorded ticks, integrated; None where fewer than two rows know them."""
    nothing = np.full(len(labels), np.nan)
    ego = EgoTrack(labels.timestamp_ns, labels.speed_mps, labels.yaw_rate_rps, nothing, nothing, nothing)
    found = label_track(ego)
    return None if found is None else found[0]


def _earlier_curvature(labels: Driven) -> np.ndarray:
    """(T,) that of the newest row at least one waypoint step before each tick; 0 where there is none."""
    step_ns = round(WAYPOINT_STEP_S * 1e9)
    row = np.searchsorted(labels.timestamp_ns, labels.timestamp_ns - step_ns, side="right") - 1
    return np.where(row >= 0, np.nan_to_num(labels.curvature_per_m[np.maximum(row, 0)]), 0.0)


def _only(plans: Plans, is_known: np.ndarray) -> Plans:
    """The plans of some ticks: between rows with ego motion, those would use later ones."""
    return Plans(
        np.where(is_known[:, None, None], plans.trajectory, np.nan),
        np.where(is_known, plans.curvature_per_m, np.nan),
        np.where(is_known, plans.acceleration_mps2, np.nan),
    )
