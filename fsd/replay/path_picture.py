"""The drive from above: where the car went, and what it planned on the way. Poses and plans in, SVG out."""

from collections.abc import Sequence

import numpy as np

MAX_PLANS = 60
MAX_PATH_POINTS = 600
FLATTEST = 0.24
"""Height over width of the picture at least: a straight road would be a hair line otherwise."""


def drive_picture(poses: np.ndarray, plans: np.ndarray, marks: Sequence[tuple[int, str, str]]) -> tuple[str, float]:
    """The driven path in the world with the plans of every second or so.

    Args:
        poses: (T, 3+) x m, y m, yaw rad of every tick, NaN where unknown; plans: (T, P, 2+) in the ego frame.
        marks: (row, label, link) of places to number.

    Returns:
        SVG, turned so that the drive goes from left to right; and the metres between its grid lines.
    """
    known = np.flatnonzero(np.isfinite(poses[:, :3]).all(axis=1))
    poses, rows = poses[known], {int(row): place for place, row in enumerate(known)}
    step = max(12, len(poses) // MAX_PLANS)
    shown = np.arange(0, len(poses), step)
    heading = _direction(poses[:, :2])
    turn = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
    origin = poses[0, :2]
    path = (poses[:: max(1, len(poses) // MAX_PATH_POINTS), :2] - origin) @ turn.T
    fans = [_in_world(poses[row], plans[known[row]], origin) @ turn.T for row in shown]
    numbered = [((poses[rows[row], :2] - origin) @ turn.T, label, link) for row, label, link in marks if row in rows]
    return _svg(path, fans, numbered)


def fan_picture(plans: np.ndarray) -> tuple[str, float]:
    """All plans laid over each other in the ego frame, for a recording without a driven path.

    Args:
        plans: (T, P, 2+) x m, y m.
    """
    chosen = plans[:: max(1, len(plans) // (2 * MAX_PLANS)), :, :2]
    start = np.zeros((len(chosen), 1, 2))
    return _svg(None, list(np.concatenate([start, chosen], axis=1)), [])


def _direction(path: np.ndarray) -> float:
    """Angle of the line from the start to the place farthest from it."""
    away = path - path[0]
    farthest = away[int(np.argmax(np.hypot(away[:, 0], away[:, 1])))]
    return float(np.arctan2(farthest[1], farthest[0]))


def _in_world(pose: np.ndarray, plan: np.ndarray, origin: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    points = np.concatenate([np.zeros((1, 2)), plan[:, :2]])
    return points @ np.array([[cos, sin], [-sin, cos]]) + pose[:2] - origin


def _svg(
    path: np.ndarray | None, fans: list[np.ndarray], marks: Sequence[tuple[np.ndarray, str, str]]
) -> tuple[str, float]:
    points = np.concatenate([*fans, *([path] if path is not None else [])])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.05 * max(float((high - low).max()), 5.0)
    low, high = low - margin, high + margin
    too_flat = max(0.0, FLATTEST * (high[0] - low[0]) - (high[1] - low[1]))
    low[1] -= too_flat / 2
    high[1] += too_flat / 2
    width, height = high - low
    grid_m = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**6) if width / step <= 14)

    def place(points: np.ndarray) -> np.ndarray:
        return np.stack([points[..., 0] - low[0], high[1] - points[..., 1]], axis=-1)

    def line(points: np.ndarray, name: str) -> str:
        words = " ".join(f"{x:.2f},{y:.2f}" for x, y in place(points))
        return f"<polyline class='{name}' points='{words}' />"

    grid = "".join(
        f"<line class=grid x1={x:.2f} x2={x:.2f} y1=0 y2={height:.2f} />" for x in np.arange(grid_m, width, grid_m)
    ) + "".join(
        f"<line class=grid x1=0 x2={width:.2f} y1={y:.2f} y2={y:.2f} />" for y in np.arange(grid_m, height, grid_m)
    )
    lines = "".join(line(fan, "plan") for fan in fans)
    if path is not None:
        lines += line(path, "driven")
    start = place(np.zeros(2))
    dot = f"<circle class=start cx={start[0]:.2f} cy={start[1]:.2f} r={width / 130:.2f} />"
    spots = "".join(
        f"<a class=mark href='{link}' style='left:{x / width * 100:.2f}%;top:{y / height * 100:.2f}%'>{label}</a>"
        for spot, label, link in marks
        for x, y in [place(spot)]
    )
    svg = f"<svg class=map viewBox='0 0 {width:.2f} {height:.2f}' aria-hidden=true>{grid}{lines}{dot}</svg>"
    return f"<div class=area-map>{svg}{spots}</div>", float(grid_m)
