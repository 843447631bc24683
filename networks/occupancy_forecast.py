"""Labels of the occupancy some seconds ahead, from the rows that were recorded later: where others will be.

NumPy only.
"""

from collections.abc import Mapping

import numpy as np

from fsd.data.frames import RATE_HZ
from fsd.networks.contract import (
    FORECAST_S,
    OCCUPANCY_BEHIND_M,
    OCCUPANCY_CELL_M,
    OCCUPANCY_COLUMNS,
    OCCUPANCY_LEFT_M,
    OCCUPANCY_ROWS,
)

UNKNOWN = -1


def forecast_labels(columns: Mapping[str, np.ndarray], every_ticks: int) -> np.ndarray:
    """(R, F, 24, 16) int8: 1, 0, or -1 unknown, at `FORECAST_S` after each row, in the car's frame at the row.

    Cells outside the later grid, rows without a later one, and those between which the motion is unknown, are unknown.

    Args:
        columns: `occupancy` (R, 24, 16), `ego` (R, 2) m/s and rad/s, and `ego_valid` (R, 1), of one recording;
            every_ticks: 36 Hz ticks from one row to the next.
    """
    occupancy = columns["occupancy"]
    rows, period_s = len(occupancy), float(every_ticks / RATE_HZ)
    poses = _driven(columns["ego"], period_s)
    gaps = np.concatenate([[0], np.cumsum(columns["ego_valid"][:, 0] < 0.5)])  # rows without motion before each row
    found = np.full((rows, len(FORECAST_S), *occupancy.shape[1:]), UNKNOWN, np.int8)
    for index, ahead_s in enumerate(FORECAST_S):
        later = round(ahead_s / period_s)
        for row in range(rows - later):
            if gaps[row + later] == gaps[row]:
                found[row, index] = _seen_from(occupancy[row + later], poses[row], poses[row + later])
    return found


def _driven(ego: np.ndarray, period_s: float) -> np.ndarray:
    """(R, 2) speed and yaw rate -> (R, 3) x, y, heading in the frame of the first row; midpoint rule."""
    turned, driven = ego[:-1, 1] * period_s, ego[:-1, 0] * period_s
    heading = np.concatenate([[0.0], np.cumsum(turned)])
    middle = heading[:-1] + 0.5 * turned
    x, y = (np.concatenate([[0.0], np.cumsum(driven * part(middle))]) for part in (np.cos, np.sin))
    return np.stack([x, y, heading], axis=1)


def _seen_from(grid: np.ndarray, pose: np.ndarray, grid_pose: np.ndarray) -> np.ndarray:
    """The grid of a car at `grid_pose` in the cells of one at `pose`: nearest cell, -1 outside."""
    dx, dy = grid_pose[:2] - pose[:2]
    forward = np.array([np.cos(pose[2]) * dx + np.sin(pose[2]) * dy, np.cos(pose[2]) * dy - np.sin(pose[2]) * dx])
    turn = grid_pose[2] - pose[2]
    x_m = ((np.arange(OCCUPANCY_ROWS) + 0.5) * OCCUPANCY_CELL_M - OCCUPANCY_BEHIND_M)[:, None] - forward[0]
    y_m = (OCCUPANCY_LEFT_M - (np.arange(OCCUPANCY_COLUMNS) + 0.5) * OCCUPANCY_CELL_M)[None] - forward[1]
    there_x, there_y = np.cos(turn) * x_m + np.sin(turn) * y_m, np.cos(turn) * y_m - np.sin(turn) * x_m
    row = np.floor((there_x + OCCUPANCY_BEHIND_M) / OCCUPANCY_CELL_M).astype(int)
    column = np.floor((OCCUPANCY_LEFT_M - there_y) / OCCUPANCY_CELL_M).astype(int)
    is_inside = (row >= 0) & (row < OCCUPANCY_ROWS) & (column >= 0) & (column < OCCUPANCY_COLUMNS)
    cells = grid[row.clip(0, OCCUPANCY_ROWS - 1), column.clip(0, OCCUPANCY_COLUMNS - 1)]
    found: np.ndarray = np.where(is_inside, cells, UNKNOWN)
    return found
