"""What a driver knows who only has the cameras: what they show now, and for two seconds what they showed before.

Positions of what is seen are exact, as are speeds of seen vehicles. A person's motion is known only from where the
person was seen over the last half second. Something that disappears is assumed to move on as it last did.
"""

import math
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from fsd.data.frames import RATE_HZ, TICK_S
from fsd.data.rig import Rig
from fsd.data.simulator.expert.camera_sight import (
    PERSON_M,
    TARGET_COLUMNS,
    CameraSight,
    camera_table,
    house_boxes,
    shown,
    vehicle_boxes,
)
from fsd.data.simulator.expert.perception import LIGHT_SIGHT_M, Scene
from fsd.data.simulator.rendering.scene import signal_heads
from fsd.data.simulator.roads.path import RoutePath
from fsd.data.simulator.roads.road import Junction
from fsd.data.simulator.roads.signals import GREEN, RED
from fsd.data.simulator.roads.streams import Stream
from fsd.data.simulator.traffic.actors import Pedestrian, Vehicle
from fsd.data.simulator.world import World
from fsd.data.standard_rigs import canonical_rig

MEMORY_TICKS = round(2.0 * RATE_HZ)
MOTION_TICKS = round(0.5 * RATE_HZ)
_UNKNOWN = "none"


@dataclass(frozen=True)
class _SeenVehicle:
    """A vehicle as last seen, at `tick`; what it does afterwards does not change that."""

    vehicle: Vehicle
    tick: int
    path: RoutePath
    stream: Stream | None
    place: tuple[float, float, float, float]
    """s, d, speed along, speed to the left."""

    def now(self, tick: int) -> Vehicle:
        """The vehicle, moved on from where it was seen."""
        if tick == self.tick:
            return self.vehicle
        s, d, along, across = self.place
        age_s = (tick - self.tick) * TICK_S
        moved = replace(
            self.vehicle,
            path=self.path,
            stream=self.stream,
            s=s + along * age_s,
            d=d + across * age_s,
            speed_mps=along,
            lateral_mps=across,
        )
        moved.update_pose()
        return moved


@dataclass
class _SeenPerson:
    """Where a person was seen over the last half second: rows tick, x, y."""

    person: Pedestrian
    places: deque[tuple[int, float, float]] = field(default_factory=deque)
    velocity: tuple[float, float] = (0.0, 0.0)

    def see(self, tick: int) -> None:
        """Add the person's present position and estimate the velocity again."""
        self.places.append((tick, self.person.x_m, self.person.y_m))
        while self.places[0][0] < tick - MOTION_TICKS:
            self.places.popleft()
        if len(self.places) > 1:
            self.velocity = _slope(self.places)

    def now(self, tick: int) -> Pedestrian:
        """The person, moved on from where they were seen, with the estimated motion."""
        seen_tick, x, y = self.places[-1]
        age_s = (tick - seen_tick) * TICK_S
        vx, vy = self.velocity
        speed = math.hypot(vx, vy)
        heading = math.atan2(vy, vx) if speed > 0.05 else self.person.heading_rad
        return replace(
            self.person, x_m=x + vx * age_s, y_m=y + vy * age_s, heading_rad=heading, speed_mps=speed, remaining_m=0.0
        )


def _slope(places: deque[tuple[int, float, float]]) -> tuple[float, float]:
    """Velocity in m/s of the line that fits the positions best (least squares)."""
    count = len(places)
    mean_tick = sum(row[0] for row in places) / count
    square = vx = vy = 0.0
    for tick, x, y in places:
        away = tick - mean_tick
        square += away * away
        vx += away * x
        vy += away * y
    return vx / square / TICK_S, vy / square / TICK_S


