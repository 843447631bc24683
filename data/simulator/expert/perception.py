"""The situation as an attentive driver perceives it, as arrays for the driving law.

It does not contain when lights change, nor what scripts will do. `full_scene` has everything in sight; what the cameras
show of it is in `camera_sight.py` and `camera_memory.py`.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fsd.data.simulator.expert.visibility import EYE_AHEAD_M, visible
from fsd.data.simulator.roads.streams import Conflict, Stream
from fsd.data.simulator.traffic.actors import Pedestrian, Vehicle
from fsd.data.simulator.traffic.driver import (
    AFTER_S,
    CONFLICT_COLUMNS,
    SLOW_COLUMNS,
    VEHICLE_COLUMNS,
    Situation,
    travel_time,
)
from fsd.data.simulator.traffic.dynamics import FRONT_M, HALF_WIDTH_M, REAR_M
from fsd.data.simulator.traffic.traffic import ego_clears
from fsd.data.simulator.world import SIGHT_M, World

BEHIND_M = 50.0
LIGHT_SIGHT_M = 60.0
NEVER_S = 99.0
BESIDE_M = 0.75
"""People this near the car's sides count as in its way."""

STARTING_MPS2 = 1.6
"""Assumed acceleration of other vehicles."""


class Scene(NamedTuple):
    """Other road users and lights as a driver perceives them at one moment.

    Attributes:
        vehicles, people: those that the driver knows of, at their perceived positions and speeds.
        signals: per junction, the colours of the route's and the crossing road's phase; "none" where unknown.
    """

    vehicles: list[Vehicle]
    people: list[Pedestrian]
    signals: list[tuple[str, str]]


@dataclass(frozen=True)
class Caution:
    """How carefully a driver treats people, and how much time it keeps in hand.

    Attributes:
        uncertain_s: uncertainty of the times at which people are in the lane; 0 decides between going and waiting.
        walk_mps: speed at which someone beside the lane might step into it; 0: the driver does not slow down for that.
        brake_mps2, reaction_s: how the car would then stop.
        slowest_mps: people who stay beside the lane are passed no slower than this.
        early_s: the driver brakes for lines, others and crossings as if they were so much driving time nearer.
        margin_s: the times between which other vehicles occupy a crossing begin earlier and end later by this.
    """

    uncertain_s: float = 0.0
    walk_mps: float = 0.0
    brake_mps2: float = 4.0
    reaction_s: float = 0.3
    slowest_mps: float = 6.0
    early_s: float = 0.0
    margin_s: float = 0.0


NO_CAUTION = Caution()


def situation(world: World, half_view_rad: float = math.pi) -> Situation:
    """The current situation, with a field of view of `half_view_rad` to either side."""
    return situation_of(world, full_scene(world, half_view_rad))


def full_scene(world: World, half_view_rad: float = math.pi) -> Scene:
    """Everything in sight that no house hides, with exact positions and speeds, and all lights."""
    ego = world.ego
    people = [p for p in world.pedestrians if math.hypot(p.x_m - ego.x_m, p.y_m - ego.y_m) <= world.sight_m]
    return Scene(seen_vehicles(world, half_view_rad), people, world.signals)


def nobody(world: World) -> Scene:
    """An empty road without lights."""
    return Scene([], [], [("none", "none")] * len(world.road.junctions))


def situation_of(world: World, scene: Scene, caution: Caution = NO_CAUTION) -> Situation:
    """The current situation of a driver who perceives `scene`."""
    source_d, target_d = _lanes(world)
    conflicts = np.array(_crossings(world, scene, caution) + _walkers(world, scene.people, caution), dtype=np.float64)
    return Situation(
        route=world.road.path.points,
        profile=world.profiles[world.lane],
        source_d=source_d,
        target_d=target_d,
        vehicles=_vehicles(world, scene.vehicles),
        conflicts=conflicts.reshape(-1, CONFLICT_COLUMNS),
        stops=np.array(_stops(world, scene.signals), dtype=np.float64),
        ego=np.array(world.ego_view),
        slow=_slow_places(world, scene.people, caution),
        early_s=caution.early_s,
    )


def seen_vehicles(world: World, half_view_rad: float = math.pi) -> list[Vehicle]:
    """Vehicles in sight and in the field of view that no house hides."""
    vehicles = world.traffic.vehicles
    if not vehicles:
        return []
    boxes = np.array([(*vehicle.pose, 0.5 * vehicle.length_m, 0.5 * vehicle.width_m) for vehicle in vehicles])
    x, y = eye(world)
    seen = visible(x, y, boxes, world.houses, world.sight_m)
    if half_view_rad < math.pi:
        bearing = np.arctan2(boxes[:, 1] - y, boxes[:, 0] - x) - world.ego.heading_rad
        seen &= np.abs((bearing + np.pi) % (2 * np.pi) - np.pi) <= half_view_rad
    return [vehicle for vehicle, is_seen in zip(vehicles, seen, strict=True) if is_seen]


def eye(world: World) -> tuple[float, float]:
    """The common viewpoint of the cameras, in the world."""
    ego = world.ego
    return ego.x_m + EYE_AHEAD_M * math.cos(ego.heading_rad), ego.y_m + EYE_AHEAD_M * math.sin(ego.heading_rad)


def _lanes(world: World) -> tuple[float, float]:
    target = world.lane_offset
    change = world.setting.lane_change
    if change is None or world.lane != change.to_lane:
        return target, target
    return world.road.lane_offset(change.from_lane), target


