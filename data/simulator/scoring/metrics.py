"""Score a drive with the field's measures: driving score, PDMS sub-scores, time to collision, comfort, lane keeping.

Sources:
    driving score: CARLA Autonomous Driving Leaderboard 1.0, "Evaluation and metrics": route completion times the
        product of a factor for every infraction (https://leaderboard.carla.org).
    PDMS: D. Dauner et al., NAVSIM, NeurIPS 2024, section 3.3: NC x DAC x (5 EP + 5 TTC + 2 C) / 12.
    comfort: H. Caesar et al., nuPlan, 2021, and its devkit's `ego_is_comfortable` thresholds.

Differences from these sources, since our drives are closed loop and end at the first collision or kerb: sub-scores are
computed over the driven trajectory in windows of 4 s; progress is relative to our own expert on the same route.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fsd.data.frames import TICK_S
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.scoring.referee import Events
from fsd.data.simulator.scoring.time_to_collision import time_to_collision

PENALTY_PEDESTRIAN, PENALTY_VEHICLE, PENALTY_KERB = 0.50, 0.60, 0.65
PENALTY_RED_LIGHT = 0.70
"""Factors of the CARLA leaderboard; its "static layout" is our kerb."""

PENALTY_LANE_ERROR = 0.70
"""Our own factor: a commanded lane change missed, or driving in a wrong lane."""

WINDOW_TICKS = 144
TTC_LIMIT_S = 0.95
CONTACT_TICKS = 4
"""Time to collision is measured at 9 Hz."""

COMFORT_LIMITS = {
    "acceleration_mps2": (-4.05, 2.40),
    "lateral_acceleration_mps2": (-4.89, 4.89),
    "jerk_mps3": (-4.13, 4.13),
    "yaw_rate_rps": (-0.95, 0.95),
    "yaw_acceleration_rps2": (-1.93, 1.93),
}
"""nuPlan's comfort bounds."""


@dataclass(frozen=True)
class RouteScore:
    """Score of one drive. Shares and scores are 0-1; larger is better unless the name says otherwise.

    Attributes:
        finish: how it ended, one of `referee.FINISHES`.
        driving_score: route_completion x infraction_penalty.
        pdms: NAVSIM's score over the driven trajectory; its parts follow (no_collision, drivable_area, progress, ttc,
            comfort; the last two are shares of windows).
        min_time_to_collision_s: the smallest, at most 3; infinite if there was never a predicted contact.
        mean_lane_offset_m: mean distance from the middle of the lane, without junctions and commanded lane changes.
        off_lane_share: share of the same ticks more than 1 m off.
        max_brake_mps2, max_lateral_mps2, rms_jerk_mps3: extremes of the ride.
    """

    finish: str
    route_completion: float
    infraction_penalty: float
    driving_score: float
    pdms: float
    no_collision: float
    drivable_area: float
    progress: float
    ttc: float
    comfort: float
    min_time_to_collision_s: float
    mean_lane_offset_m: float
    off_lane_share: float
    max_brake_mps2: float
    max_lateral_mps2: float
    rms_jerk_mps3: float
    red_lights: int
    stop_lines_met: int
    lane_errors: int
    distance_m: float
    duration_s: float

    @property
    def collided(self) -> bool:
        return self.finish.startswith("collision")

    @property
    def left_road(self) -> bool:
        """Whether the drive ended beside the road or off its route."""
        return self.finish in ("off_road", "off_route")


