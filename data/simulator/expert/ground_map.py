"""The asphalt of a world as a raster map: open ground and road."""

import math
from dataclasses import dataclass

import numpy as np

from fsd.data.kernel import kernel
from fsd.data.simulator.roads.road import CORNER_RADIUS_M, Road, side_arms

CELL_M = 0.5
OPEN_GROUND, ROAD = 0, 1
"""Values of the map."""

_MARGIN_M = 12.0


@dataclass(frozen=True)
class GroundMap:
    """`values[row, column]` int8 of the cell at x = `x_m` + `CELL_M` * row, y = `y_m` + `CELL_M` * column."""

    values: np.ndarray
    x_m: float
    y_m: float


def ground_map(road: Road) -> GroundMap:
    """The map of a whole road with its side arms; what lies outside it is open ground."""
    lines = [road.path.points[:, :2], *(_dense(arm) for arm in side_arms(road))]
    points = np.ascontiguousarray(np.concatenate(lines))
    low = points.min(axis=0) - road.half_width_m - _MARGIN_M
    size = np.ceil((points.max(axis=0) + road.half_width_m + _MARGIN_M - low) / CELL_M).astype(np.int64)
    values = np.zeros((int(size[0]), int(size[1])), np.int8)
    _paint_discs(values, low, points, road.half_width_m)
    for junction in road.junctions:
        frame = np.array([*junction.centre_m, junction.heading_rad])
        half = junction.half_m
        _paint_rectangle(values, low, frame, np.array([-half, half, -half, half]), ROAD, half)
    return GroundMap(values, float(low[0]), float(low[1]))


def _dense(line: np.ndarray) -> np.ndarray:
    """The points of a line every half metre."""
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    s = np.arange(0.0, at[-1], CELL_M)
    return np.stack([np.interp(s, at, line[:, 0]), np.interp(s, at, line[:, 1])], axis=1)


@kernel
def _paint_discs(values: np.ndarray, low: np.ndarray, points: np.ndarray, radius: float) -> None:
    """Mark what lies within `radius` of a point of a line as road."""
    reach = int(radius / CELL_M) + 1
    for index in range(len(points)):
        x, y = points[index, 0] - low[0], points[index, 1] - low[1]
        row, column = int(x / CELL_M), int(y / CELL_M)
        for i in range(max(row - reach, 0), min(row + reach + 1, values.shape[0])):
            for j in range(max(column - reach, 0), min(column + reach + 1, values.shape[1])):
                dx, dy = (i + 0.5) * CELL_M - x, (j + 0.5) * CELL_M - y
                if dx * dx + dy * dy <= radius * radius:
                    values[i, j] = ROAD


@kernel
def _paint_rectangle(
    values: np.ndarray, low: np.ndarray, frame: np.ndarray, sides: np.ndarray, value: int, rounded: float
) -> None:
    """Fill the part from x0 to x1 and y0 to y1 (`sides`) of a frame x, y, heading.

    With `rounded`, half the size of a junction's box, its corners are left out; they are pavement.
    """
    cos, sin = math.cos(frame[2]), math.sin(frame[2])
    reach = max(max(abs(sides[0]), abs(sides[1])), max(abs(sides[2]), abs(sides[3]))) * 1.5
    x, y = frame[0] - low[0], frame[1] - low[1]
    for i in range(max(int((x - reach) / CELL_M), 0), min(int((x + reach) / CELL_M) + 1, values.shape[0])):
        for j in range(max(int((y - reach) / CELL_M), 0), min(int((y + reach) / CELL_M) + 1, values.shape[1])):
            dx, dy = (i + 0.5) * CELL_M - x, (j + 0.5) * CELL_M - y
            ahead, left = dx * cos + dy * sin, dy * cos - dx * sin
            if sides[0] <= ahead <= sides[1] and sides[2] <= left <= sides[3]:
                corner = math.hypot(rounded - abs(ahead), rounded - abs(left))
                if rounded == 0.0 or corner >= CORNER_RADIUS_M:
                    values[i, j] = value
