"""Situations to drive through, one integer seed each."""

import math
from dataclasses import replace

import numpy as np

from fsd.data.errors import SimulatorError
from fsd.data.simulator.road import Crossing, Curve, Piece, Road, Straight, build_road
from fsd.data.simulator.signals import SignalPlan
from fsd.data.simulator.world import Setting, World

TAIL_M = 130.0
"""Road that goes on behind the goal, so that it is never in sight that the world ends."""


def _road(rng: np.random.Generator, pieces: list[Piece], lanes: int) -> Road | None:
    return build_road([*pieces, Straight(TAIL_M)], lanes)


def _tour(seed: int) -> World:
    """A bit of everything in town: a bend, a junction with lights, cars ahead, oncoming and crossing."""
    for attempt in range(200):
        rng = np.random.default_rng([seed, 1, attempt])
        turn = str(rng.choice(["left", "straight", "right"]))
        pieces: list[Piece] = [Straight(rng.uniform(45, 60)), _bend(rng), Straight(rng.uniform(45, 60)), Crossing(turn)]
        while sum(getattr(piece, "length_m", 60.0) for piece in pieces) < 700.0:
            pieces += [Straight(rng.uniform(40, 60)), _bend(rng), Straight(rng.uniform(45, 70))]
            pieces.append(Crossing(str(rng.choice(["left", "straight", "right"]))))
        road = _road(rng, [*pieces, Straight(60.0)], lanes=1)
        if road is not None:
            break
    else:
        raise SimulatorError(f"No road could be laid out for seed {seed}; take another seed.")
    setting = Setting(road, country=False, start_m=14.0, goal_m=road.length_m - TAIL_M)
    world = World(seed, setting, start_speed_mps=float(rng.uniform(6, 9)))
    world.add_oncoming(mean_gap_s=7.0)
    for index in range(len(road.junctions)):
        world.add_crossing(index, mean_gap_s=4.0)
    ahead_m = 14.0
    for _ in range(2):
        ahead_m += float(rng.uniform(18, 26))
        world.traffic.add_on_road(ahead_m, 0, 7.0, float(rng.uniform(7.5, 9.5)))
    return world


def _demo(seed: int) -> World:
    """Twelve seconds worth showing: out of a bend, a light that turns green, a turn among crossing traffic."""
    rng = np.random.default_rng([seed, 1])
    turn = str(rng.choice(["left", "right"]))
    pieces: list[Piece] = [
        Straight(24.0),
        Curve(42.0, 0.9 * float(rng.choice((-1, 1)))),
        Straight(30.0),
        Crossing(turn),
    ]
    road = _road(rng, [*pieces, Straight(40.0), _bend(rng), Straight(60.0)], lanes=1)
    if road is None:
        raise SimulatorError(f"No road could be laid out for seed {seed}; take another seed.")
    setting = Setting(road, country=False, start_m=36.0, goal_m=road.length_m - TAIL_M, exposure_steps=False)
    world = World(seed, setting, start_speed_mps=7.5)
    plan = SignalPlan(green_s=9.0, cross_green_s=8.0)
    red_left_s = float(rng.uniform(2.6, 3.6))
    world.signal_plans = [replace(plan, offset_s=plan.cycle_s - red_left_s)]
    world.add_oncoming(mean_gap_s=5.0)
    world.add_crossing(0, mean_gap_s=3.0)
    world.traffic.add_on_road(36.0 + float(rng.uniform(17, 21)), 0, 7.5, 9.5, "sedan")
    world.traffic.add_on_road(36.0 - float(rng.uniform(11, 15)), 0, 7.5, 9.0)
    return world


def _bend(rng: np.random.Generator) -> Curve:
    radius = math.exp(rng.uniform(math.log(35), math.log(140)))
    angle = min(float(rng.uniform(0.5, 1.3)), 100.0 / radius)
    return Curve(radius, angle * float(rng.choice((-1, 1))))


SCENARIOS = {"tour": _tour, "demo": _demo}


def build_world(scenario: str, seed: int) -> World:
    """The world of a scenario and a seed, before its first tick.

    Raises:
        SimulatorError: there is no such scenario, or no road for this seed.
    """
    if scenario not in SCENARIOS:
        raise SimulatorError(f"There is no scenario {scenario!r}. Choose one of {', '.join(SCENARIOS)}.")
    return SCENARIOS[scenario](seed)
