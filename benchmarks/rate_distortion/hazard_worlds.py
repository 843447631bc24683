"""Simulated worlds in which a person or a car becomes dangerous at a known moment.

Four kinds: a person steps off an open kerb, a person comes out from behind a parked van, a car cuts in, a lead car
brakes hard. Each is built for an ego speed of 5 to 30 m/s; the scenarios drive more slowly. Uses the simulator's public
parts. It does not draw or measure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fsd.data.simulator.roads.layouts import lay_out
from fsd.data.simulator.roads.road import Curve, Piece, Straight, speed_profile
from fsd.data.simulator.seeds import check_seed
from fsd.data.simulator.traffic.actors import Pedestrian, Vehicle, random_paint
from fsd.data.simulator.traffic.dynamics import FRONT_M
from fsd.data.simulator.traffic.scripts import CutIn, HardStop, StepOut
from fsd.data.simulator.traffic.traffic import Gaps
from fsd.data.simulator.world import Conditions, Setting, World

KINDS = ("step_out", "from_behind", "cut_in", "hard_brake")
SPEEDS_MPS = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0)

WARM_UP_S = 1.7
"""Drive time before the first hazard, so that the compressor has seen its surroundings."""

START_M = 20.0
_TRAFFIC = Gaps((4.0, 9.0), (10.0, 18.0), 0.4)
_COUNTRY_FROM_MPS = 14.0
"""Faster worlds are in the country: cars do not drive faster than this between houses."""


@dataclass(frozen=True)
class Hazard:
    """A person or car to track. `is_under_way` tells from its script whether it has become dangerous."""

    kind: str
    actor: Vehicle | Pedestrian
    is_under_way: Callable[[], bool]


@dataclass(frozen=True)
class HazardWorld:
    """A world before its first tick, the hazards in it, and how long to drive."""

    world: World
    hazards: tuple[Hazard, ...]
    seconds: float


def build_hazard_world(kind: str, speed_mps: float, seed: int) -> HazardWorld:
    """A world with hazards of one kind and the ego car at `speed_mps`; the seed decides everything else."""
    check_seed(seed)
    rng = np.random.default_rng([seed, 77, KINDS.index(kind), int(speed_mps)])
    lanes = 2 if kind in ("from_behind", "cut_in") else int(rng.choice((1, 2)))
    apart_m = max(2.0 * speed_mps, 26.0)
    count = 3 if kind in ("step_out", "from_behind") else 1
    first_m = START_M + WARM_UP_S * speed_mps + 40.0
    length_m = first_m + count * apart_m + 6.0 * speed_mps + 60.0
    layout = lay_out(rng, _long_road(length_m, speed_mps), lanes, speed_mps > _COUNTRY_FROM_MPS, START_M)
    lane = 0 if kind == "from_behind" else int(rng.integers(lanes))
    conditions = Conditions()
    world = World(seed, Setting(layout.road, layout.country, START_M, layout.goal_m, lane, None, conditions), speed_mps)
    world.limit_mps = speed_mps
    # In place: traffic holds the same list.
    world.profiles[:] = [speed_profile(layout.road.path, layout.road.lane_offset(i), speed_mps) for i in range(lanes)]
    world.add_oncoming(_TRAFFIC)
    makers = {"step_out": _step_out, "from_behind": _from_behind, "cut_in": _cut_in, "hard_brake": _hard_brake}
    hazards = tuple(makers[kind](world, rng, first_m + index * apart_m) for index in range(count))
    for _ in range(int(rng.integers(0, 4))):
        _bystander(world, rng, float(rng.uniform(START_M + 10, length_m - 60)))
    seconds = WARM_UP_S + (40.0 + (count - 1) * apart_m) / speed_mps + 1.0
    if kind in ("cut_in", "hard_brake"):
        seconds = WARM_UP_S + 3.5
    return HazardWorld(world, hazards, min(seconds, 14.0))


def _long_road(length_m: float, speed_mps: float) -> Callable[[np.random.Generator], list[Piece]]:
    """Straights and curves that can be driven at this speed."""
    radius_m = max(60.0, speed_mps**2 / 1.6)

    def pieces(rng: np.random.Generator) -> list[Piece]:
        chosen: list[Piece] = [Straight(float(rng.uniform(40, 70)))]
        built_m = 70.0
        while built_m < length_m:
            radius = radius_m * float(rng.uniform(1.0, 2.0))
            angle = min(0.3, 60.0 / radius) * float(rng.choice((-1, 1)))
            straight_m = float(rng.uniform(40, 90))
            chosen += [Curve(radius, angle), Straight(straight_m)]
            built_m += abs(angle) * radius + straight_m
        return chosen

    return pieces


def _person(world: World, rng: np.random.Generator, s: float, d: float) -> Pedestrian:
    x, y, heading, _ = world.road.path.pose(s, d)
    person = Pedestrian(x, y, heading - np.sign(d) * np.pi / 2, 0.0, 0.0, random_paint(rng))
    world.pedestrians.append(person)
    return person


def _step_out(world: World, rng: np.random.Generator, s: float) -> Hazard:
    """A person steps off an open kerb when the car is 12 to 36 m away."""
    side = float(rng.choice((-1, 1)))
    person = _person(world, rng, s, side * (world.road.half_width_m + float(rng.uniform(0.4, 1.2))))
    away_m = float(rng.uniform(12.0, 36.0))
    pace = float(rng.uniform(1.1, 2.4))
    world.scripts.append(
        StepOut(person, s, away_m / max(world.ego.speed_mps, 4.0), pace, 2 * world.road.half_width_m + 2.0)
    )
    return Hazard("step_out", person, lambda: person.speed_mps > 0.0)


def _from_behind(world: World, rng: np.random.Generator, s: float) -> Hazard:
    """A person comes out from behind a van parked at the right kerb, visible when the car is about 12 to 36 m away."""
    edge = world.road.half_width_m
    van = world.traffic.add_on_road(s, 1, 0.0, 0.0, "van")
    van.commanded_mps2 = 0.0
    van.d = van.lane_d = -(edge - 0.5 * van.width_m - 0.1)
    van.update_pose()
    person = _person(world, rng, s + 0.5 * van.length_m + float(rng.uniform(0.5, 1.2)), -(edge - 0.4))
    pace = float(rng.uniform(1.2, 2.6))
    hidden_s = (van.width_m - 0.3) / pace
    speed = max(world.ego.speed_mps, 4.0)
    script = StepOut(person, s, float(rng.uniform(12.0, 36.0)) / speed + hidden_s, pace, 2 * edge)
    world.scripts.append(script)
    return Hazard("from_behind", person, lambda: person.speed_mps > 0.0)


def _cut_in(world: World, rng: np.random.Generator, s: float) -> Hazard:
    """A slightly slower car changes from the neighbouring lane into the ego lane."""
    speed, other = world.ego.speed_mps, 1 - world.setting.lane
    gap_m = float(rng.uniform(4.0, 9.0) + 0.4 * speed)
    vehicle = world.traffic.add_on_road(world.s + FRONT_M + gap_m + 2.4, other, speed, speed)
    begins_m = START_M + speed * (WARM_UP_S + float(rng.uniform(0.0, 0.6)))
    script = CutIn(vehicle, begins_m, gap_m, float(rng.uniform(0.6, 0.9)) * speed, float(rng.uniform(1.0, 1.8)))
    world.scripts.append(script)
    return Hazard("cut_in", vehicle, lambda: script.done)


def _hard_brake(world: World, rng: np.random.Generator, s: float) -> Hazard:
    """The car ahead in the ego lane brakes to a stop."""
    speed = world.ego.speed_mps
    gap_m = min(float(rng.uniform(0.7, 1.2)) * speed + 4.0, 34.0)
    lead = world.traffic.add_on_road(world.s + FRONT_M + gap_m + 2.4, world.setting.lane, speed, speed)
    at = lead.s + speed * (WARM_UP_S + float(rng.uniform(0.0, 0.6)))
    script = HardStop(lead, at, float(rng.uniform(4.5, 7.5)), 0.0, 3.0)
    world.scripts.append(script)
    return Hazard("hard_brake", lead, lambda: script.held_s >= 0.0)


def _bystander(world: World, rng: np.random.Generator, s: float) -> None:
    """A person who stays on the pavement."""
    side = float(rng.choice((-1, 1)))
    person = _person(world, rng, s, side * (world.road.half_width_m + float(rng.uniform(0.8, 2.0))))
    if rng.uniform() < 0.6:
        person.heading_rad = world.road.path.pose(s)[2] + (0.0 if rng.uniform() < 0.5 else np.pi)
        person.speed_mps, person.remaining_m = float(rng.uniform(0.8, 1.5)), 12.0
