"""Turn a plan into controls: follow the planned path by pure pursuit, and the planned speed.

Knows only the plan and how the car has moved since; it applies no traffic rules.

Source: R. C. Coulter, Implementation of the Pure Pursuit Path Tracking Algorithm, CMU-RI-TR-92-01.
"""

import math

import numpy as np

from fsd.data.frames import RATE_HZ, TICK_S
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.runtime.plan import Plan

LOOK_AHEAD_S, SHORTEST_LOOK_AHEAD_M = 0.7, 3.0
"""The tracker steers for the point of the plan at this time or distance ahead, whichever is further."""
SPEED_AHEAD_S = 0.5
"""Time within which the planned speed is to be reached."""


class Tracker:
    """Follows the newest plan: `follow` sets it, `controls` returns the controls of the tick.

    The car's motion since the plan was made is removed from its waypoints.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Clear plan and motion."""
        self._plan: Plan | None = None
        self._poses: dict[int, tuple[float, float, float]] = {}
        self._pose = (0.0, 0.0, 0.0)

    def move(self, tick: int, speed_mps: float, yaw_rate_rps: float) -> None:
        """Add the car's motion during the tick before `tick`, by dead reckoning from the first tick."""
        x, y, heading = self._pose
        middle = heading + 0.5 * yaw_rate_rps * TICK_S
        step = speed_mps * TICK_S
        self._pose = (x + step * math.cos(middle), y + step * math.sin(middle), heading + yaw_rate_rps * TICK_S)
        self._poses[tick] = self._pose
        self._poses.pop(tick - 2 * int(RATE_HZ), None)

    def follow(self, plan: Plan) -> None:
        """Follow this plan, made at `plan.tick`, from now on."""
        self._plan = plan

    def controls(self, speed_mps: float) -> tuple[float, float]:
        """Curvature 1/m and acceleration m/s² now; (0, 0) before the first plan."""
        plan = self._plan
        if plan is None:
            return 0.0, 0.0
        points, age_s = self._points(plan)
        speeds = np.concatenate([[speed_mps], plan.trajectory[:, 3]])
        at_s = np.arange(len(speeds)) * WAYPOINT_STEP_S
        wanted = float(np.interp(age_s + SPEED_AHEAD_S, at_s, speeds))
        return self._curvature(plan, points, speed_mps), (wanted - speed_mps) / SPEED_AHEAD_S

    def _points(self, plan: Plan) -> tuple[np.ndarray, float]:
        """(16, 2) waypoints in the present ego frame, and the plan's age in seconds."""
        made_x, made_y, made_heading = self._poses.get(plan.tick, self._pose)
        x, y, heading = self._pose
        age_s = (max(self._poses, default=plan.tick) - plan.tick) * TICK_S
        cos, sin = math.cos(made_heading), math.sin(made_heading)
        world = plan.trajectory[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + [made_x - x, made_y - y]
        cos, sin = math.cos(heading), math.sin(heading)
        return world @ np.array([[cos, -sin], [sin, cos]]), age_s

    def _curvature(self, plan: Plan, points: np.ndarray, speed_mps: float) -> float:
        """Curvature 1/m of the arc to the point ahead; the plan's own if the plan ends before that point."""
        ahead_m = max(LOOK_AHEAD_S * speed_mps, SHORTEST_LOOK_AHEAD_M)
        distance = np.hypot(points[:, 0], points[:, 1])
        beyond = np.flatnonzero((distance >= ahead_m) & (points[:, 0] > 0))
        if not len(beyond):
            return plan.curvature_per_m
        end = int(beyond[0])
        start = points[end - 1] if end else np.zeros(2)
        near = float(np.hypot(*start))
        share = (ahead_m - near) / max(float(distance[end]) - near, 1e-6)
        x, y = start + min(max(share, 0.0), 1.0) * (points[end] - start)
        return float(2.0 * y / max(x * x + y * y, 1e-6))
