"""Draw roads for scenarios at random: pieces, number of lanes, town or country."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fsd.data.errors import SimulatorError
from fsd.data.simulator.roads.road import Crossing, Curve, Piece, Road, Straight, build_road

TAIL_M = 130.0
"""Length of road behind the goal, so that the end of the world is never in sight."""

_ATTEMPTS = 200


@dataclass(frozen=True)
class RoadLayout:
    """A road, and where a drive on it starts and ends."""

    road: Road
    country: bool
    start_m: float
    goal_m: float


def bend(rng: np.random.Generator, tightest_m: float = 35.0, widest_m: float = 160.0, length_m: float = 80.0) -> Curve:
    """A bend of random radius, either way, no longer than `length_m`."""
    radius = math.exp(rng.uniform(math.log(tightest_m), math.log(widest_m)))
    angle = min(float(rng.uniform(0.5, 1.4)), length_m / radius)
    return Curve(radius, angle * float(rng.choice((-1, 1))))


def lay_out(
    rng: np.random.Generator,
    pieces: Callable[[np.random.Generator], list[Piece]],
    lanes: int,
    country: bool,
    start_m: float = 20.0,
) -> RoadLayout:
    """Draw pieces until they form a road that does not overlap itself, and add the tail.

    Raises:
        SimulatorError: no attempt succeeded.
    """
    for _ in range(_ATTEMPTS):
        road = build_road([*pieces(rng), Straight(TAIL_M)], lanes)
        if road is not None:
            return RoadLayout(road, country, start_m, road.length_m - TAIL_M)
    raise SimulatorError("No road could be laid out for this seed. Choose another seed.")


def winding(rng: np.random.Generator) -> list[Piece]:
    """Bends of all radii, some tight, with short straights between them."""
    pieces: list[Piece] = [Straight(rng.uniform(25, 40))]
    for _ in range(int(rng.integers(3, 5))):
        pieces += [bend(rng, 22.0, 180.0), Straight(rng.uniform(8, 30))]
    return pieces


def gentle(rng: np.random.Generator) -> list[Piece]:
    """About 230 m, mostly straight, with two wide bends."""
    pieces: list[Piece] = [Straight(rng.uniform(50, 70))]
    for _ in range(2):
        pieces += [bend(rng, 80.0, 250.0, 50.0), Straight(rng.uniform(25, 60))]
    return pieces


def straight_on(rng: np.random.Generator) -> list[Piece]:
    """About 300 m with at most a slight bend: room for a lane change."""
    slight = Curve(rng.uniform(250, 500), float(rng.choice((-1, 1))) * 0.12)
    return [Straight(rng.uniform(100, 130)), slight, Straight(rng.uniform(140, 170))]


def through_junctions(turns: list[str], control: str) -> Callable[[np.random.Generator], list[Piece]]:
    """Pieces with one junction per turn, a bend before each where there is room."""

    def pieces(rng: np.random.Generator) -> list[Piece]:
        chosen: list[Piece] = [Straight(rng.uniform(15, 30))]
        for turn in turns:
            if rng.uniform() < 0.5:
                chosen.append(bend(rng, 50.0, 160.0, 40.0))
            chosen += [Straight(rng.uniform(48, 70)), Crossing(turn, control), Straight(rng.uniform(28, 40))]
        return chosen

    return pieces
