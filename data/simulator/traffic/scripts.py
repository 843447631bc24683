"""Scripted events of scenarios: hard braking, cut-ins, pedestrians who step onto the road. Called once per tick.

A script may read the whole world; the expert never reads a script.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsd.data.frames import TICK_S
from fsd.data.simulator.traffic.actors import Pedestrian, Vehicle
from fsd.data.simulator.traffic.dynamics import FRONT_M

if TYPE_CHECKING:
    from fsd.data.simulator.world import World


@dataclass
class HardStop:
    """A vehicle brakes at route distance `at_m` with `brake_mps2` to `to_mps`, and holds that speed for `hold_s`."""

    vehicle: Vehicle
    at_m: float
    brake_mps2: float
    to_mps: float
    hold_s: float
    held_s: float = -1.0

    def __call__(self, world: World) -> None:
        if self.held_s < 0.0:
            if self.vehicle.s >= self.at_m and self.hold_s > 0.0:
                self.held_s = 0.0
            return
        if self.vehicle.speed_mps > self.to_mps + 0.05:
            self.vehicle.commanded_mps2 = -self.brake_mps2
            return
        self.vehicle.commanded_mps2 = -0.7 if self.vehicle.speed_mps < 0.1 else 0.0
        self.held_s += TICK_S
        if self.held_s >= self.hold_s:
            self.vehicle.commanded_mps2 = None
            self.held_s, self.hold_s = -1.0, 0.0


@dataclass
class CutIn:
    """A vehicle drives beside and ahead of the ego car, and at route distance `at_m` moves into its lane.

    Until then its rear bumper stays `gap_m` ahead of the ego's front; afterwards it drives at `then_mps`.
    """

    vehicle: Vehicle
    at_m: float
    gap_m: float
    then_mps: float
    lateral_mps: float = 1.3
    done: bool = False

    def __call__(self, world: World) -> None:
        if self.done:
            return
        vehicle = self.vehicle
        gap = vehicle.s - 0.5 * vehicle.length_m - (world.s + FRONT_M)
        wanted = 0.5 * (self.gap_m - gap) + 0.9 * (world.ego.speed_mps - vehicle.speed_mps)
        vehicle.commanded_mps2 = min(max(wanted, -3.0), 2.0)
        closing = world.ego.speed_mps - vehicle.speed_mps
        if world.s >= self.at_m and gap > 0.8 * self.gap_m and closing < 1.0:
            vehicle.lane_d, vehicle.lateral_limit_mps = world.lane_offset, self.lateral_mps
            vehicle.commanded_mps2, vehicle.wanted_mps = None, self.then_mps
            self.done = True


@dataclass
class StepOut:
    """A pedestrian at route distance `at_m` starts to walk when the ego car is `ahead_s` seconds away."""

    person: Pedestrian
    at_m: float
    ahead_s: float
    speed_mps: float
    distance_m: float
    done: bool = False

    def __call__(self, world: World) -> None:
        away_m = self.at_m - (world.s + FRONT_M)
        if not self.done and 0.0 < away_m < self.ahead_s * max(world.ego.speed_mps, 4.0):
            self.person.speed_mps, self.person.remaining_m = self.speed_mps, self.distance_m
            self.done = True
