"""The driving environment: one scenario and seed, stepped at 36 Hz by a driver, with labels, events and images.

OpenGL is needed only with a renderer.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from fsd.data.ego import EgoSample
from fsd.data.errors import SimulatorError
from fsd.data.frames import FrameSet
from fsd.data.simulator.expert.expert import expert_controls
from fsd.data.simulator.expert.labels import expert_label
from fsd.data.simulator.scenarios import build_world
from fsd.data.simulator.scoring.referee import Events, Referee, collision, on_asphalt
from fsd.data.simulator.world import World

if TYPE_CHECKING:
    from fsd.data.simulator.rendering.renderer import Renderer

_IDLE_MPS = 0.2


class DrivingEnv:
    """A drive.

    Args:
        scenario: a name of `scenarios.SCENARIOS`, such as "S3".
        seed: which of its worlds; `seeds.py` says which seeds are for training and which for evaluation.
        renderer: draws the cameras; environments may share it, one after another. None: no images.

    Attributes:
        mounting_error: (8, 3, 3) rotations of the drawn cameras on their mounts; None without a renderer.

    Raises:
        SimulatorError: no such scenario, or the seed is reserved.
    """

    def __init__(self, scenario: str, seed: int, renderer: "Renderer | None" = None) -> None:
        self.scenario, self.seed = scenario, seed
        self.world: World = build_world(scenario, seed)
        self._referee = Referee(self.world)
        self._renderer = renderer
        self.mounting_error: np.ndarray | None = None
        if renderer is not None:
            self._load(renderer)

    def _load(self, renderer: "Renderer") -> None:
        from fsd.data.simulator.rendering.camera_view import load_world, sample_mounting_error

        load_world(renderer, self.world)
        rng = np.random.default_rng([self.seed, 8])
        self.mounting_error = sample_mounting_error(rng, self.world.setting.conditions.mounting_error_deg)

    def observe(self) -> list[np.ndarray]:
        """Eight (H, W, 3) uint8 RGB images in canonical order: views that the next call overwrites.

        Raises:
            SimulatorError: the environment has no renderer.
        """
        return [image[..., :3] for image in self._draw()]

    def frame_set(self) -> FrameSet:
        """The same images as input of the compressor: YUV planes with the time of this tick."""
        from fsd.data.simulator.rendering.yuv import frame_set_from_rgb

        return frame_set_from_rgb(self._draw(), self.world.tick)

    def _draw(self) -> np.ndarray:
        from fsd.data.simulator.rendering.camera_view import draw_world

        if self._renderer is None:
            raise SimulatorError("This environment has no renderer. Pass `renderer=Renderer(canonical_rig(320, 240))`.")
        return draw_world(self._renderer, self.world, self.mounting_error)

    def ego(self) -> EgoSample:
        return EgoSample(self.world.ego.speed_mps, self.world.ego.yaw_rate_rps)

    def command(self) -> str:
        return self.world.command

    def expert_label(self) -> dict[str, np.ndarray]:
        """The expert's plan from the current state, whichever driver reached it; see `labels.expert_label`."""
        return expert_label(self.world)

    def expert_controls(self) -> tuple[float, float]:
        return expert_controls(self.world)

    @property
    def events(self) -> Events:
        """Events so far; `events.finish` is None until the drive ends."""
        return self._referee.events

    @property
    def done(self) -> bool:
        return self.events.finish is not None

    def step(self, curvature: float, acceleration: float) -> Events:
        """Advance by one tick of 1/36 s with these commands; does nothing once the drive is over."""
        if not self.done:
            self.world.step(curvature, acceleration)
            standing = self.world.ego.speed_mps < _IDLE_MPS
            self._referee.record_tick(self.world, would_go=standing and self.expert_controls()[1] > 0.4)
        return self.events

    def perturb(self, rng: np.random.Generator, sideways_m: float = 0.5, turn_rad: float = 0.08) -> None:
        """Shift the car off its lane, turn it and change its speed, to train recovery; never into a collision.

        Args:
            rng: source of randomness; standard deviations are `sideways_m` and `turn_rad`.
        """
        world, ego = self.world, self.world.ego
        before = (ego.x_m, ego.y_m, ego.heading_rad, ego.speed_mps)
        for _ in range(10):
            shift = float(np.clip(rng.normal(0, sideways_m), -2.5 * sideways_m, 2.5 * sideways_m))
            heading = before[2]
            ego.x_m, ego.y_m = before[0] - shift * math.sin(heading), before[1] + shift * math.cos(heading)
            ego.heading_rad = heading + float(np.clip(rng.normal(0, turn_rad), -2.5 * turn_rad, 2.5 * turn_rad))
            ego.speed_mps = max(before[3] * float(rng.uniform(0.6, 1.15)), 0.0)
            world.locate()
            drift_m = 0.7 * ego.speed_mps * math.sin(world.route_heading_error())
            recoverable = abs(world.d + drift_m) < world.road.half_width_m - 0.95
            if recoverable and collision(world) is None and on_asphalt(world):
                return
        ego.x_m, ego.y_m, ego.heading_rad, ego.speed_mps = before
        world.locate()
