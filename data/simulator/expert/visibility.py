"""Visibility from the ego car: houses and, for the occupancy grid, other vehicles hide what is behind them.

A plan view with straight lines of sight from the cameras' common viewpoint; heights are ignored.
"""

import math

import numpy as np

from fsd.data.kernel import kernel

EYE_AHEAD_M = 1.5
"""Distance from the rear axle to the cameras' common viewpoint."""

NEAR_M = 12.0
"""Objects nearer than this are always visible: some camera sees past any obstacle."""


@kernel
def crossing(box: np.ndarray, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float]:
    """The part of the segment from (x0, y0) to (x1, y1), as shares of its length, in a box: x, y, heading, half length,
    half width. The second is not larger than the first where they do not meet.

    Source: the slab method, A. Williams et al., An efficient and robust ray-box intersection algorithm, 2005.
    """
    cos, sin = math.cos(box[2]), math.sin(box[2])
    ax, ay = (x0 - box[0]) * cos + (y0 - box[1]) * sin, -(x0 - box[0]) * sin + (y0 - box[1]) * cos
    bx, by = (x1 - box[0]) * cos + (y1 - box[1]) * sin, -(x1 - box[0]) * sin + (y1 - box[1]) * cos
    enter, leave = 0.0, 1.0
    for start, step, half in ((ax, bx - ax, box[3]), (ay, by - ay, box[4])):
        if abs(step) < 1e-9:
            if abs(start) > half:
                return 1.0, 0.0
            continue
        near, far = (-half - start) / step, (half - start) / step
        enter, leave = max(enter, min(near, far)), min(leave, max(near, far))
    return enter, leave


@kernel
def visible(eye_x: float, eye_y: float, targets: np.ndarray, blockers: np.ndarray, sight_m: float) -> np.ndarray:
    """(n,) bool: whether the middle or an end of each target box can be seen.

    Args:
        eye_x, eye_y: position of the cameras.
        targets: (n, 5) boxes x, y, heading, half length, half width.
        blockers: (m, 5) boxes that hide what is behind them; a target never hides itself.
        sight_m: objects farther away are not visible.
    """
    seen = np.zeros(len(targets), dtype=np.bool_)
    for row in range(len(targets)):
        x, y, heading, half = targets[row, 0], targets[row, 1], targets[row, 2], targets[row, 3]
        distance = math.hypot(x - eye_x, y - eye_y)
        if distance > sight_m:
            continue
        seen[row] = distance < NEAR_M
        for end in (0.0, 1.0, -1.0):
            if seen[row]:
                break
            tx, ty = x + end * half * math.cos(heading), y + end * half * math.sin(heading)
            clear = True
            for other in range(len(blockers)):
                if math.hypot(blockers[other, 0] - x, blockers[other, 1] - y) < 0.5:
                    continue
                enter, leave = crossing(blockers[other], eye_x, eye_y, tx, ty)
                if enter < leave:
                    clear = False
                    break
            seen[row] = clear
    return seen