class DriveRecorder:
    """Collects the data for scoring: create it before the first step, call `record_tick` after every step."""

    def __init__(self, env: DrivingEnv) -> None:
        self._env = env
        self._rows: list[tuple[float, ...]] = []
        self._contacts: list[float] = []
        self._offsets: list[float] = []

    def record_tick(self) -> None:
        world = self._env.world
        ego = world.ego
        self._rows.append((ego.acceleration_mps2 if ego.speed_mps > 0 else 0.0, ego.yaw_rate_rps, ego.speed_mps))
        if world.tick % CONTACT_TICKS == 0:
            self._contacts.append(time_to_collision(world))
        changing = world.setting.lane_change is not None and world.command.startswith("lane")
        if not changing and not world.road.junction_at(world.s):
            self._offsets.append(abs(world.d - world.lane_offset))

    def score(self) -> RouteScore:
        events, world = self._env.events, self._env.world
        completion = 1.0 if events.finish == "completed" else events.progress
        penalty = infraction_penalty(events)
        comfort, ride = _comfort(np.array(self._rows).reshape(-1, 3))
        contacts = np.array(self._contacts)
        ttc = _share_of_windows(contacts >= TTC_LIMIT_S, WINDOW_TICKS // CONTACT_TICKS)
        safe, on_road = float(not events.collided), float(events.finish not in ("off_road", "off_route"))
        progress = _progress(self._env.scenario, self._env.seed, events, world.time_s)
        offsets = np.array(self._offsets) if self._offsets else np.zeros(1)
        return RouteScore(
            finish=events.finish or "broken_off",
            route_completion=completion,
            infraction_penalty=penalty,
            driving_score=completion * penalty,
            pdms=safe * on_road * (5 * progress + 5 * ttc + 2 * comfort) / 12,
            no_collision=safe,
            drivable_area=on_road,
            progress=progress,
            ttc=ttc,
            comfort=comfort,
            min_time_to_collision_s=float(contacts.min()) if len(contacts) else math.inf,
            mean_lane_offset_m=float(offsets.mean()),
            off_lane_share=float((offsets > 1.0).mean()),
            **ride,
            red_lights=events.red_lights,
            stop_lines_met=events.stop_lines_met,
            lane_errors=events.lane_errors,
            distance_m=events.distance_m,
            duration_s=world.time_s,
        )


def infraction_penalty(events: Events) -> float:
    ending = {
        "collision_pedestrian": PENALTY_PEDESTRIAN,
        "collision_vehicle": PENALTY_VEHICLE,
        "off_road": PENALTY_KERB,
        "off_route": PENALTY_KERB,
    }.get(events.finish or "", 1.0)
    return ending * PENALTY_RED_LIGHT**events.red_lights * PENALTY_LANE_ERROR**events.lane_errors


def _comfort(rows: np.ndarray) -> tuple[float, dict[str, float]]:
    """Share of comfortable windows, and the extremes. `rows` (T, 3): acceleration, yaw rate, speed."""
    if not len(rows):
        return 1.0, {"max_brake_mps2": 0.0, "max_lateral_mps2": 0.0, "rms_jerk_mps3": 0.0}
    acceleration, yaw_rate = _smooth(rows[:, 0]), _smooth(rows[:, 1])
    signals = {
        "acceleration_mps2": acceleration,
        "lateral_acceleration_mps2": yaw_rate * rows[:, 2],
        "jerk_mps3": np.gradient(acceleration, TICK_S) if len(rows) > 1 else np.zeros(1),
        "yaw_rate_rps": yaw_rate,
        "yaw_acceleration_rps2": np.gradient(yaw_rate, TICK_S) if len(rows) > 1 else np.zeros(1),
    }
    fine = np.ones(len(rows), dtype=bool)
    for name, (low, high) in COMFORT_LIMITS.items():
        fine &= (signals[name] >= low) & (signals[name] <= high)
    extremes = {
        "max_brake_mps2": float(-acceleration.min()),
        "max_lateral_mps2": float(np.abs(signals["lateral_acceleration_mps2"]).max()),
        "rms_jerk_mps3": float(np.sqrt(np.mean(signals["jerk_mps3"] ** 2))),
    }
    return _share_of_windows(fine, WINDOW_TICKS), extremes


def _smooth(values: np.ndarray, ticks: int = 19) -> np.ndarray:
    """Mean over half a second; nuPlan filters as well before it differentiates."""
    padded = np.pad(values, ticks // 2, mode="edge")
    return np.convolve(padded, np.ones(ticks) / ticks, mode="valid")


def _share_of_windows(fine: np.ndarray, length: int) -> float:
    if not len(fine):
        return 1.0
    return float(np.mean([fine[start : start + length].all() for start in range(0, len(fine), length)]))


def _progress(scenario: str, seed: int, events: Events, duration_s: float) -> float:
    """Mean speed relative to the expert's on the same route, at most 1."""
    if duration_s <= 0.0:
        return 0.0
    expert_mps = expert_pace_mps(scenario, seed)
    return min(events.distance_m / duration_s / max(expert_mps, 0.1), 1.0)


@lru_cache(maxsize=4096)
def expert_pace_mps(scenario: str, seed: int) -> float:
    """Mean speed of the expert over a whole route; cached, 30-100 ms for a new route."""
    env = DrivingEnv(scenario, seed)
    while not env.done:
        env.step(*env.expert_controls())
    return env.events.distance_m / max(env.world.time_s, TICK_S)
