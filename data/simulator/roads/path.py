"""Curves on the ground, sampled every half metre; conversion between distance along the curve and pose.

Plain geometry in metres and radians; it does not know what drives on a curve.
"""

import math

import numpy as np

from fsd.data.kernel import kernel

STEP_M = 0.5
"""Distance between neighbouring points of every path."""


@kernel
def pose_on_path(points: np.ndarray, s_m: float, d_m: float) -> tuple[float, float, float, float]:
    """x, y, heading and curvature at distance `s_m` along the path, `d_m` to its left; clamped to the path's ends."""
    position = min(max(s_m / STEP_M, 0.0), len(points) - 1.0 - 1e-9)
    index = int(position)
    part = position - index
    here, there = points[index], points[index + 1]
    heading = here[2] + part * (there[2] - here[2])
    x = here[0] + part * (there[0] - here[0]) - d_m * math.sin(heading)
    y = here[1] + part * (there[1] - here[1]) + d_m * math.cos(heading)
    return x, y, heading, here[3] + part * (there[3] - here[3])


@kernel
def project_on_path(
    points: np.ndarray, x_m: float, y_m: float, near_m: float, back_m: float, ahead_m: float
) -> tuple[float, float]:
    """Distance along and to the left of the path (s, d) of a point.

    The nearest point is searched from `near_m - back_m` to `near_m + ahead_m`; beyond the ends the first and last
    segments continue straight.
    """
    first = min(max(int((near_m - back_m) / STEP_M), 0), len(points) - 2)
    last = min(max(int((near_m + ahead_m) / STEP_M) + 2, first + 1), len(points))
    best, best_square = first, 1e18
    for index in range(first, last):
        square = (points[index, 0] - x_m) ** 2 + (points[index, 1] - y_m) ** 2
        if square < best_square:
            best, best_square = index, square
    heading = points[best, 2]
    dx, dy = x_m - points[best, 0], y_m - points[best, 1]
    along = dx * math.cos(heading) + dy * math.sin(heading)
    left = -dx * math.sin(heading) + dy * math.cos(heading)
    # Second order: on a bend the foot of the perpendicular is nearer than the tangent says.
    along /= max(1.0 - points[best, 3] * left, 0.2)
    return best * STEP_M + along, left


class RoutePath:
    """A curve as (N, 4) float64 points x, y, heading (unwrapped), curvature, every `STEP_M`."""

    def __init__(self, points: np.ndarray) -> None:
        self.points = np.ascontiguousarray(points, dtype=np.float64)
        self.length_m = (len(self.points) - 1) * STEP_M

    @classmethod
    def through(cls, vertices: np.ndarray) -> "RoutePath":
        """The path along (M, 2) vertices, resampled; the vertices must be dense where it bends."""
        steps = np.hypot(*np.diff(vertices, axis=0).T)
        keep = np.concatenate([[True], steps > 1e-6])
        vertices, steps = vertices[keep], steps[steps > 1e-6]
        distance = np.concatenate([[0.0], np.cumsum(steps)])
        s = np.arange(0.0, distance[-1], STEP_M)
        x, y = np.interp(s, distance, vertices[:, 0]), np.interp(s, distance, vertices[:, 1])
        heading = np.unwrap(np.arctan2(np.gradient(y), np.gradient(x)))
        return cls(np.stack([x, y, heading, np.gradient(heading) / STEP_M], axis=1))

    def pose(self, s_m: float, d_m: float = 0.0) -> tuple[float, float, float, float]:
        """x, y, heading, curvature of the path at `s_m`, `d_m` to the left."""
        return pose_on_path(self.points, s_m, d_m)

    def poses(self, s_m: np.ndarray, d_m: np.ndarray | float = 0.0) -> np.ndarray:
        """(n, 3) x, y, heading for many distances at once."""
        position = np.clip(np.asarray(s_m, dtype=np.float64) / STEP_M, 0, len(self.points) - 1)
        index = np.arange(len(self.points))
        x, y, heading = (np.interp(position, index, self.points[:, column]) for column in range(3))
        return np.stack([x - d_m * np.sin(heading), y + d_m * np.cos(heading), heading], axis=1)

    def project(
        self, x_m: float, y_m: float, near_m: float, back_m: float = 6.0, ahead_m: float = 12.0
    ) -> tuple[float, float]:
        """(s, d) of a point, searched around `near_m`."""
        return project_on_path(self.points, x_m, y_m, near_m, back_m, ahead_m)
