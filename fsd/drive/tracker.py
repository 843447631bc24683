"""From a plan to the pedals and the wheel: follows the planned path by pure pursuit, and its speed.

Arithmetic only, no rule of the road. It knows the plan and how the car has moved since; it sees nothing else.

Source: R. C. Coulter, Implementation of the Pure Pursuit Path Tracking Algorithm, CMU-RI-TR-92-01.
"""

import math
from dataclasses import dataclass

import numpy as np

from fsd.data.frames import RATE_HZ, TICK_S
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.runtime.plan import Plan


@dataclass(frozen=True)
class TrackerConfig:
    """How far ahead the tracker looks.

    Attributes:
        look_ahead_s, shortest_m: distance along the plan of the point that is steered for.
        speed_ahead_s: the planned speed at this time is to be reached by then.
    """

    look_ahead_s: float = 0.7
    shortest_m: float = 3.0
    speed_ahead_s: float = 0.5

    def __post_init__(self) -> None:
        for name in ("look_ahead_s", "shortest_m", "speed_ahead_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}.")


class Tracker:
    """Follows the newest plan that it was given, tick by tick.

    `follow` takes a plan over; `controls` answers for the tick, with the car's motion since the plan taken out.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self.reset()

    def reset(self) -> None:
        """Forget plan and motion."""
        self._plan: Plan | None = None
        self._poses: dict[int, tuple[float, float, float]] = {}
        self._pose = (0.0, 0.0, 0.0)

    def move(self, tick: int, speed_mps: float, yaw_rate_rps: float) -> None:
        """The car's motion during the tick before `tick`: dead reckoning in a frame of our own."""
        x, y, heading = self._pose
        middle = heading + 0.5 * yaw_rate_rps * TICK_S
        step = speed_mps * TICK_S
        self._pose = (x + step * math.cos(middle), y + step * math.sin(middle), heading + yaw_rate_rps * TICK_S)
        self._poses[tick] = self._pose
        self._poses.pop(tick - 2 * int(RATE_HZ), None)

    def follow(self, plan: Plan) -> None:
        """From now on follow this plan, made at `plan.tick`."""
        self._plan = plan

    def controls(self, speed_mps: float) -> tuple[float, float]:
        """Curvature 1/m and acceleration m/s² now; (0, 0) before the first plan."""
        plan = self._plan
        if plan is None:
            return 0.0, 0.0
        points, age_s = self._points(plan)
        speeds = np.concatenate([[speed_mps], plan.trajectory[:, 3]])
        at_s = np.arange(len(speeds)) * WAYPOINT_STEP_S
        wanted = float(np.interp(age_s + self.config.speed_ahead_s, at_s, speeds))
        return self._curvature(plan, points, speed_mps), (wanted - speed_mps) / self.config.speed_ahead_s

    def _points(self, plan: Plan) -> tuple[np.ndarray, float]:
        """(16, 2) waypoints in the car's frame of now, and the plan's age."""
        made_x, made_y, made_heading = self._poses.get(plan.tick, self._pose)
        x, y, heading = self._pose
        age_s = (max(self._poses, default=plan.tick) - plan.tick) * TICK_S
        cos, sin = math.cos(made_heading), math.sin(made_heading)
        world = plan.trajectory[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + [made_x - x, made_y - y]
        cos, sin = math.cos(heading), math.sin(heading)
        return world @ np.array([[cos, -sin], [sin, cos]]), age_s

    def _curvature(self, plan: Plan, points: np.ndarray, speed_mps: float) -> float:
        """Of the arc to the point ahead; the plan's own where the plan is too short to aim at."""
        ahead_m = max(self.config.look_ahead_s * speed_mps, self.config.shortest_m)
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
