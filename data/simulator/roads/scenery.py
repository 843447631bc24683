"""Objects beside the road: houses, trees, street lamps, signs. Positions and sizes only, drawn from a seed."""

import math
from dataclasses import dataclass

import numpy as np

from fsd.data.simulator.roads.road import Road, side_arms

SIGHT_RADIUS_M = 46.0
"""No house or tree stands this near a junction without lights, so that drivers who must yield see the traffic."""

_FACADES = np.array(
    [
        (0.42, 0.34, 0.27),
        (0.52, 0.48, 0.40),
        (0.30, 0.15, 0.11),
        (0.33, 0.36, 0.40),
        (0.62, 0.57, 0.47),
        (0.20, 0.21, 0.23),
        (0.45, 0.25, 0.17),
        (0.56, 0.50, 0.34),
    ]
)


@dataclass(frozen=True)
class Scenery:
    """Everything stationary beside the road.

    Attributes:
        buildings: (n, 11) x, y, heading, length, depth, height, roof height, r, g, b, style 0-1.
        trees: (n, 5) x, y, scale, kind (0 round, 1 conifer), shade.
        lamps: (n, 3) x, y, heading towards the road.
        signs: (n, 4) x, y, heading of the driver who reads it, kind (0 give way, 1 direction, 2 speed, 3 warning).
    """

    buildings: np.ndarray
    trees: np.ndarray
    lamps: np.ndarray
    signs: np.ndarray


class _Planter:
    """Places objects one by one; skips those that would stand on a road or in a house."""

    def __init__(self, rng: np.random.Generator, road: Road) -> None:
        self.rng = rng
        self.half_width_m = road.half_width_m
        self.line = np.concatenate([road.path.points[::4, :2], *(arm for arm in side_arms(road))])
        self.blind_spots = np.array([j.centre_m for j in road.junctions if j.control != "signal"]).reshape(-1, 2)
        self.buildings: list[tuple[float, ...]] = []
        self.trees: list[tuple[float, ...]] = []

    def clearance(self, x: float, y: float) -> float:
        """Distance to the nearest road's edge."""
        return float(np.hypot(self.line[:, 0] - x, self.line[:, 1] - y).min()) - self.half_width_m

    def blocks_sight(self, x: float, y: float) -> bool:
        if not len(self.blind_spots):
            return False
        return bool((np.hypot(self.blind_spots[:, 0] - x, self.blind_spots[:, 1] - y) < SIGHT_RADIUS_M).any())

    def house(self, x: float, y: float, heading: float, side: int, tall: bool, setback_m: float) -> None:
        rng = self.rng
        length, depth = rng.uniform(9, 19), rng.uniform(8, 13)
        height = rng.uniform(9, 24) if tall else rng.uniform(3.2, 7.0)
        roof = 0.0 if tall else rng.uniform(1.8, 3.6)
        offset = side * (self.half_width_m + setback_m + depth / 2)
        x, y = x - offset * math.sin(heading), y + offset * math.cos(heading)
        radius = 0.5 * math.hypot(length, depth)
        if self.clearance(x, y) < depth / 2 + 2.2 or self.clearance(x, y) < radius - 3.0 or self.blocks_sight(x, y):
            return
        for other in self.buildings:
            if math.hypot(other[0] - x, other[1] - y) < 0.82 * (radius + 0.5 * math.hypot(other[3], other[4])):
                return
        colour = _FACADES[rng.integers(len(_FACADES))] * rng.uniform(0.75, 1.25)
        self.buildings.append((x, y, heading, length, depth, height, roof, *colour, rng.uniform()))

    def tree(self, x: float, y: float, conifer: bool, nearest_m: float) -> None:
        if self.clearance(x, y) < nearest_m or self.blocks_sight(x, y):
            return
        for other in self.buildings:
            if math.hypot(other[0] - x, other[1] - y) < 0.55 * math.hypot(other[3], other[4]) + 1.5:
                return
        self.trees.append((x, y, self.rng.uniform(0.7, 1.5), float(conifer), self.rng.uniform(0.7, 1.25)))


def plant(rng: np.random.Generator, road: Road, country: bool) -> Scenery:
    """Place scenery along a road: rows of houses in town; trees and a few farms in the country."""
    planter = _Planter(rng, road)
    routes = [road.path.poses(np.arange(0.0, road.length_m, 2.0))]
    for arm in side_arms(road):
        heading = math.atan2(arm[-1, 1] - arm[0, 1], arm[-1, 0] - arm[0, 0])
        routes.append(np.column_stack([arm, np.full(len(arm), heading)]))
    density, tall_share = rng.uniform(0.6, 1.0), rng.uniform(0.0, 0.8)
    wood, conifers = rng.uniform(0.2, 1.0), rng.uniform(0, 1)
    for route in routes:
        for x, y, heading in route[3::6]:
            for side in (-1, 1):
                if rng.uniform() < (0.07 if country else 0.75 * density):
                    setback = rng.uniform(8, 25) if country else rng.uniform(3.0, 7.5)
                    planter.house(x, y, heading, side, not country and rng.uniform() < tall_share, setback)
        for x, y, heading in route[1::4]:
            for side in (-1, 1):
                for _ in range(int(rng.poisson(1.5 * wood if country else 0.45))):
                    reach = planter.half_width_m + (rng.uniform(2.5, 45) if country else rng.uniform(1.4, 18))
                    along = rng.uniform(-5, 5)
                    tree_x = x + along * math.cos(heading) - side * reach * math.sin(heading)
                    tree_y = y + along * math.sin(heading) + side * reach * math.cos(heading)
                    planter.tree(tree_x, tree_y, rng.uniform() < conifers, 2.3 if country else 1.3)
    return Scenery(
        buildings=np.array(planter.buildings).reshape(-1, 11),
        trees=np.array(planter.trees).reshape(-1, 5),
        lamps=_lamps(road, country),
        signs=_signs(rng, road),
    )


def _lamps(road: Road, country: bool) -> np.ndarray:
    if country:
        return np.zeros((0, 3))
    rows = []
    for number, s in enumerate(np.arange(12.0, road.length_m - 5.0, 27.0)):
        if any(junction.enter_m - 10.0 < s < junction.exit_m + 10.0 for junction in road.junctions):
            continue
        side = 1 if number % 2 else -1
        x, y, heading, _ = road.path.pose(float(s), side * (road.half_width_m + 0.7))
        rows.append((x, y, heading - side * math.pi / 2))
    return np.array(rows).reshape(-1, 3)


def _signs(rng: np.random.Generator, road: Road) -> np.ndarray:
    rows = []
    beside = -(road.half_width_m + 0.9)
    for junction in road.junctions:
        if junction.control != "signal":
            kind = 0 if junction.control == "yield" else 3
            x, y, heading, _ = road.path.pose(junction.stop_m + 0.6, beside)
            rows.append((x, y, heading, kind))
    for s in np.arange(25.0, road.length_m - 20.0, 70.0) + rng.uniform(0, 30):
        if not road.junction_at(float(s)) and rng.uniform() < 0.6:
            x, y, heading, _ = road.path.pose(float(s), beside)
            rows.append((x, y, heading, int(rng.choice((1, 2, 3)))))
    return np.array(rows, dtype=np.float64).reshape(-1, 4)