class CameraMemory:
    """Perceives a world through a rig's cameras. Call it in every tick; it starts afresh in another world."""

    def __init__(self, rig: Rig | None = None, sight: CameraSight | None = None) -> None:
        self._sight = sight or CameraSight()
        self._cameras = camera_table(rig or canonical_rig(), self._sight.retina_width_px)
        self._world: World | None = None

    def _start(self, world: World) -> None:
        self._world, self._tick = world, -1
        self._houses = house_boxes(world)
        self._heads = _route_heads(world)
        self._vehicles: dict[int, _SeenVehicle] = {}
        self._people: dict[int, _SeenPerson] = {}
        self._lights: dict[int, tuple[int, str]] = {}
        self._scene = Scene([], [], [])

    def __call__(self, world: World) -> Scene:
        """What the driver knows at this tick; a second call in a tick returns the same."""
        if self._world is not world:
            self._start(world)
        if self._tick != world.tick:
            self._tick = world.tick
            self._see(world)
            self._scene = self._recall(world)
        return self._scene

    def _see(self, world: World) -> None:
        vehicles, people = world.traffic.vehicles, world.pedestrians
        boxes = vehicle_boxes(vehicles)
        persons = np.array([(p.x_m, p.y_m, p.heading_rad, *PERSON_M[:2], 0.0, PERSON_M[2]) for p in people])
        junctions, heads = self._near_heads(world)
        targets = np.concatenate([boxes, persons.reshape(-1, TARGET_COLUMNS), heads])
        smallest = np.full(len(targets), self._sight.min_pixels)
        smallest[len(targets) - len(heads) :] = self._sight.min_light_pixels
        own = np.full(len(targets), -1)
        own[: len(boxes)] = np.arange(len(boxes))
        blockers = np.concatenate([boxes[:, [0, 1, 2, 3, 4, 6]], self._houses])
        ego = np.array([world.ego.x_m, world.ego.y_m, world.ego.heading_rad])
        seen = shown(self._cameras, ego, targets, smallest, blockers, own, world.sight_m)
        for vehicle, is_seen in zip(vehicles, seen[: len(vehicles)], strict=True):
            if is_seen:
                place = (vehicle.s, vehicle.d, vehicle.speed_mps, vehicle.lateral_mps)
                seen_now = _SeenVehicle(vehicle, world.tick, vehicle.path, vehicle.stream, place)
                self._vehicles[id(vehicle)] = seen_now
        for person, is_seen in zip(people, seen[len(vehicles) : len(vehicles) + len(people)], strict=True):
            if is_seen:
                self._people.setdefault(id(person), _SeenPerson(person)).see(world.tick)
        for junction, is_seen in zip(junctions, seen[len(vehicles) + len(people) :], strict=True):
            if is_seen:
                self._lights[junction] = (world.tick, world.signals[junction][0])

    def _near_heads(self, world: World) -> tuple[list[int], np.ndarray]:
        """Junction and box of the signal heads that the ego car may have to obey."""
        near = [
            index
            for index, junction in enumerate(world.road.junctions)
            if -1.0 < junction.stop_m - world.s < LIGHT_SIGHT_M + 10.0
        ]
        rows = [(index, row) for index in near for row in self._heads[index]]
        return [index for index, _ in rows], np.array([row for _, row in rows]).reshape(-1, TARGET_COLUMNS)

    def _recall(self, world: World) -> Scene:
        oldest = world.tick - MEMORY_TICKS
        self._vehicles = {key: each for key, each in self._vehicles.items() if each.tick >= oldest}
        self._people = {key: each for key, each in self._people.items() if each.places[-1][0] >= oldest}
        signals = []
        for index in range(len(world.road.junctions)):
            tick, colour = self._lights.get(index, (-MEMORY_TICKS, _UNKNOWN))
            colour = colour if tick >= oldest else _UNKNOWN
            # Nobody sees the crossing road's light; it is red while the route's is green.
            signals.append((colour, RED if colour == GREEN else GREEN))
        vehicles = [each.now(world.tick) for each in self._vehicles.values()]
        return Scene(vehicles, [each.now(world.tick) for each in self._people.values()], signals)


def _route_heads(world: World) -> list[list[tuple[float, ...]]]:
    """Per junction, the boxes of the signal heads that face the ego car."""
    boxes: list[list[tuple[float, ...]]] = [[] for _ in world.road.junctions]
    for index, is_route, x, y, z, heading in signal_heads(world.road):
        if is_route and _faces(world.road.junctions[index], heading):
            boxes[index].append((x, y, heading, 0.15, 0.2, z - 0.5, z + 0.5))
    return boxes


def _faces(junction: Junction, heading_rad: float) -> bool:
    return math.cos(heading_rad - junction.heading_rad) > 0.5
