"""State of other road users: vehicles and pedestrians. How they decide is in `traffic.py`."""

import math
from dataclasses import dataclass

import numpy as np

from fsd.data.simulator.roads.path import RoutePath
from fsd.data.simulator.roads.streams import Stream

SHAPES = {"sedan": (4.56, 1.84), "van": (5.0, 2.0), "truck": (7.6, 2.4)}
"""Vehicle shapes and their length and width in metres; the renderer draws them by position in this table."""

_PAINTS = np.array(
    [
        (0.80, 0.80, 0.79),
        (0.55, 0.56, 0.58),
        (0.28, 0.29, 0.31),
        (0.02, 0.02, 0.025),
        (0.45, 0.02, 0.02),
        (0.03, 0.08, 0.28),
        (0.05, 0.18, 0.30),
        (0.05, 0.16, 0.06),
        (0.62, 0.34, 0.03),
        (0.32, 0.24, 0.15),
    ]
)


@dataclass(slots=True)
class Vehicle:
    """One vehicle; its middle is at (s, d) of `path`.

    `stream` is None on the ego's own road, in the ego's direction. `lane_d` is the offset that it steers for.
    `commanded_mps2`, if not None, replaces its own decision (scripts use it).
    """

    path: RoutePath
    profile: np.ndarray
    s: float
    d: float
    speed_mps: float
    wanted_mps: float
    shape: str
    colour: tuple[float, float, float]
    stream: Stream | None = None
    lane_d: float = 0.0
    lateral_mps: float = 0.0
    lateral_limit_mps: float = 1.2
    acceleration_mps2: float = 0.0
    commanded_mps2: float | None = None
    pose: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def length_m(self) -> float:
        return SHAPES[self.shape][0]

    @property
    def width_m(self) -> float:
        return SHAPES[self.shape][1]

    @property
    def indicator(self) -> int:
        """1 left, -1 right, 0 off: on while the vehicle is still more than 0.4 m from the lane it wants."""
        away = self.lane_d - self.d
        return 0 if abs(away) < 0.4 else int(math.copysign(1, away))

    def update_pose(self) -> None:
        """World pose from (s, d), nose turned into a lane change."""
        x, y, heading, _ = self.path.pose(self.s, self.d)
        self.pose = (x, y, heading + math.atan2(self.lateral_mps, max(self.speed_mps, 3.0)))


@dataclass(slots=True)
class Pedestrian:
    """A person walking straight in the world towards a goal, or standing (`speed_mps` 0)."""

    x_m: float
    y_m: float
    heading_rad: float
    speed_mps: float
    remaining_m: float
    colour: tuple[float, float, float]
    phase_rad: float = 0.0

    def step(self, dt_s: float) -> None:
        """Walk on; stand when the goal is reached."""
        if self.speed_mps <= 0.0 or self.remaining_m <= 0.0:
            self.speed_mps = 0.0
            return
        distance = self.speed_mps * dt_s
        self.x_m += distance * math.cos(self.heading_rad)
        self.y_m += distance * math.sin(self.heading_rad)
        self.remaining_m -= distance
        self.phase_rad = (self.phase_rad + 4.2 * distance) % (2 * math.pi)


def random_paint(rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = _PAINTS[rng.integers(len(_PAINTS))] * rng.uniform(0.8, 1.2)
    return (float(red), float(green), float(blue))


def random_shape(rng: np.random.Generator) -> str:
    return str(rng.choice(list(SHAPES), p=[0.74, 0.18, 0.08]))
