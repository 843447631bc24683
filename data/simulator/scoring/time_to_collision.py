"""Time until the ego car would collide if all road users kept their present motion.

Constant speed and turn rate for all, boxes on the ground. Source: the time-to-collision sub-score of NAVSIM
(D. Dauner et al., NAVSIM: Data-Driven Non-Reactive Autonomous Vehicle Simulation and Benchmarking, NeurIPS 2024), which
uses constant velocity; the turn rate is added so that oncoming cars in a bend do not count as collisions.
"""

import math

import numpy as np

from fsd.data.kernel import kernel
from fsd.data.simulator.roads.path import STEP_M
from fsd.data.simulator.scoring.boxes import boxes_overlap
from fsd.data.simulator.traffic.dynamics import CENTRE_M, HALF_WIDTH_M, LENGTH_M
from fsd.data.simulator.world import World

HORIZON_S, STEP_S = 3.0, 0.1
NEVER_S = math.inf


def time_to_collision(world: World) -> float:
    """Seconds until the first contact, at most 3; infinite if there is none within 3 s, or the ego car stands."""
    if world.ego.speed_mps < 0.05:
        return NEVER_S
    others = []
    for vehicle in world.traffic.vehicles:
        if math.hypot(vehicle.pose[0] - world.ego.x_m, vehicle.pose[1] - world.ego.y_m) < 70.0:
            at = min(max(int(vehicle.s / STEP_M), 0), len(vehicle.path.points) - 1)
            turn_rate = vehicle.speed_mps * vehicle.path.points[at, 3]
            half = (0.5 * vehicle.length_m, 0.5 * vehicle.width_m)
            others.append((*vehicle.pose, vehicle.speed_mps, turn_rate, *half))
    others += [(p.x_m, p.y_m, p.heading_rad, p.speed_mps, 0.0, 0.25, 0.25) for p in world.pedestrians]
    if not others:
        return NEVER_S
    ego = world.ego
    state = np.array([ego.x_m, ego.y_m, ego.heading_rad, ego.speed_mps, ego.yaw_rate_rps])
    return float(_first_contact(state, np.array(others)))


@kernel
def _first_contact(ego: np.ndarray, others: np.ndarray) -> float:
    for step in range(int(HORIZON_S / STEP_S) + 1):
        time = step * STEP_S
        turn = ego[2] + 0.5 * ego[4] * time
        heading = ego[2] + ego[4] * time
        x = ego[0] + ego[3] * time * math.cos(turn) + CENTRE_M * math.cos(heading)
        y = ego[1] + ego[3] * time * math.sin(turn) + CENTRE_M * math.sin(heading)
        for row in range(len(others)):
            other = others[row]
            other_turn = other[2] + 0.5 * other[4] * time
            ox = other[0] + other[3] * time * math.cos(other_turn)
            oy = other[1] + other[3] * time * math.sin(other_turn)
            if abs(ox - x) < 9.0 and abs(oy - y) < 9.0:
                heading_then = other[2] + other[4] * time
                if boxes_overlap(x, y, heading, 0.5 * LENGTH_M, HALF_WIDTH_M, ox, oy, heading_then, other[5], other[6]):
                    return time
    return math.inf
