"""Drives of the simulator's expert, tick by tick: every variant gets the same images.

The world and the compressors run at 36 Hz; cameras are drawn at 9 Hz and held in between, as in the training of the
packaged network. The expert's controls get bursts of noise, and half of the drives start off the lane, so that plans
have something to correct. This module does not compress.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fsd.data.clock import tick_time_ns
from fsd.data.ego import EgoSample
from fsd.data.frames import RATE_HZ, FrameSet
from fsd.data.rig import Rig
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.expert.saliency import saliency_label
from fsd.data.simulator.rendering.renderer import Renderer
from fsd.networks.collection import DRAW_EVERY_TICKS, TRAINING_SCENARIOS, ControlNoise

WIDTH_PX, HEIGHT_PX = 640, 480
"""Size of the drawn cameras: a sample of a 32x32 patch is one of their pixels, an 80x60 base image has a 64th of
them."""

TRAINING_SEED, EVALUATION_SEED = 80_000, 120_000
LONGEST_WARM_UP_S = 14.0
PERTURBED_SHARE = 0.5


@dataclass(frozen=True)
class DriveTick:
    """One 36 Hz tick. `labels` (expert plan, saliency) only if `is_fresh`: the cameras were drawn."""

    is_fresh: bool
    frame_set: FrameSet
    ego: EgoSample
    command: str
    labels: dict[str, np.ndarray] | None


def training_route(index: int) -> tuple[str, int]:
    """Scenario and seed of a training drive."""
    return TRAINING_SCENARIOS[index % len(TRAINING_SCENARIOS)], TRAINING_SEED + index


def expert_drive(
    scenario: str, seed: int, renderer: Renderer, rig: Rig, seconds: float, rng: np.random.Generator
) -> Iterator[DriveTick]:
    """Ticks of one drive: it starts at a random place on its route and ends after `seconds` or with the route."""
    env = DrivingEnv(scenario, seed, renderer)
    _drive_ahead(env, float(rng.uniform(0.0, LONGEST_WARM_UP_S)))
    if rng.uniform() < PERTURBED_SHARE:
        env.perturb(rng)
    noise = ControlNoise(rng)
    frame_set: FrameSet | None = None
    controls = (0.0, 0.0)
    for tick in range(round(seconds * RATE_HZ)):
        is_fresh = tick % DRAW_EVERY_TICKS == 0
        now = env.world.tick
        frame_set = env.frame_set() if is_fresh or frame_set is None else frame_set.held(now, tick_time_ns(now))
        labels = None
        if is_fresh:
            labels = {**env.expert_label(), "saliency": saliency_label(env.world, rig)}
            expert = (float(labels["curvature"][0]), float(labels["acceleration"][0]))
            controls = noise.disturb(expert, env.world.ego.speed_mps)
        yield DriveTick(is_fresh, frame_set, env.ego(), env.command(), labels)
        env.step(*controls)
        if env.done:
            return


def _drive_ahead(env: DrivingEnv, seconds: float) -> None:
    """Drive without drawing, but stop while at least 35% of the route remains."""
    route_m = env.world.setting.goal_m - env.world.s
    for _ in range(round(seconds * RATE_HZ)):
        if env.world.setting.goal_m - env.world.s < 0.35 * route_m:
            return
        env.step(*env.expert_controls())
