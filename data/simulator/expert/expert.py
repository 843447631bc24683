"""The expert driver: controls and plans for any state of a world, whichever driver reached it."""

import numpy as np

from fsd.data.simulator.expert.perception import situation
from fsd.data.simulator.traffic.driver import Situation, drive, roll_out
from fsd.data.simulator.world import World

WAYPOINTS, WAYPOINT_STEP_S = 16, 0.25
"""As in the network's contract, which `data` may not import; a test compares the two."""


def expert_controls(world: World) -> tuple[float, float]:
    """Curvature 1/m and acceleration m/s² of the expert in the current state."""
    return controls_for(situation(world))


def controls_for(now: Situation) -> tuple[float, float]:
    """The same for a situation that was already computed."""
    return drive(now, now.ego, 0.0)


def planned_trajectory(now: Situation) -> np.ndarray:
    """(16, 4) float64 x, y, yaw, speed in the ego frame, 0.25 … 4 s ahead."""
    return roll_out(now, WAYPOINTS, WAYPOINT_STEP_S)
