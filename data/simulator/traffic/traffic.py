"""Behaviour of other vehicles: follow (IDM), obey lights, give way, keep to their lane or change it.

Sees the ego car only as an `EgoView`; does not know cameras, scores or the expert's plans.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fsd.data.frames import RATE_HZ
from fsd.data.simulator.roads.path import STEP_M, RoutePath
from fsd.data.simulator.roads.road import Junction, Road, speed_profile
from fsd.data.simulator.roads.streams import Stream
from fsd.data.simulator.traffic.actors import Vehicle, random_paint, random_shape
from fsd.data.simulator.traffic.driver import follow_acceleration, free_acceleration, stop_acceleration
from fsd.data.simulator.traffic.dynamics import CENTRE_M, FRONT_M, REAR_M

DECISION_TICKS = 3
"""Other drivers decide at 12 Hz."""

_HEADWAY_S, _STANDSTILL_M = 1.3, 2.4
_SURPRISED_MPS2 = 2.5
"""A vehicle with right of way brakes no harder than this, so that it cannot make up for an ego that failed to yield."""

_FORGET_M = 190.0


class EgoView(NamedTuple):
    """What others see of the ego car: rear-axle pose, speed, and its place on the route."""

    x_m: float
    y_m: float
    heading_rad: float
    speed_mps: float
    s: float
    d: float


@dataclass(frozen=True)
class Gaps:
    """Times between vehicles of a stream, in seconds: short ones, and a share of long ones.

    With `quiet_s` above 0, vehicles arrive in waves, as after a distant traffic light: `busy_s` of traffic, then
    `quiet_s` of none; streams with equal gaps are quiet together. `phase_s` shifts the waves.
    """

    short_s: tuple[float, float] = (2.6, 5.0)
    long_s: tuple[float, float] = (8.0, 14.0)
    long_share: float = 0.4
    busy_s: float = 0.0
    quiet_s: float = 0.0
    phase_s: float = 0.0

    def next_arrival(self, time_s: float, rng: np.random.Generator) -> float:
        """Arrival time of the vehicle after one at `time_s`."""
        arrival_s = time_s + float(rng.uniform(*(self.long_s if rng.uniform() < self.long_share else self.short_s)))
        into_wave_s = (arrival_s + self.phase_s) % (self.busy_s + self.quiet_s) if self.quiet_s > 0 else 0.0
        if into_wave_s > self.busy_s:
            arrival_s += self.busy_s + self.quiet_s - into_wave_s + float(rng.uniform(0.0, 1.0))
        return arrival_s


@dataclass
class Flow:
    """Continuous arrivals on a stream: gaps, speed range in m/s, and when the next vehicle arrives."""

    stream: Stream
    profile: np.ndarray
    gaps: Gaps
    speed_mps: tuple[float, float]
    next_s: float = 0.0


class Traffic:
    """All vehicles of a world.

    Args:
        road: the ego's road.
        profiles: per lane of the ego's direction, (n,) target speed at each route point.
        rng: source of all randomness.
    """

    def __init__(self, road: Road, profiles: list[np.ndarray], rng: np.random.Generator) -> None:
        self.road, self.profiles, self.rng = road, profiles, rng
        self.vehicles: list[Vehicle] = []
        self.flows: list[Flow] = []

    def add_on_road(
        self, s: float, lane: int, speed_mps: float, wanted_mps: float, shape: str | None = None
    ) -> Vehicle:
        """Put a vehicle on the ego's road, in the ego's direction."""
        offset = self.road.lane_offset(lane)
        return self._add(self.road.path, self.profiles[lane], s, offset, speed_mps, wanted_mps, shape)

    def add_on_stream(self, stream: Stream, profile: np.ndarray, s: float, speed_mps: float) -> Vehicle:
        return self._add(stream.path, profile, s, 0.0, speed_mps, speed_mps, stream=stream)

    def _add(
        self,
        path: RoutePath,
        profile: np.ndarray,
        s: float,
        d: float,
        speed_mps: float,
        wanted_mps: float,
        shape: str | None = None,
        stream: Stream | None = None,
    ) -> Vehicle:
        shape = shape or random_shape(self.rng)
        colour = random_paint(self.rng)
        vehicle = Vehicle(path, profile, s, d, speed_mps, wanted_mps, shape, colour, stream, lane_d=d)
        vehicle.update_pose()
        self.vehicles.append(vehicle)
        return vehicle

    def add_flow(self, stream: Stream, gaps: Gaps, speed_mps: tuple[float, float]) -> None:
        """Let vehicles arrive on a stream; those that arrived before time 0 are already on it."""
        limit = max(speed_mps)
        flow = Flow(stream, speed_profile(stream.path, 0.0, limit), gaps, speed_mps)
        arrival_s = flow.next_s = gaps.next_arrival(-stream.path.length_m / limit, self.rng)
        while arrival_s < 0.0:
            s = -arrival_s * limit
            arrival_s = flow.next_s = gaps.next_arrival(arrival_s, self.rng)
            in_box = any(stop.stop_m - 3.0 < s < stop.clear_m + 4.0 for stop in stream.stops)
            if not in_box and s < stream.path.length_m - 10.0:
                self.add_on_stream(stream, flow.profile, s, float(self.rng.uniform(*speed_mps)))
        self.flows.append(flow)

    def step(self, tick: int, time_s: float, dt_s: float, ego: EgoView, signals: list[tuple[str, str]]) -> None:
        if tick % DECISION_TICKS == 0:
            self._decide(ego, signals)
            self._arrive(time_s, ego)
        for vehicle in self.vehicles:
            _advance(vehicle, dt_s)
            if vehicle.stream is not None and vehicle.s >= vehicle.stream.joins_m:
                self._join_road(vehicle, vehicle.stream)
        if tick % int(RATE_HZ) == 0:
            self.vehicles = [vehicle for vehicle in self.vehicles if self._stays(vehicle, ego)]

    def _join_road(self, vehicle: Vehicle, stream: Stream) -> None:
        """Move a crossing vehicle that has joined the ego's road onto it."""
        vehicle.stream, vehicle.path = None, self.road.path
        vehicle.profile = self.profiles[stream.joins_lane]
        vehicle.s = stream.joins_route_m + vehicle.s - stream.joins_m
        vehicle.d = vehicle.lane_d = self.road.lane_offset(stream.joins_lane)

    def _arrive(self, time_s: float, ego: EgoView) -> None:
        for flow in self.flows:
            if time_s < flow.next_s:
                continue
            flow.next_s = flow.gaps.next_arrival(time_s, self.rng)
            x, y, _, _ = flow.stream.path.pose(2.0)
            distance = math.hypot(x - ego.x_m, y - ego.y_m)
            crowded = any(vehicle.stream is flow.stream and vehicle.s < 16.0 for vehicle in self.vehicles)
            if 55.0 < distance < _FORGET_M and not crowded:
                self.add_on_stream(flow.stream, flow.profile, 2.0, float(self.rng.uniform(*flow.speed_mps)))

    def _stays(self, vehicle: Vehicle, ego: EgoView) -> bool:
        if vehicle.s > vehicle.path.length_m - 1.0:
            return False
        return math.hypot(vehicle.pose[0] - ego.x_m, vehicle.pose[1] - ego.y_m) < _FORGET_M

    def _decide(self, ego: EgoView, signals: list[tuple[str, str]]) -> None:
        groups: dict[int, list[Vehicle]] = {}
        for vehicle in self.vehicles:
            groups.setdefault(id(vehicle.path), []).append(vehicle)
        for group in groups.values():
            group.sort(key=lambda vehicle: -vehicle.s)
            for index, vehicle in enumerate(group):
                if vehicle.commanded_mps2 is not None:
                    vehicle.acceleration_mps2 = vehicle.commanded_mps2
                else:
                    vehicle.acceleration_mps2 = self._acceleration(vehicle, group[:index], ego, signals)

    def _acceleration(
        self, vehicle: Vehicle, ahead: list[Vehicle], ego: EgoView, signals: list[tuple[str, str]]
    ) -> float:
        speed, front = vehicle.speed_mps, vehicle.s + 0.5 * vehicle.length_m
        index = min(int((vehicle.s + 0.25 * speed + 2.0) / STEP_M), len(vehicle.profile) - 1)
        wanted = min(vehicle.wanted_mps, float(vehicle.profile[index]))
        acceleration = free_acceleration(speed, wanted)
        for other in reversed(ahead):  # nearest first
            if abs(other.d - vehicle.d) < 2.0 or abs(other.d - vehicle.lane_d) < 1.6:
                gap = other.s - 0.5 * other.length_m - front
                acceleration = min(
                    acceleration,
                    follow_acceleration(speed, wanted, gap, speed - other.speed_mps, _HEADWAY_S, _STANDSTILL_M),
                )
                break
        acceleration = min(acceleration, self._mind_ego(vehicle, wanted, ego))
        stop_m = self._stop_line(vehicle, front, ego, signals)
        if stop_m is not None:
            acceleration = min(acceleration, stop_acceleration(speed, wanted, max(stop_m - front, 0.05), 0.0))
        return acceleration

    def _mind_ego(self, vehicle: Vehicle, wanted: float, ego: EgoView) -> float:
        """Acceleration limited by the ego car ahead."""
        speed, front = vehicle.speed_mps, vehicle.s + 0.5 * vehicle.length_m
        if vehicle.stream is None:
            if abs(ego.d - vehicle.d) > 1.9 or ego.s + CENTRE_M < vehicle.s:
                return 9.0
            gap = ego.s - REAR_M - front
            return follow_acceleration(speed, wanted, gap, speed - ego.speed_mps, _HEADWAY_S, _STANDSTILL_M)
        if math.hypot(vehicle.pose[0] - ego.x_m, vehicle.pose[1] - ego.y_m) > 35.0:
            return 9.0
        acceleration = 9.0
        # The ego car may stand across the path: check rear, middle and front; where it must give way, the middle only.
        gives_way = any(self.road.junctions[stop.junction].control == "yield" for stop in vehicle.stream.stops)
        for forward in (CENTRE_M,) if gives_way else (0.0, CENTRE_M, FRONT_M - 0.3):
            x, y = ego.x_m + forward * math.cos(ego.heading_rad), ego.y_m + forward * math.sin(ego.heading_rad)
            s, d = vehicle.path.project(x, y, vehicle.s, 10.0, 40.0)
            if abs(d - vehicle.d) < 1.9 and s > vehicle.s:
                gap = s - 1.5 - front
                held = follow_acceleration(speed, wanted, gap, speed, _HEADWAY_S, _STANDSTILL_M)
                acceleration = min(acceleration, held)
        return max(acceleration, -_SURPRISED_MPS2) if gives_way else acceleration

    def _stop_line(self, vehicle: Vehicle, front: float, ego: EgoView, signals: list[tuple[str, str]]) -> float | None:
        """The next line at which this vehicle must stop, or None."""
        if vehicle.stream is None:
            lines = [(index, True, junction.stop_m) for index, junction in enumerate(self.road.junctions)]
        else:
            lines = [(stop.junction, stop.along, stop.stop_m) for stop in vehicle.stream.stops]
        for index, along, stop_m in lines:
            distance = stop_m - front
            if distance < -0.5 or distance > 60.0:
                continue
            junction = self.road.junctions[index]
            if junction.control == "signal":
                colour = signals[index][0 if along else 1]
                needed = vehicle.speed_mps**2 / (2 * max(distance, 0.1))
                if colour == "red" or (colour == "yellow" and needed < 3.2):
                    return stop_m
                if not along and distance > 0.0 and needed < 4.0 and ego_clears(junction, ego.s):
                    return stop_m
                if vehicle.stream is None and junction.turn == "left" and self._must_wait(index):
                    return stop_m
            elif junction.control == "priority" and not along:
                coming = junction.enter_m - (ego.s + FRONT_M)
                if ego.s - REAR_M < junction.exit_m and coming < max(6.0 * ego.speed_mps, 20.0):
                    return stop_m
            return None
        return None

    def _must_wait(self, junction: int) -> bool:
        """Whether a vehicle on a stream will cross the route's path through a junction within about five seconds."""
        for vehicle in self.vehicles:
            if vehicle.stream is None or vehicle.speed_mps < 0.5:
                continue
            for conflict in vehicle.stream.conflicts:
                if conflict.junction == junction:
                    until_m = conflict.stream_begin_m - vehicle.s - 0.5 * vehicle.length_m
                    past = vehicle.s - 0.5 * vehicle.length_m > conflict.stream_end_m
                    if not past and until_m < 5.0 * vehicle.speed_mps:
                        return True
        return False


