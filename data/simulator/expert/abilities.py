"""Limits of what a driver perceives, to take one ability from an expert at a time.

A limit changes a scene; `limited` applies limits one after another. Use a new one for every drive: some remember.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from fsd.data.frames import RATE_HZ
from fsd.data.simulator.expert.expert_drivers import Perceive
from fsd.data.simulator.expert.perception import Scene
from fsd.data.simulator.world import World

Limit = Callable[[World, Scene], Scene]


def limited(perceive: Perceive, *limits: Limit) -> Perceive:
    """Perceive the same, then apply the limits in order."""

    def perceive_less(world: World) -> Scene:
        scene = perceive(world)
        for limit in limits:
            scene = limit(world, scene)
        return scene

    return perceive_less


@dataclass(frozen=True)
class SeesWithin:
    """Ranges in metres from the rear axle within which each class is perceived; 0 is blind to it.

    `crossing_m` is for vehicles of crossing roads, `vehicles_m` for all others, `lights_m` to the stop line.
    """

    people_m: float = math.inf
    crossing_m: float = math.inf
    vehicles_m: float = math.inf
    lights_m: float = math.inf

    def __call__(self, world: World, scene: Scene) -> Scene:
        ego = world.ego
        vehicles = []
        for each in scene.vehicles:
            is_crossing = each.stream is not None and each.stream.kind == "crossing"
            away_m = math.hypot(each.pose[0] - ego.x_m, each.pose[1] - ego.y_m)
            if away_m < (self.crossing_m if is_crossing else self.vehicles_m):
                vehicles.append(each)
        people = [p for p in scene.people if math.hypot(p.x_m - ego.x_m, p.y_m - ego.y_m) < self.people_m]
        signals = [
            colours if junction.stop_m - world.s < self.lights_m else ("none", "none")
            for junction, colours in zip(world.road.junctions, scene.signals, strict=True)
        ]
        return Scene(vehicles, people, signals)


def sees_people_stand(world: World, scene: Scene) -> Scene:
    """Perceives where people are, but not that they walk."""
    return scene._replace(people=[replace(person, speed_mps=0.0) for person in scene.people])


class Late:
    """Perceives others and lights as they were `delay_s` ago, and the ego car as it is."""

    def __init__(self, delay_s: float) -> None:
        self._before: deque[tuple[int, Scene]] = deque()
        self._delay_ticks = round(delay_s * RATE_HZ)

    def __call__(self, world: World, scene: Scene) -> Scene:
        before = self._before
        if not before or before[-1][0] != world.tick:
            copied = Scene([replace(v) for v in scene.vehicles], [replace(p) for p in scene.people], scene.signals)
            before.append((world.tick, copied))
        while len(before) > 1 and before[1][0] <= world.tick - self._delay_ticks:
            before.popleft()
        return before[0][1]
