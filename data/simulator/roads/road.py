"""The road of one world: a route as a centre line, its lanes, and the junctions on it.

A road is built from pieces (straight, curve, junction) in order. Right-hand traffic; distances `s` run along the centre
line from the start of the route, offsets `d` are positive to the left, so the ego's lanes have negative offsets.
It knows geometry and rules (stop lines, right of way); it does not know cars, houses or images.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fsd.data.simulator.roads.path import STEP_M, RoutePath

LANE_WIDTH_M = 3.5
VERGE_M = 0.5
"""Asphalt beyond the outermost lane."""

CORNER_RADIUS_M = 7.0
"""Radius of the kerb at a junction's corners."""

STOP_LINE_M = {"signal": 4.6, "yield": 1.0, "priority": 1.0}
"""Distance from the stop line to the junction; at traffic lights it leaves room for a pedestrian crossing."""

ARM_LENGTH_M = 90.0
"""Built length of the roads that the route does not take."""

EXIT_ARMS = {"left": "left", "straight": "ahead", "right": "right"}
TURNS = {"left": 1, "straight": 0, "right": -1}

COMFORT_LATERAL_MPS2, COMFORT_BRAKE_MPS2 = 2.0, 1.6


@dataclass(frozen=True)
class Straight:
    """A straight piece of road."""

    length_m: float


@dataclass(frozen=True)
class Curve:
    """A bend that turns by `angle_rad` (left positive); curvature rises and falls linearly at its ends."""

    radius_m: float
    angle_rad: float

    def __post_init__(self) -> None:
        if self.radius_m < 12.0:
            raise ValueError(f"A curve needs a radius of at least 12 m, got {self.radius_m:.1f}.")


@dataclass(frozen=True)
class Crossing:
    """A four-way junction; `turn` left, straight or right; `control` signal, yield (the ego gives way) or priority."""

    turn: str
    control: str = "signal"

    def __post_init__(self) -> None:
        if self.turn not in TURNS:
            raise ValueError(f"turn must be one of {', '.join(TURNS)}, got {self.turn!r}.")
        if self.control not in ("signal", "yield", "priority"):
            raise ValueError(f"control must be signal, yield or priority, got {self.control!r}.")


Piece = Straight | Curve | Crossing


@dataclass(frozen=True)
class Junction:
    """A junction as built.

    `enter_m`, `exit_m`: where the route enters and leaves the box; `stop_m`: the stop line before it.
    `centre_m` (2,), `heading_rad` of the approach; `half_m`: half the size of the box.
    `arms`: name (ahead, left, right, back) -> (n, 2) points of that road's centre line, outwards from the box.
    """

    turn: str
    control: str
    enter_m: float
    exit_m: float
    stop_m: float
    centre_m: tuple[float, float]
    heading_rad: float
    half_m: float
    arms: dict[str, np.ndarray]

    @property
    def stop_before_m(self) -> float:
        """Distance from the stop line to the box, the same on every arm."""
        return STOP_LINE_M[self.control]

    @property
    def exit_arm(self) -> str:
        return EXIT_ARMS[self.turn]


@dataclass(frozen=True)
class Road:
    """A built road: `path` is the centre line, `lanes` per direction, `junctions` in order along the route.

    `in_junction` (len(path.points),) bool marks the points inside junction boxes.
    """

    path: RoutePath
    lanes: int
    junctions: tuple[Junction, ...]
    in_junction: np.ndarray = field(repr=False)

    @property
    def half_width_m(self) -> float:
        return self.lanes * LANE_WIDTH_M + VERGE_M

    @property
    def length_m(self) -> float:
        return self.path.length_m

    def lane_offset(self, lane: int) -> float:
        """Offset of the centre of the ego direction's lane; lane 0 is beside the centre line."""
        return -(lane + 0.5) * LANE_WIDTH_M

    def junction_at(self, s_m: float) -> bool:
        return bool(self.in_junction[min(max(int(s_m / STEP_M), 0), len(self.in_junction) - 1)])


class _Tracer:
    """Integrates pose along the pieces and records it."""

    def __init__(self) -> None:
        self.x, self.y, self.heading, self.s = 0.0, 0.0, 0.0, 0.0
        self.rows: list[tuple[float, float, float, float, float]] = [(0.0, 0.0, 0.0, 0.0, 0.0)]

    def advance(self, length_m: float, curvature_from: float, curvature_to: float) -> None:
        count = max(2, math.ceil(length_m / 0.2))
        step = length_m / count
        for index in range(count):
            curvature = curvature_from + (curvature_to - curvature_from) * (index + 0.5) / count
            middle = self.heading + 0.5 * curvature * step
            self.x += step * math.cos(middle)
            self.y += step * math.sin(middle)
            self.heading += curvature * step
            self.s += step
            self.rows.append((self.s, self.x, self.y, self.heading, curvature))

    def path(self) -> RoutePath:
        rows = np.array(self.rows)
        s = np.arange(0.0, rows[-1, 0], STEP_M)
        return RoutePath(np.stack([np.interp(s, rows[:, 0], rows[:, column]) for column in range(1, 5)], axis=1))


