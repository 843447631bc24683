"""The drive from above: the driven path and the plans along it. Poses and plans in, SVG out."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from fsd.html.axes import round_step
from fsd.html.charts import picture_with_marks
from fsd.html.svg import element, line_path
from fsd.scoring.baseline_plans import rotated

MAX_PLANS = 60
MAX_PATH_POINTS = 600
MIN_HEIGHT_SHARE = 0.24
"""Smallest height over width, so that a straight road does not give a flat drawing."""


def draw_drive(
    poses: np.ndarray, plans: np.ndarray, marks: Sequence[tuple[int, str, str]], run: np.ndarray
) -> tuple[Markup, float]:
    """The driven path in the world, with at most about `MAX_PLANS` plans.

    Args:
        poses: (T, 3+) x m, y m, yaw rad of every tick, NaN where unknown; plans: (T, P, 2+) in the ego frame.
        marks: (row, label, link) of positions to mark; run: (T,) number of the part without a gap.

    Returns:
        The SVG, rotated so that the drive runs from left to right; and the metres between its grid lines.
    """
    known = np.flatnonzero(np.isfinite(poses[:, :3]).all(axis=1))
    poses, rows = poses[known], {int(row): place for place, row in enumerate(known)}
    step = max(12, len(poses) // MAX_PLANS)
    shown = np.arange(0, len(poses), step)
    away = poses[:, :2] - poses[0, :2]
    heading = np.arctan2(*away[np.argmax(np.hypot(*away.T))][::-1])  # to the pose farthest from the start
    turn = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
    kept = np.arange(0, len(poses), max(1, len(poses) // MAX_PATH_POINTS))
    path = away[kept] @ turn.T
    path = np.insert(path, np.flatnonzero(np.diff(run[known][kept])) + 1, np.nan, axis=0)
    plans = np.pad(plans[known[shown], :, :2], ((0, 0), (1, 0), (0, 0)))  # from the rear axle on
    plans = rotated(plans, poses[shown, 2:3]) + away[shown, None]
    fans = list(plans @ turn.T)
    numbered = [(away[rows[row]] @ turn.T, label, link) for row, label, link in marks if row in rows]
    return _draw(path, fans, numbered)


def draw_plans(plans: np.ndarray) -> tuple[Markup, float]:
    """Plans (T, P, 2+) x m, y m over each other in the ego frame, for a recording without a driven path."""
    chosen = plans[:: max(1, len(plans) // (2 * MAX_PLANS)), :, :2]
    return _draw(None, list(np.pad(chosen, ((0, 0), (1, 0), (0, 0)))), [])


def _draw(
    path: np.ndarray | None, fans: list[np.ndarray], marks: Sequence[tuple[np.ndarray, str, str]]
) -> tuple[Markup, float]:
    points = np.concatenate([*fans, *([path] if path is not None else [])])
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    margin = 0.05 * max(float((high - low).max()), 5.0)
    low, high = low - margin, high + margin
    too_flat = max(0.0, MIN_HEIGHT_SHARE * (high[0] - low[0]) - (high[1] - low[1]))
    low[1] -= too_flat / 2
    high[1] += too_flat / 2
    width, height = (float(size) for size in high - low)
    grid_m = max(1.0, round_step(width / 14))

    def placed(points: np.ndarray) -> np.ndarray:
        return np.stack([points[..., 0] - low[0], high[1] - points[..., 1]], axis=-1)

    def line(points: np.ndarray, css: str, **style: float) -> Markup:
        return element("path", css=css, d=line_path(*placed(points).T), **style)

    shapes = [element("path", css="grid", d=f"M{x:.2f} 0V{height:.2f}") for x in np.arange(grid_m, width, grid_m)]
    shapes += [element("path", css="grid", d=f"M0 {y:.2f}H{width:.2f}") for y in np.arange(grid_m, height, grid_m)]
    shapes += [line(fan, "line blue thin") for fan in fans]
    if path is not None:
        shapes.append(line(path, "line ink thick"))
    x, y = placed(np.zeros(2))
    shapes.append(element("circle", css="ink", cx=float(x), cy=float(y), r=width / 130))
    svg = element("svg", *shapes, css="map", viewBox=f"0 0 {width:.2f} {height:.2f}", aria_hidden="true")
    links = [
        (f"{x / width * 100:.2f}", f"{y / height * 100:.2f}", label, link)
        for spot, label, link in marks
        for x, y in [placed(spot)]
    ]
    return picture_with_marks(svg, links), grid_m
