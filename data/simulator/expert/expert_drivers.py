"""Experts that drive and label whole drives, by name: `full` knows everything in sight, `seen` what the cameras showed.

The scores of closed-loop drives are relative to `full`, whichever expert a network learned from.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from fsd.data.simulator.expert.camera_memory import CameraMemory
from fsd.data.simulator.expert.expert import controls_for, expert_controls
from fsd.data.simulator.expert.labels import expert_label, label_of, outlines
from fsd.data.simulator.expert.perception import NO_CAUTION, Caution, Scene, nobody, situation_of
from fsd.data.simulator.world import World

Perceive = Callable[[World], Scene]
"""What a driver perceives; may remember, and is then called once in every tick."""

CAREFUL = Caution(uncertain_s=1.5, walk_mps=1.5, early_s=1.0, margin_s=0.8)
"""How `seen` drives: it brakes early and gradually, so that who imitates it with errors is still safe."""


class ExpertDriver(Protocol):
    """An expert for whole drives; the methods may be called in any order, for the present tick."""

    def observe(self, world: World) -> None:
        """Take note of this tick; needed in ticks without controls or label."""

    def controls(self, world: World) -> tuple[float, float]:
        """Curvature 1/m and acceleration m/s²."""

    def label(self, world: World) -> dict[str, np.ndarray]:
        """As `labels.label_of`."""


class FullExpert:
    """The expert of `expert.py`, which remembers nothing."""

    def observe(self, world: World) -> None:
        return

    def controls(self, world: World) -> tuple[float, float]:
        return expert_controls(world)

    def label(self, world: World) -> dict[str, np.ndarray]:
        return expert_label(world)


class SceneExpert:
    """The driving law on what `perceive` gives.

    Args:
        braking: share of the braking for others and lights: of the difference from the acceleration on an empty road.
    """

    def __init__(self, perceive: Perceive, caution: Caution = NO_CAUTION, braking: float = 1.0) -> None:
        self._perceive, self._caution, self._braking = perceive, caution, braking

    def observe(self, world: World) -> None:
        self._perceive(world)

    def controls(self, world: World) -> tuple[float, float]:
        curvature, acceleration = controls_for(situation_of(world, self._perceive(world), self._caution))
        if self._braking == 1.0:
            return curvature, acceleration
        _, alone = controls_for(situation_of(world, nobody(world)))
        return curvature, alone + self._braking * min(acceleration - alone, 0.0)

    def label(self, world: World) -> dict[str, np.ndarray]:
        scene = self._perceive(world)
        now = situation_of(world, scene, self._caution)
        return label_of(world, scene, now, outlines(scene.vehicles, scene.people))


def seen_expert() -> SceneExpert:
    """The expert that knows what the cameras of the simulator's rig showed, and is careful near people."""
    return SceneExpert(CameraMemory(), CAREFUL)


EXPERTS: dict[str, Callable[[], ExpertDriver]] = {"full": FullExpert, "seen": seen_expert}