def ego_clears(junction: Junction, ego_s: float) -> bool:
    """Whether the ego car is still inside a junction; crossing traffic waits for it to leave, even at green."""
    return junction.stop_m + 1.0 < ego_s + FRONT_M and ego_s - REAR_M < junction.exit_m


def _advance(vehicle: Vehicle, dt_s: float) -> None:
    after = max(vehicle.speed_mps + vehicle.acceleration_mps2 * dt_s, 0.0)
    distance = 0.5 * (vehicle.speed_mps + after) * dt_s
    vehicle.speed_mps = after
    away = vehicle.lane_d - vehicle.d
    if away != 0.0:
        # Lateral motion only while rolling, smooth at the start and the end of the lane change.
        rate = min(vehicle.lateral_limit_mps, 0.25 * after, 0.25 + 0.9 * abs(away))
        vehicle.lateral_mps = math.copysign(rate, away)
        moved = vehicle.lateral_mps * dt_s
        if abs(moved) >= abs(away):
            vehicle.d, vehicle.lateral_mps = vehicle.lane_d, 0.0
        else:
            vehicle.d += moved
    if distance > 0.0:
        curvature = vehicle.path.points[min(int(vehicle.s / STEP_M), len(vehicle.path.points) - 1), 3]
        vehicle.s += distance / max(1.0 - curvature * vehicle.d, 0.3)
    vehicle.update_pose()