def build_road(pieces: Sequence[Piece], lanes: int) -> Road | None:
    """Join pieces into a road; None where it would overlap itself (try other pieces).

    The first and last pieces should be straight, and a junction should have straight road on both sides.
    """
    half_m = lanes * LANE_WIDTH_M + VERGE_M + CORNER_RADIUS_M
    tracer = _Tracer()
    marks: list[tuple[Crossing, float, float, float, float, float]] = []
    for piece in pieces:
        if isinstance(piece, Straight):
            tracer.advance(piece.length_m, 0.0, 0.0)
        elif isinstance(piece, Curve):
            curvature = math.copysign(1.0 / piece.radius_m, piece.angle_rad)
            ramp_m = min(8.0, 0.4 * abs(piece.angle_rad) * piece.radius_m)
            tracer.advance(ramp_m, 0.0, curvature)
            tracer.advance(abs(piece.angle_rad) * piece.radius_m - ramp_m, curvature, curvature)
            tracer.advance(ramp_m, curvature, 0.0)
        else:
            enter_m, x, y, heading = tracer.s, tracer.x, tracer.y, tracer.heading
            curvature = TURNS[piece.turn] / half_m
            tracer.advance(2 * half_m if curvature == 0 else half_m * math.pi / 2, curvature, curvature)
            marks.append((piece, enter_m, tracer.s, x, y, heading))
    path = tracer.path()
    junctions = tuple(_junction(path, half_m, *mark) for mark in marks)
    in_junction = np.zeros(len(path.points), dtype=bool)
    for junction in junctions:
        in_junction[int(junction.enter_m / STEP_M) : int(junction.exit_m / STEP_M) + 1] = True
    road = Road(path, lanes, junctions, in_junction)
    return None if _overlaps_itself(road) else road


def _junction(
    path: RoutePath, half_m: float, piece: Crossing, enter_m: float, exit_m: float, x: float, y: float, heading: float
) -> Junction:
    centre = np.array([x + half_m * math.cos(heading), y + half_m * math.sin(heading)])
    arms = {}
    for name, angle in (("ahead", 0.0), ("left", math.pi / 2), ("right", -math.pi / 2)):
        direction = np.array([math.cos(heading + angle), math.sin(heading + angle)])
        along = np.arange(half_m, half_m + ARM_LENGTH_M, 2.0)
        arms[name] = centre + along[:, None] * direction
    # The two arms on the route follow it, bends included, to its ends.
    arms[EXIT_ARMS[piece.turn]] = path.poses(np.arange(exit_m, min(exit_m + ARM_LENGTH_M, path.length_m), 2.0))[:, :2]
    arms["back"] = path.poses(np.arange(enter_m, max(enter_m - ARM_LENGTH_M, 0.0), -2.0))[:, :2]
    return Junction(
        turn=piece.turn,
        control=piece.control,
        enter_m=enter_m,
        exit_m=exit_m,
        stop_m=enter_m - STOP_LINE_M[piece.control],
        centre_m=(float(centre[0]), float(centre[1])),
        heading_rad=heading,
        half_m=half_m,
        arms=arms,
    )


def _overlaps_itself(road: Road) -> bool:
    """Whether any two parts of the road (side arms included) come closer than two road widths."""
    clearance_m = 2 * road.half_width_m + 14.0
    line = road.path.points[::8, :2]
    s = np.arange(len(line)) * 8 * STEP_M
    apart = np.hypot(line[:, None, 0] - line[None, :, 0], line[:, None, 1] - line[None, :, 1])
    if (apart[np.abs(s[:, None] - s[None]) > 2.2 * clearance_m] < clearance_m).any():
        return True
    arms: list[tuple[Junction, np.ndarray]] = []
    for junction in road.junctions:
        away = line[np.hypot(*(line - junction.centre_m).T) > junction.half_m + 22.0]
        for name in {"ahead", "left", "right"} - {junction.exit_arm}:
            arm = junction.arms[name][8:]
            gap = np.hypot(arm[:, None, 0] - away[None, :, 0], arm[:, None, 1] - away[None, :, 1])
            if len(away) and (gap < clearance_m).any():
                return True
            for owner, other in arms:
                gap = np.hypot(arm[:, None, 0] - other[None, :, 0], arm[:, None, 1] - other[None, :, 1])
                if owner is not junction and (gap < clearance_m).any():
                    return True
            arms.append((junction, arm))
    return False


def side_arms(road: Road) -> list[np.ndarray]:
    """(n, 2) centre lines of all roads that branch off the route."""
    return [
        junction.arms[name]
        for junction in road.junctions
        for name in ("ahead", "left", "right")
        if name != junction.exit_arm
    ]


def speed_profile(path: RoutePath, offset_m: float, limit_mps: float) -> np.ndarray:
    """(len(path.points),) target speed in m/s along the lane at `offset_m`: the limit, bends, braking before them."""
    curvature = path.points[:, 3] / np.maximum(1.0 - path.points[:, 3] * offset_m, 0.2)
    square = np.minimum(limit_mps**2, COMFORT_LATERAL_MPS2 / np.maximum(np.abs(curvature), 1e-4))
    # Backward pass: braking from each point must reach the next point's speed.
    braking = 2 * COMFORT_BRAKE_MPS2 * STEP_M * np.arange(len(square))
    return np.sqrt(np.minimum.accumulate((square + braking)[::-1])[::-1] - braking)
