"""Detect a drive's events tick by tick: collisions, red lights, wrong lanes, leaving the road, the end of the drive.

The kinds of events are those of the CARLA leaderboard (https://leaderboard.carla.org, "Infractions and shutdown"), on
our own road model. Knows the world, not the driver.
"""

import math
from dataclasses import dataclass

from fsd.data.frames import TICK_S
from fsd.data.simulator.roads.road import CORNER_RADIUS_M, Road
from fsd.data.simulator.scoring.boxes import boxes_overlap
from fsd.data.simulator.traffic.dynamics import CENTRE_M, FRONT_M, HALF_WIDTH_M, LENGTH_M
from fsd.data.simulator.world import World

WHEELBASE_M, HALF_TRACK_M = 2.875, 0.8
OFF_ROUTE_M = 7.0
STUCK_S = 10.0
WRONG_LANE_S = 1.5

FINISHES = ("completed", "collision_vehicle", "collision_pedestrian", "off_road", "off_route", "stuck", "timeout")


@dataclass
class Events:
    """Events so far.

    `finish` is None until the drive ends, then one of `FINISHES`. `lane_errors` counts commanded lane changes not made
    in time, and driving in a wrong lane. `progress` is the share of the route driven, 0-1.
    """

    finish: str | None = None
    red_lights: int = 0
    stop_lines_met: int = 0
    lane_errors: int = 0
    progress: float = 0.0
    distance_m: float = 0.0

    @property
    def collided(self) -> bool:
        return self.finish in ("collision_vehicle", "collision_pedestrian")


class Referee:
    """Judges the drive in one world; call `record_tick` after every tick."""

    def __init__(self, world: World) -> None:
        self.events = Events()
        self._front_m = world.s + FRONT_M
        self._start_m = world.s
        self._idle_s = self._wrong_lane_s = 0.0
        self._change_judged = False
        self._limit_s = 60.0 + (world.setting.goal_m - world.s) / 3.0

    def record_tick(self, world: World, would_go: bool) -> None:
        """Evaluate the tick that has just passed; `would_go`: the expert would not stand here."""
        events = self.events
        if events.finish is not None:
            return
        events.distance_m += world.ego.speed_mps * TICK_S
        route_m = world.setting.goal_m - self._start_m
        events.progress = min(max(events.progress, (world.s - self._start_m) / route_m), 1.0)
        self._check_lights(world)
        self._check_lanes(world)
        self._idle_s = self._idle_s + TICK_S if world.ego.speed_mps < 0.2 and would_go else 0.0
        events.finish = self._finish(world)

    def _finish(self, world: World) -> str | None:
        hit = collision(world)
        if hit is not None:
            return f"collision_{hit}"
        if abs(world.d) > OFF_ROUTE_M + world.road.half_width_m - 4.0:
            return "off_route"
        if not on_asphalt(world):
            return "off_road"
        if world.s >= world.setting.goal_m:
            return "completed"
        if self._idle_s > STUCK_S:
            return "stuck"
        return "timeout" if world.time_s > self._limit_s else None

    def _check_lights(self, world: World) -> None:
        front_m = world.s + FRONT_M
        for junction, colours in zip(world.road.junctions, world.signals, strict=True):
            if junction.control == "signal" and self._front_m <= junction.stop_m < front_m:
                self.events.stop_lines_met += 1
                self.events.red_lights += colours[0] == "red"
        self._front_m = max(front_m, self._front_m)

    def _check_lanes(self, world: World) -> None:
        change = world.setting.lane_change
        if change is not None and not self._change_judged and world.s > change.until_m:
            self._change_judged = True
            self.events.lane_errors += abs(world.d - world.road.lane_offset(change.to_lane)) > 1.2
        lane = world.lane_offset
        allowed = [lane] if change is None else [world.road.lane_offset(i) for i in (change.from_lane, change.to_lane)]
        low, high = min(allowed) - 1.75, max(allowed) + 1.75
        astray = not low <= world.d <= high and not world.road.junction_at(world.s)
        self._wrong_lane_s = self._wrong_lane_s + TICK_S if astray else 0.0
        if self._wrong_lane_s > WRONG_LANE_S:
            self.events.lane_errors += 1
            self._wrong_lane_s = -1e9  # once per drive


def collision(world: World) -> str | None:
    """What the ego car touches: vehicle, pedestrian or None."""
    ego = world.ego
    x = ego.x_m + CENTRE_M * math.cos(ego.heading_rad)
    y = ego.y_m + CENTRE_M * math.sin(ego.heading_rad)
    outline = (x, y, ego.heading_rad, 0.5 * LENGTH_M, HALF_WIDTH_M)
    for vehicle in world.traffic.vehicles:
        if abs(vehicle.pose[0] - x) < 8.0 and abs(vehicle.pose[1] - y) < 8.0:  # noqa: SIM102 - cheap test first
            if boxes_overlap(*outline, *vehicle.pose, 0.5 * vehicle.length_m, 0.5 * vehicle.width_m):
                return "vehicle"
    for person in world.pedestrians:
        near = abs(person.x_m - x) < 4.0 and abs(person.y_m - y) < 4.0
        if near and boxes_overlap(*outline, person.x_m, person.y_m, person.heading_rad, 0.22, 0.28):
            return "pedestrian"
    return None


def on_asphalt(world: World) -> bool:
    if abs(world.d) < world.road.half_width_m - 1.6 and not world.road.junction_at(world.s + WHEELBASE_M):
        heading = world.route_heading_error()
        if abs(heading) < 0.15:
            return True
    ego = world.ego
    cos, sin = math.cos(ego.heading_rad), math.sin(ego.heading_rad)
    for forward in (0.0, WHEELBASE_M):
        for left in (-HALF_TRACK_M, HALF_TRACK_M):
            x, y = ego.x_m + forward * cos - left * sin, ego.y_m + forward * sin + left * cos
            if not _is_asphalt(world.road, x, y, world.s):
                return False
    return True


def _is_asphalt(road: Road, x: float, y: float, near_m: float) -> bool:
    for junction in road.junctions:
        dx, dy = x - junction.centre_m[0], y - junction.centre_m[1]
        cos, sin = math.cos(junction.heading_rad), math.sin(junction.heading_rad)
        ahead, left = abs(dx * cos + dy * sin), abs(-dx * sin + dy * cos)
        half = junction.half_m
        if ahead <= half and left <= half:
            return math.hypot(half - ahead, half - left) >= CORNER_RADIUS_M - 0.1
        if min(ahead, left) <= road.half_width_m and max(ahead, left) <= half + 12.0:
            return True  # the beginning of any arm; leaving the route is a separate event
    _, d = road.path.project(x, y, near_m, 6.0, 10.0)
    return abs(d) <= road.half_width_m + 0.1