def _vehicles(world: World, seen: list[Vehicle]) -> np.ndarray:
    rows = []
    half_road = world.road.half_width_m + 1.0
    for vehicle in seen:
        if vehicle.stream is None:
            s, d, along, across = vehicle.s, vehicle.d, vehicle.speed_mps, vehicle.lateral_mps
        else:
            s, d = world.road.path.project(vehicle.pose[0], vehicle.pose[1], world.s, BEHIND_M, SIGHT_M)
            if abs(d) > half_road:
                continue
            turn = vehicle.pose[2] - world.road.path.pose(s)[2]
            along, across = vehicle.speed_mps * math.cos(turn), vehicle.speed_mps * math.sin(turn)
            if abs(math.sin(turn)) > 0.5 and vehicle.speed_mps > 0.5:
                continue  # crossing vehicles are handled as conflicts
            across = 0.0
        if -BEHIND_M < s - world.s < SIGHT_M:
            rows.append((s, d, along, across, 0.5 * vehicle.length_m, 0.5 * vehicle.width_m))
    return np.array(rows, dtype=np.float64).reshape(-1, VEHICLE_COLUMNS)


def _stops(world: World, signals: list[tuple[str, str]]) -> list[float]:
    """Lines at which a traffic light requires the ego car to stop."""
    for index, junction in enumerate(world.road.junctions):
        distance = junction.stop_m - (world.s + FRONT_M)
        if distance < -0.5:
            continue
        if distance > LIGHT_SIGHT_M or junction.control != "signal":
            return []
        colour = signals[index][0]
        needed = world.ego.speed_mps**2 / (2 * max(distance, 0.1))
        return [junction.stop_m - 0.3] if colour == "red" or (colour == "yellow" and needed < 3.0) else []
    return []


def _crossings(world: World, scene: Scene, caution: Caution) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = []
    for stream in world.streams:
        for conflict in stream.conflicts:
            if world.s - REAR_M > conflict.end_m or conflict.begin_m - world.s > SIGHT_M:
                continue
            for vehicle in scene.vehicles:
                if vehicle.stream is not stream:
                    continue
                window = _occupied(world, stream, conflict, vehicle, scene.signals)
                if window is not None:
                    begins, ends = window[0] - caution.margin_s, window[1] + caution.margin_s
                    rows.append((conflict.begin_m, conflict.end_m, conflict.hold_m, begins, ends, 0.0))
    return rows


def _occupied(
    world: World, stream: Stream, conflict: Conflict, vehicle: Vehicle, signals: list[tuple[str, str]]
) -> tuple[float, float] | None:
    """When this vehicle will occupy the conflict of the ego's lane with its stream; None if never."""
    half = 0.5 * vehicle.length_m
    front, rear = vehicle.s + half, vehicle.s - half
    if rear > conflict.stream_end_m:
        return None
    for stop in stream.stops:
        if stop.junction != conflict.junction or front > stop.stop_m + 0.8:
            continue
        control = world.road.junctions[stop.junction].control
        if control == "signal":
            if signals[stop.junction][0 if stop.along else 1] != "green":
                return None
            if not stop.along and ego_clears(world.road.junctions[stop.junction], world.s):
                return None
        if control == "priority" and not stop.along:
            return None
    quickest = max(vehicle.speed_mps, 8.0)
    arrival = travel_time(conflict.stream_begin_m - front, vehicle.speed_mps, quickest, STARTING_MPS2)
    if vehicle.speed_mps > 1.0:
        return arrival, (conflict.stream_end_m - rear) / vehicle.speed_mps
    return arrival, travel_time(conflict.stream_end_m - rear, vehicle.speed_mps, quickest, STARTING_MPS2) + 1.0


def _walkers(world: World, people: list[Pedestrian], caution: Caution) -> list[tuple[float, ...]]:
    """Pedestrians who cross, or stand in, the ego's lane."""
    rows: list[tuple[float, ...]] = []
    middle, reach = world.lane_offset, HALF_WIDTH_M + BESIDE_M
    past_s = AFTER_S + caution.uncertain_s if caution.uncertain_s > 0.0 else 0.0
    for person in people:
        s, d = world.road.path.project(person.x_m, person.y_m, world.s, 5.0, SIGHT_M)
        across = person.speed_mps * math.sin(person.heading_rad - world.road.path.pose(s)[2])
        low, high = middle - reach - d, middle + reach - d
        if low <= 0.0 <= high:
            leaves = NEVER_S if abs(across) < 0.1 else max(low / across, high / across)
            window = (0.0, leaves)
        elif abs(across) < 0.1 or max(low / across, high / across) < -past_s:
            continue
        else:
            window = (min(low / across, high / across), max(low / across, high / across))
        if window[0] < 6.0:
            rows.append((s - 1.3, s + 1.3, s - 4.0, *window, caution.uncertain_s))
    return rows


def _slow_places(world: World, people: list[Pedestrian], caution: Caution) -> np.ndarray:
    """Where people beside the lane could step into it before the car has passed, and the speed that allows a stop."""
    rows = []
    if caution.walk_mps > 0.0:
        for person in people:
            s, d = world.road.path.project(person.x_m, person.y_m, world.s, 5.0, SIGHT_M)
            beside = d - world.lane_offset
            gap_m = max(abs(beside) - HALF_WIDTH_M - BESIDE_M, 0.0)
            across = person.speed_mps * math.sin(person.heading_rad - world.road.path.pose(s)[2])
            away = max(across if beside > 0.0 else -across, 0.0)
            reach_s = gap_m / max(caution.walk_mps * (1.0 - away), 0.05)
            # Stop within the distance that the car covers before the person can be in the lane.
            safe_mps = 2.0 * caution.brake_mps2 * (reach_s - caution.reaction_s)
            rows.append((s, max(safe_mps, caution.slowest_mps)))
    return np.array(rows, dtype=np.float64).reshape(-1, SLOW_COLUMNS)
