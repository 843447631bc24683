"""An ego track of a series of poses: speed and yaw rate by differences that use no later pose."""

from pathlib import Path

import numpy as np

from fsd.data.clock import check_times
from fsd.data.ego import STALE_NS, EgoTrack, count_wrong_rows, is_possible_pose

BASE_NS = 100_000_000
"""Speed and yaw rate are means over this time before a pose: over shorter ones, noise of the position dominates."""


def ego_track_of_poses(
    timestamp_ns: np.ndarray, x_m: np.ndarray, y_m: np.ndarray, yaw_rad: np.ndarray, source: str, notes: list[str]
) -> EgoTrack:
    """The track of the ego vehicle; rows are sorted by time, and of rows with the same time the first is taken.

    Args:
        timestamp_ns: (n,) int64, n at least 1.
        x_m, y_m, yaw_rad: (n,) position of the ego frame's origin and its heading in a world frame with z up; rows
            that are no pose are left out.
        source: where they come from; `notes`: how many were left out is appended.

    Returns:
        The track. Speed (forward positive) and yaw rate are NaN where no pose 0.05 to 0.5 s earlier exists.

    Raises:
        ClipError: no row is a pose.
        ClockError: a time is none in nanoseconds.
    """
    is_known = is_possible_pose(x_m, y_m, yaw_rad)
    count_wrong_rows(~is_known, source, notes)
    timestamp_ns, x_m, y_m, yaw_rad = (np.asarray(each)[is_known] for each in (timestamp_ns, x_m, y_m, yaw_rad))
    times_ns, rows = np.unique(np.asarray(timestamp_ns, np.int64), return_index=True)
    x_m, y_m, yaw_rad = (np.asarray(column, np.float64)[rows] for column in (x_m, y_m, yaw_rad))
    check_times(Path(source), "times of poses", times_ns)
    before = np.maximum(np.searchsorted(times_ns, times_ns - BASE_NS, side="right") - 1, 0)
    step_ns = times_ns - times_ns[before]
    step_s = np.where((step_ns >= BASE_NS // 2) & (step_ns <= STALE_NS), step_ns * 1e-9, np.nan)
    turn_rad = np.mod(yaw_rad - yaw_rad[before] + np.pi, 2 * np.pi) - np.pi
    heading_rad = yaw_rad - turn_rad / 2
    forward_m = (x_m - x_m[before]) * np.cos(heading_rad) + (y_m - y_m[before]) * np.sin(heading_rad)
    return EgoTrack(times_ns, forward_m / step_s, turn_rad / step_s, x_m, y_m, yaw_rad)
