"""Baseline drivers without cameras, with full or partial knowledge of the world.

None of them needs OpenGL. A baseline maps the environment to curvature and acceleration for one tick.
"""

import math
from collections.abc import Callable

import numpy as np

from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.expert.expert import controls_for
from fsd.data.simulator.expert.perception import situation
from fsd.data.simulator.traffic.driver import CONFLICT_COLUMNS, SLOW_COLUMNS, VEHICLE_COLUMNS, Situation

Controls = tuple[float, float]
Baseline = Callable[[DrivingEnv], Controls]

FRONT_HALF_VIEW_RAD = math.radians(55.0)
"""Half the field of view of `front_wide`, the widest of the three front cameras."""

STRAIGHT_MPS = 7.0


def expert(env: DrivingEnv) -> Controls:
    """The expert: knows everything that the cameras could show."""
    return env.expert_controls()


def front_expert(env: DrivingEnv) -> Controls:
    """The expert with front cameras only: ignores vehicles beside and behind. Fails where all eight are needed."""
    return controls_for(situation(env.world, FRONT_HALF_VIEW_RAD))


def blind_steering(env: DrivingEnv) -> Controls:
    """Knows road, lane and bends exactly; ignores lights, vehicles and pedestrians."""
    world, lane_d = env.world, env.world.lane_offset
    route, profile = world.road.path.points, world.profiles[world.lane]
    nothing = (np.zeros((0, VEHICLE_COLUMNS)), np.zeros((0, CONFLICT_COLUMNS)), np.zeros(0))
    ego, slow = np.array(world.ego_view), np.zeros((0, SLOW_COLUMNS))
    return controls_for(Situation(route, profile, lane_d, lane_d, *nothing, ego, slow))


def constant_velocity(env: DrivingEnv) -> Controls:
    return 0.0, 0.0


def straight(env: DrivingEnv) -> Controls:
    return 0.0, 1.5 * (STRAIGHT_MPS - env.world.ego.speed_mps)


BASELINES: dict[str, Baseline] = {
    "expert": expert,
    "front_expert": front_expert,
    "blind_steering": blind_steering,
    "constant_velocity": constant_velocity,
    "straight": straight,
}
