"""Drive in the simulator and record training episodes through the compressor.

The world and the compressor run at 36 Hz; images are rendered at every fourth tick and held in between, as from a 9 Hz
camera, at a quarter of the cost. Only ticks with fresh images are recorded. The driver is the expert with bursts of
steering noise, or (DAgger) the network itself; in both cases the expert labels every recorded tick.

Source: S. Ross et al., A reduction of imitation learning and structured prediction to no-regret online learning (2011);
noise injection as in M. Laskey et al., DART (2017).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET, Budget
from fsd.compression.compressor import Compressor
from fsd.data.clock import tick_time_ns
from fsd.data.frames import RATE_HZ, FrameSet
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.expert.expert_drivers import EXPERTS, ExpertDriver
from fsd.data.simulator.expert.saliency import saliency_label
from fsd.data.simulator.expert.scene_labels import SceneLabels
from fsd.data.simulator.seeds import check_training_seed
from fsd.data.standard_rigs import canonical_rig
from fsd.data.worker_process import run_jobs
from fsd.networks.dataset import EpisodeWriter
from fsd.networks.input_buffers import TickInput

if TYPE_CHECKING:
    from fsd.networks.student import TorchStudent

TRAINING_SCENARIOS = ("S1", "S2", "S3", "S4", "S5", "S6", "S7")
"""Without S8, whose conditions are out of the training range: it is for evaluation only."""

STUDENT_SCENARIOS = ("S6", "S7", "S3", "tour", "S6", "S2", "S5", "S1", "S6", "S7", "S3", "tour", "S4")
"""The same for rounds in which the network drives; scenarios that are hard to learn appear more often."""

DRAW_EVERY_TICKS = 4
LOST_M, LOST_RAD = 1.6, 0.47
"""A network farther off its lane than this is lost, and the episode ends."""

EXPERT_SHARE = 0.35
"""Share of expert episodes in rounds in which the network drives."""

LOOK_SHARE = 0.8
"""Share of expert episodes in which saliency labels guide the gaze, as the outputs of a trained network do."""

FINE_SCALES = {1: 0.7, 2: 0.27, 4: 0.03}
"""Share of episodes of those rounds rendered at this many times the resolution, so that sharp patches are known; only
pictures of four times the resolution have fine patches."""

PATCH_SHARES = {1.0: 0.5, 0.6: 0.15, 0.3: 0.25, 0.15: 0.1}
"""Share of episodes in which a foveated compressor has this part of its patches, so that one network serves them all.
"""

MISSED, IMAGINED = 0.15, 0.01
"""Shares of salient blocks that are not requested, and of other blocks that are, in episodes with guided gaze."""


@dataclass(frozen=True)
class CollectionConfig:
    """One round of collection.

    Attributes:
        out: folder of all episodes; finished episodes are kept, so an interrupted round resumes.
        episodes: their number; first_seed: seed of the first, counting up; round_index: 0 for the expert's round.
        seconds: recorded length; warm_up_s: longest unrecorded drive by the expert before it.
        width_px, height_px: size of the rendered images, but see `FINE_SCALES`.
        weights: weights of the student; None: the expert drives all episodes.
        expert: that labels, one of `expert_drivers.EXPERTS`: `seen` knows what the cameras showed, `full` everything.
    """

    out: Path
    episodes: int
    first_seed: int = 0
    round_index: int = 0
    seconds: float = 9.0
    warm_up_s: float = 18.0
    width_px: int = 320
    height_px: int = 240
    budget: str = DEFAULT_BUDGET
    weights: Path | None = None
    expert: str = "seen"

    def __post_init__(self) -> None:
        if self.expert not in EXPERTS:
            raise ValueError(f"expert must be one of {', '.join(EXPERTS)}, got {self.expert!r}.")
        check_training_seed(self.first_seed)
        check_training_seed(self.first_seed + self.episodes - 1)

    def episode_name(self, index: int) -> str:
        scenarios = STUDENT_SCENARIOS if self.round_index > 0 else TRAINING_SCENARIOS
        scenario = scenarios[index % len(scenarios)]
        return f"{scenario}-{self.first_seed + index:06d}-r{self.round_index}"


def collect(config: CollectionConfig, workers: int, progress: Callable[[int, int], None] | None = None) -> int:
    """Record the episodes that are missing.

    Args:
        config: settings of the round; workers: processes, one core and one renderer each.
        progress: called as progress(done, total).

    Returns:
        Recorded ticks of the new episodes.

    Raises:
        SimulatorError: OpenGL is not available.
        FsdError: a process was killed or crashed; finished episodes are kept.
    """
    missing = [i for i in range(config.episodes) if not (config.out / config.episode_name(i) / "episode.json").exists()]
    recorded: list[int] = []

    def finish(index: int, ticks: int) -> None:
        recorded.append(ticks)
        if progress is not None:
            progress(len(recorded), len(missing))

    weights = None if config.weights is None else config.weights.absolute()
    anywhere = replace(config, out=config.out.absolute(), weights=weights)  # a worker may start in another folder
    run_jobs(_work, missing, workers, finish, _start_worker, anywhere)
    return sum(recorded)


_worker: "Collector | None" = None


def _start_worker(config: CollectionConfig) -> None:
    global _worker
    student = None
    if config.weights is not None:
        from fsd.networks.student import TorchStudent

        student = TorchStudent(config.weights)
    _worker = Collector(config, student)


def _work(index: int) -> int:
    assert _worker is not None
    return _worker.episode(index)


class CameraSetup:
    """Cameras of one size: rig and renderer."""

    def __init__(self, width_px: int, height_px: int) -> None:
        from fsd.data.simulator.rendering.renderer import Renderer

        self.rig = canonical_rig(width_px, height_px)
        self.renderer = Renderer(self.rig)


class Collector:
    """Records episodes one after another."""

    def __init__(self, config: CollectionConfig, student: "TorchStudent | None") -> None:
        self._config, self._student = config, student
        self._budget: Budget = ALL_BUDGETS[config.budget]
        self._cameras: dict[int, CameraSetup] = {}
        self._compressors: dict[tuple[int, int], Compressor] = {}

    def _cameras_of(self, scale: int) -> CameraSetup:
        if scale not in self._cameras:
            self._cameras[scale] = CameraSetup(scale * self._config.width_px, scale * self._config.height_px)
        return self._cameras[scale]

    def _compressor_of(self, scale: int, patches: int) -> Compressor:
        if (scale, patches) not in self._compressors:
            is_all = patches == self._budget.patch_count
            budget = self._budget if is_all else self._budget.with_patches(patches)
            self._compressors[scale, patches] = Compressor(self._cameras_of(scale).rig, budget)
        return self._compressors[scale, patches]

    def episode(self, index: int) -> int:
        """Drive and write one episode; returns the number of recorded ticks."""
        config = self._config
        name = config.episode_name(index)
        scenario, seed = name.split("-")[0], config.first_seed + index
        rng = np.random.default_rng([seed, 9, config.round_index])
        scale = int(rng.choice(list(FINE_SCALES), p=list(FINE_SCALES.values()))) if config.round_index > 0 else 1
        patches = self._budget.patch_count
        if self._budget.fovea is not None:
            patches = round(rng.choice(list(PATCH_SHARES), p=list(PATCH_SHARES.values())) * patches)
        cameras, compressor = self._cameras_of(scale), self._compressor_of(scale, patches)
        env = DrivingEnv(scenario, seed, cameras.renderer)
        expert = EXPERTS[config.expert]()
        _warm_up(env, expert, rng, config.warm_up_s)
        student = self._student if rng.uniform() >= EXPERT_SHARE else None
        if rng.uniform() < 0.6:
            env.perturb(rng)
        writer = EpisodeWriter(config.out / name, self._budget, DRAW_EVERY_TICKS)
        outcome = self._drive(env, expert, compressor, writer, rng, student)
        writer.close(
            {
                "scenario": scenario,
                "seed": seed,
                "round": config.round_index,
                "width_px": cameras.rig.cameras[0].width_px,
                "patches": patches,
                "expert": config.expert,
                "driver": "student" if student is not None else "expert",
                "outcome": outcome,
            }
        )
        return len(writer)

    def _drive(
        self,
        env: DrivingEnv,
        expert: ExpertDriver,
        compressor: Compressor,
        writer: EpisodeWriter,
        rng: np.random.Generator,
        student: "TorchStudent | None",
    ) -> str:
        compressor.reset()
        if student is not None:
            student.reset()
        noise = ControlNoise(rng)
        scene = SceneLabels(env.world, compressor.rig, env.mounting_error)
        is_looking = student is None and rng.uniform() < LOOK_SHARE
        saliency: np.ndarray | None = None
        controls = (0.0, 0.0)
        skipped_slots: list[int] = []
        frame_set: FrameSet | None = None
        for tick in range(round(self._config.seconds * RATE_HZ)):
            is_fresh = tick % DRAW_EVERY_TICKS == 0
            now = env.world.tick
            frame_set = env.frame_set() if is_fresh or frame_set is None else frame_set.held(now, tick_time_ns(now))
            compressed = compressor.step(frame_set, env.ego(), saliency)
            if not is_fresh:
                expert.observe(env.world)
                writer.skip(compressed)
                skipped_slots += [int(slot) for slot in compressed.commit_slots if slot >= 0]
            else:
                step = TickInput(compressed, env.ego(), env.command())
                labels = {**expert.label(env.world), **scene.label()}
                labels["saliency"] = saliency_label(env.world, compressor.rig)
                writer.add(step, labels)
                if is_looking:
                    saliency = saliency_request(labels["saliency"], rng)
                best = (float(labels["curvature"][0]), float(labels["acceleration"][0]))
                if student is not None:
                    commits = np.array([*compressed.commit_slots, *skipped_slots], np.int16)
                    curvature, acceleration, saliency = student.drive(
                        step._replace(tick=replace(compressed, commit_slots=commits))
                    )
                    controls = (curvature, acceleration)
                    if is_lost(env):
                        return "lost"
                else:
                    controls = noise.disturb(best, env.world.ego.speed_mps)
                skipped_slots.clear()
            env.step(*controls)
            if env.done:
                return str(env.events.finish)
        return "time"


def saliency_request(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(8, 15, 20) float32: a saliency label with errors, as an imperfect network would output it."""
    is_marked = (label > 0) & (rng.uniform(size=label.shape) >= MISSED) | (rng.uniform(size=label.shape) < IMAGINED)
    return np.where(is_marked, 3.0, -3.0).astype(np.float32)


