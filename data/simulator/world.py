"""State of one drive: road, lights, traffic, pedestrians and the ego car, stepped at 36 Hz. No images, no scores.

All randomness comes from generators seeded here, so the same seed and controls give the same drive.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fsd.data.frames import TICK_S
from fsd.data.simulator.roads.appearance import Light, Surfaces, sample_light, sample_surfaces
from fsd.data.simulator.roads.road import Road, speed_profile
from fsd.data.simulator.roads.scenery import Scenery, plant
from fsd.data.simulator.roads.signals import SignalPlan, sample_signal
from fsd.data.simulator.roads.streams import Stream, add_conflicts, crossing_streams, oncoming_streams
from fsd.data.simulator.traffic.actors import Pedestrian
from fsd.data.simulator.traffic.dynamics import FRONT_M, EgoState
from fsd.data.simulator.traffic.traffic import EgoView, Gaps, Traffic

COMMAND_AHEAD_M = 70.0
"""A turn is commanded from this far before the junction: farther than a four-second plan reaches."""

SIGHT_M = 95.0
"""Sight distance; fog shortens it to 1.3 optical depths."""

YIELD_SPEED_MPS = 3.0
"""Speed at the line when the ego car must give way."""

TOWN_LIMIT_MPS, COUNTRY_LIMIT_MPS = 10.0, 13.5


@dataclass(frozen=True)
class LaneChange:
    """A commanded lane change: announced at route distance `from_m`, due by `until_m`."""

    from_m: float
    until_m: float
    from_lane: int
    to_lane: int

    @property
    def command(self) -> str:
        return "lane_left" if self.to_lane < self.from_lane else "lane_right"


@dataclass(frozen=True)
class Conditions:
    """Visual conditions that a scenario fixes.

    `weather` and `wear` (of the paint, 0-1) are drawn if None; `mounting_error_deg` is the standard deviation of the
    cameras' rotations; `severe` allows fog and glare beyond the usual range.
    """

    weather: str | None = None
    wear: float | None = None
    mounting_error_deg: float = 0.25
    exposure_steps: bool = True
    severe: bool = False


@dataclass(frozen=True)
class Setting:
    """The fixed part of a drive: the road, its start (`start_m`) and goal (`goal_m`), and the lane."""

    road: Road
    country: bool
    start_m: float
    goal_m: float
    lane: int = 0
    lane_change: LaneChange | None = None
    conditions: Conditions = Conditions()


class World:
    """State of one drive.

    Attributes:
        ego: the ego car; `s` and `d` are its position on the route.
        traffic, pedestrians: other road users.
        scripts: called once per tick with the world, before anything moves; they produce the scenario's events.
    """

    def __init__(self, seed: int, setting: Setting, start_speed_mps: float) -> None:
        self.seed, self.setting, self.road = seed, setting, setting.road
        self.tick = 0
        self.limit_mps = COUNTRY_LIMIT_MPS if setting.country else TOWN_LIMIT_MPS
        self.profiles = [self._profile(lane) for lane in range(self.road.lanes)]
        self.traffic = Traffic(self.road, self.profiles, np.random.default_rng([seed, 2]))
        rng = np.random.default_rng([seed, 3])
        self.signal_plans: list[SignalPlan] = [sample_signal(rng) for _ in self.road.junctions]
        look = np.random.default_rng([seed, 5])
        self.light: Light = sample_light(
            look, setting.conditions.weather, setting.conditions.exposure_steps, setting.conditions.severe
        )
        self.sight_m = min(SIGHT_M, 1.3 / self.light.fog_density)
        self.pedestrians: list[Pedestrian] = []
        self.scripts: list[Callable[[World], None]] = []
        self.streams: list[Stream] = []
        x, y, heading, _ = self.road.path.pose(setting.start_m, self.road.lane_offset(setting.lane))
        self.ego = EgoState(x, y, heading, start_speed_mps)
        self.s, self.d = setting.start_m, self.road.lane_offset(setting.lane)

    def _profile(self, lane: int) -> np.ndarray:
        """Target speed along a lane, low before lines where the ego car must give way."""
        profile = speed_profile(self.road.path, self.road.lane_offset(lane), self.limit_mps)
        s = 0.5 * np.arange(len(profile))
        for junction in self.road.junctions:
            if junction.control == "yield":
                to_line = np.maximum(junction.stop_m - FRONT_M - s, 0.0)
                slow = np.sqrt(YIELD_SPEED_MPS**2 + 2 * 1.4 * to_line)
                profile = np.where(s <= junction.stop_m - FRONT_M + 1.0, np.minimum(profile, slow), profile)
        return profile

    # Appearance, drawn only for images:

    @cached_property
    def surfaces(self) -> Surfaces:
        return sample_surfaces(
            np.random.default_rng([self.seed, 6]), self.setting.country, self.setting.conditions.wear
        )

    @cached_property
    def scenery(self) -> Scenery:
        return plant(np.random.default_rng([self.seed, 7]), self.road, self.setting.country)

    @cached_property
    def houses(self) -> np.ndarray:
        """(n, 5) outlines of buildings: x, y, heading, half length, half depth."""
        buildings = self.scenery.buildings
        return np.column_stack([buildings[:, :3], 0.5 * buildings[:, 3:5]])

    def add_oncoming(self, gaps: Gaps) -> None:
        """Add oncoming traffic along the whole route, with these gaps in every lane."""
        speeds = (0.75 * self.limit_mps, self.limit_mps)
        for lane in range(self.road.lanes):
            for stream in oncoming_streams(self.road, lane):
                for stop in stream.stops:
                    add_conflicts(stream, self.road, stop.junction, self.lane_offset)
                self._add_stream(stream, gaps, speeds)

    def add_crossing(self, junction: int, gaps: Gaps, speeds: tuple[float, float] | None = None) -> None:
        for lane in range(self.road.lanes):
            for stream in crossing_streams(self.road, junction, lane):
                add_conflicts(stream, self.road, junction, self.lane_offset)
                self._add_stream(stream, gaps, speeds or (0.7 * self.limit_mps, self.limit_mps))

    def _add_stream(self, stream: Stream, gaps: Gaps, speeds: tuple[float, float]) -> None:
        self.streams.append(stream)
        self.traffic.add_flow(stream, gaps, speeds)

    @property
    def time_s(self) -> float:
        return self.tick * TICK_S

    @property
    def signals(self) -> list[tuple[str, str]]:
        """Per junction, the colours of the route's and the crossing road's phase."""
        return [plan.colours(self.time_s) for plan in self.signal_plans]

    @property
    def lane(self) -> int:
        """The lane that the route requires now."""
        change = self.setting.lane_change
        if change is None:
            return self.setting.lane
        return change.to_lane if self.s >= change.from_m else change.from_lane

    @property
    def lane_offset(self) -> float:
        return self.road.lane_offset(self.lane)

    @property
    def command(self) -> str:
        change = self.setting.lane_change
        if change is not None and change.from_m <= self.s <= change.until_m and abs(self.d - self.lane_offset) > 0.5:
            return change.command
        for junction in self.road.junctions:
            if self.s < junction.exit_m and junction.enter_m - self.s < COMMAND_AHEAD_M:
                return junction.turn
        return "none"

    @property
    def ego_view(self) -> EgoView:
        return EgoView(self.ego.x_m, self.ego.y_m, self.ego.heading_rad, self.ego.speed_mps, self.s, self.d)

    def step(self, curvature: float, acceleration_mps2: float) -> None:
        """Advance by one tick of 1/36 s: scripts, the ego car, other road users."""
        for script in self.scripts:
            script(self)
        self.ego.step(curvature, acceleration_mps2)
        self.locate()
        self.tick += 1
        self.traffic.step(self.tick, self.time_s, TICK_S, self.ego_view, self.signals)
        for person in self.pedestrians:
            person.step(TICK_S)

    def locate(self) -> None:
        """Update the ego car's position on the route."""
        self.s, self.d = self.road.path.project(self.ego.x_m, self.ego.y_m, self.s)

    def route_heading_error(self) -> float:
        """Ego heading relative to the road's, in (-pi, pi]."""
        error = self.ego.heading_rad - self.road.path.pose(self.s)[2]
        return math.remainder(error, 2 * math.pi)
