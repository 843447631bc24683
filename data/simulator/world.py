"""One drive: road, lights, traffic, people and the ego car, stepped at 36 Hz from a seed. No pictures, no scores.

Everything random is drawn from generators seeded here, so a seed and the same controls give the same drive.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fsd.data.frames import TICK_S
from fsd.data.simulator.actors import Pedestrian
from fsd.data.simulator.appearance import Light, Surfaces, sample_light, sample_surfaces
from fsd.data.simulator.dynamics import FRONT_M, EgoState
from fsd.data.simulator.road import Road
from fsd.data.simulator.road_speed import speed_profile
from fsd.data.simulator.scenery import Scenery, plant
from fsd.data.simulator.signals import SignalPlan, sample_signal
from fsd.data.simulator.streams import Stream, add_conflicts, crossing_streams, oncoming_streams
from fsd.data.simulator.traffic import EgoView, Gaps, Traffic

COMMAND_AHEAD_M = 70.0
"""A turn is commanded from this far before the junction: farther than the plan's four seconds reach."""

SIGHT_M = 95.0
"""Nobody takes notice of what is farther away, or deeper in fog than 1.3 optical depths."""

YIELD_SPEED_MPS = 3.0
"""Whoever must give way comes to the line this slowly."""

TOWN_LIMIT_MPS, COUNTRY_LIMIT_MPS = 10.0, 13.5


@dataclass(frozen=True)
class LaneChange:
    """A commanded change of lane: announced at route distance `from_m`, to be finished by `until_m`."""

    from_m: float
    until_m: float
    from_lane: int
    to_lane: int

    @property
    def command(self) -> str:
        """The route command's name; lane 0 is the leftmost."""
        return "lane_left" if self.to_lane < self.from_lane else "lane_right"


@dataclass(frozen=True)
class Conditions:
    """What it looks like where a scenario does not leave it to chance.

    `weather` and `wear` (of the paint, 0-1) are drawn if None; `mounting_error_deg` is the standard deviation of the
    cameras' rotations; `severe` asks for fog and glare beyond what is otherwise drawn.
    """

    weather: str | None = None
    wear: float | None = None
    mounting_error_deg: float = 0.25
    exposure_steps: bool = True
    severe: bool = False


@dataclass(frozen=True)
class Setting:
    """What is fixed before anything moves: the road, from where (`start_m`) to where (`goal_m`), and in which lane."""

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
        ego: the car, `s` and `d` its place on the route.
        traffic, pedestrians: the others.
        scripts: called once per tick with the world, before anybody moves; they make scenarios happen.
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
        """Speed to drive along a lane, slow before lines where the ego car must give way."""
        profile = speed_profile(self.road.path, self.road.lane_offset(lane), self.limit_mps)
        s = 0.5 * np.arange(len(profile))
        for junction in self.road.junctions:
            if junction.control == "yield":
                to_line = np.maximum(junction.stop_m - FRONT_M - s, 0.0)
                slow = np.sqrt(YIELD_SPEED_MPS**2 + 2 * 1.4 * to_line)
                profile = np.where(s <= junction.stop_m - FRONT_M + 1.0, np.minimum(profile, slow), profile)
        return profile

    # Looks, drawn only when somebody wants pictures -------------------------------------------------------------------

    @cached_property
    def surfaces(self) -> Surfaces:
        """Road and ground of this drive."""
        return sample_surfaces(
            np.random.default_rng([self.seed, 6]), self.setting.country, self.setting.conditions.wear
        )

    @cached_property
    def scenery(self) -> Scenery:
        """What stands beside the road."""
        return plant(np.random.default_rng([self.seed, 7]), self.road, self.setting.country)

    @cached_property
    def houses(self) -> np.ndarray:
        """(n, 5) outlines of buildings: x, y, heading, half length, half depth."""
        buildings = self.scenery.buildings
        return np.column_stack([buildings[:, :3], 0.5 * buildings[:, 3:5]])

    # Setting the scene ------------------------------------------------------------------------------------------------

    def add_oncoming(self, gaps: Gaps) -> None:
        """Let traffic come towards the ego car along the whole route, with these gaps in every lane."""
        speeds = (0.75 * self.limit_mps, self.limit_mps)
        for lane in range(self.road.lanes):
            for stream in oncoming_streams(self.road, lane):
                for stop in stream.stops:
                    add_conflicts(stream, self.road, stop.junction, self.lane_offset)
                self._add_stream(stream, gaps, speeds)

    def add_crossing(self, junction: int, gaps: Gaps, speeds: tuple[float, float] | None = None) -> None:
        """Let traffic cross at a junction."""
        for lane in range(self.road.lanes):
            for stream in crossing_streams(self.road, junction, lane):
                add_conflicts(stream, self.road, junction, self.lane_offset)
                self._add_stream(stream, gaps, speeds or (0.7 * self.limit_mps, self.limit_mps))

    def _add_stream(self, stream: Stream, gaps: Gaps, speeds: tuple[float, float]) -> None:
        self.streams.append(stream)
        self.traffic.add_flow(stream, gaps, speeds)

    # Time -------------------------------------------------------------------------------------------------------------

    @property
    def time_s(self) -> float:
        """Seconds since the start."""
        return self.tick * TICK_S

    @property
    def signals(self) -> list[tuple[str, str]]:
        """Per junction, the colours of the route's and the crossing road's phase."""
        return [plan.colours(self.time_s) for plan in self.signal_plans]

    @property
    def lane(self) -> int:
        """The lane that the route wants now."""
        change = self.setting.lane_change
        if change is None:
            return self.setting.lane
        return change.to_lane if self.s >= change.from_m else change.from_lane

    @property
    def lane_offset(self) -> float:
        """Offset of that lane's centre."""
        return self.road.lane_offset(self.lane)

    @property
    def command(self) -> str:
        """The route command at this moment."""
        change = self.setting.lane_change
        if change is not None and change.from_m <= self.s <= change.until_m and abs(self.d - self.lane_offset) > 0.5:
            return change.command
        for junction in self.road.junctions:
            if self.s < junction.exit_m and junction.enter_m - self.s < COMMAND_AHEAD_M:
                return junction.turn
        return "none"

    @property
    def ego_view(self) -> EgoView:
        """What others see of the ego car."""
        return EgoView(self.ego.x_m, self.ego.y_m, self.ego.heading_rad, self.ego.speed_mps, self.s, self.d)

    def step(self, curvature: float, acceleration_mps2: float) -> None:
        """One tick of 1/36 s: scripts, the ego car, the others."""
        for script in self.scripts:
            script(self)
        self.ego.step(curvature, acceleration_mps2)
        self.locate()
        self.tick += 1
        self.traffic.step(self.tick, self.time_s, TICK_S, self.ego_view, self.signals)
        for person in self.pedestrians:
            person.step(TICK_S)

    def locate(self) -> None:
        """Find the ego car on its route again."""
        self.s, self.d = self.road.path.project(self.ego.x_m, self.ego.y_m, self.s)

    def route_heading_error(self) -> float:
        """Ego heading against the road's, in (-pi, pi]."""
        error = self.ego.heading_rad - self.road.path.pose(self.s)[2]
        return math.remainder(error, 2 * math.pi)