class ControlNoise:
    """Bursts of wrong steering and throttle, so that the expert's labels show how to recover."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._steer_left = self._throttle_left = 0
        self._curvature = self._acceleration = 0.0

    def disturb(self, controls: tuple[float, float], speed_mps: float) -> tuple[float, float]:
        """The controls to apply in place of the expert's curvature and acceleration."""
        rng = self._rng
        self._steer_left, self._throttle_left = self._steer_left - 1, self._throttle_left - 1
        if self._steer_left < -8 and rng.uniform() < 0.07:
            self._steer_left = int(rng.integers(3, 9))
            self._curvature = float(rng.normal(0, 0.05)) / (1 + 0.12 * speed_mps)
        if self._throttle_left < -8 and rng.uniform() < 0.04:
            self._throttle_left = int(rng.integers(4, 12))
            self._acceleration = float(rng.normal(0.3, 1.2))
        return (
            controls[0] + (self._curvature if self._steer_left > 0 else 0.0),
            controls[1] + (self._acceleration if self._throttle_left > 0 else 0.0),
        )


def is_lost(env: DrivingEnv) -> bool:
    """Whether the car is outside the lanes that the route allows, or its heading is far off."""
    world = env.world
    change = world.setting.lane_change
    lanes = [world.lane_offset]
    if change is not None:
        lanes = [world.road.lane_offset(lane) for lane in (change.from_lane, change.to_lane)]
    off_m = max(min(lanes) - world.d, world.d - max(lanes))
    return off_m > LOST_M or abs(world.route_heading_error()) > LOST_RAD


def _warm_up(env: DrivingEnv, expert: ExpertDriver, rng: np.random.Generator, longest_s: float) -> None:
    """Let the expert drive to a random place on the route, without rendering."""
    route_m = env.world.setting.goal_m - env.world.s
    for _ in range(round(float(rng.uniform(0, longest_s)) * RATE_HZ)):
        if env.world.setting.goal_m - env.world.s < 0.25 * route_m:
            return
        env.step(*expert.controls(env.world))
