"""How much an expert's acceleration changes when walkers are a fifth of a second late: labels on a knife's edge."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.expert.expert_drivers import ExpertDriver
from fsd.data.simulator.traffic.actors import Pedestrian
from fsd.data.simulator.world import World

SHIFT_TICKS = 7
"""0.19 s."""

NEAR_M = 40.0


@dataclass(frozen=True)
class Sensitivity:
    """Changes of acceleration in m/s², over ticks with someone who crosses within 40 m ahead."""

    ticks: int
    mean_mps2: float
    p95_mps2: float
    p99_mps2: float
    over_3_share: float


def sensitivity(changes: Sequence[float]) -> Sensitivity:
    """The statistics of changes of many drives."""
    array = np.asarray(changes if len(changes) else [math.nan])
    p95, p99 = np.percentile(array, [95, 99])
    return Sensitivity(len(changes), float(array.mean()), float(p95), float(p99), float((array > 3.0).mean()))


def label_changes(seed: int, on_time: ExpertDriver, late: ExpertDriver) -> Iterator[float]:
    """Drive S7 with one expert; compare it at every tick with the same expert in a world whose walkers are late.

    Args:
        on_time: drives; late: a second, equal expert, which sees the ego car in the same places.
    """
    env, shifted = DrivingEnv("S7", seed), DrivingEnv("S7", seed).world
    before: deque[list[Pedestrian]] = deque(maxlen=SHIFT_TICKS + 1)
    while not env.done:
        before.append([replace(person) for person in env.world.pedestrians])
        shifted.pedestrians[:] = _updated(shifted.pedestrians, before[0])
        shifted.ego = replace(env.world.ego)
        shifted.locate()
        controls, late_controls = on_time.controls(env.world), late.controls(shifted)
        if someone_crosses(env.world):
            yield abs(controls[1] - late_controls[1])
        env.step(*controls)
        shifted.step(*controls)


def _updated(people: list[Pedestrian], source: list[Pedestrian]) -> list[Pedestrian]:
    """The same persons, so that they are recognised, in the state of others."""
    for person, other in zip(people, source, strict=True):
        person.x_m, person.y_m, person.heading_rad = other.x_m, other.y_m, other.heading_rad
        person.speed_mps, person.remaining_m = other.speed_mps, other.remaining_m
    return people


def someone_crosses(world: World) -> bool:
    """Whether a pedestrian walks across the road within 40 m ahead."""
    ego, heading = world.ego, world.road.path.pose(world.s)[2]
    for person in world.pedestrians:
        dx, dy = person.x_m - ego.x_m, person.y_m - ego.y_m
        is_ahead = dx * math.cos(heading) + dy * math.sin(heading) > 0.0
        if person.speed_mps > 0.0 and is_ahead and math.hypot(dx, dy) < NEAR_M:  # noqa: SIM102 - reads as two questions
            if abs(math.sin(person.heading_rad - heading)) > 0.5:
                return True
    return False
