"""Hazard worlds contain their hazards, and boxes land in the blocks that show them. No OpenGL."""

import numpy as np
import pytest

from fsd.data.frames import CAMERAS
from fsd.data.simulator.expert.expert import expert_controls
from fsd.data.simulator.traffic.actors import Pedestrian
from fsd.data.standard_rigs import canonical_rig
from rate_distortion.hazard_truth import blocks_with, box_in_ego, boxes_in_images, outline
from rate_distortion.hazard_worlds import KINDS, SPEEDS_MPS, build_hazard_world

RIG = canonical_rig(640, 480)


def upright(x_m: float, y_m: float, height_m: float = 1.75, half_m: float = 0.3) -> np.ndarray:
    """(8, 3) corners of a box in the ego frame."""
    return np.array(
        [[x_m + a * half_m, y_m + b * half_m, c * height_m] for a in (-1, 1) for b in (-1, 1) for c in (0, 1)]
    )


def test_a_person_ahead_is_in_the_front_cameras_only() -> None:
    found = boxes_in_images(upright(20.0, 0.0), RIG)
    assert {CAMERAS[index] for index in found} == {"front_main", "front_wide", "front_narrow"}
    left, top, right, bottom = found[0]
    assert (left + right) / 2 == pytest.approx(320, abs=3)
    assert bottom > 240 > top


def test_a_person_to_the_left_is_in_the_left_pillar_camera() -> None:
    blocks = blocks_with(upright(8.0, 8.0), RIG)
    assert blocks[CAMERAS.index("left_pillar")].any()
    assert not blocks[CAMERAS.index("right_pillar")].any()


def test_a_far_person_is_in_few_blocks_and_a_near_van_in_many() -> None:
    narrow = CAMERAS.index("front_main")
    assert 1 <= blocks_with(upright(38.0, 0.0), RIG)[narrow].sum() <= 4
    assert blocks_with(upright(12.0, 0.0, 2.0, 1.0), RIG)[narrow].sum() > 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("speed_mps", [SPEEDS_MPS[0], SPEEDS_MPS[-1]])
def test_every_hazard_starts_ahead_of_the_car_at_the_given_speed(kind: str, speed_mps: float) -> None:
    stage = build_hazard_world(kind, speed_mps, 90_001)
    world = stage.world
    assert world.ego.speed_mps == speed_mps
    begun: dict[int, float] = {}
    for _ in range(int(stage.seconds * 36)):
        for index, hazard in enumerate(stage.hazards):
            if hazard.is_under_way() and index not in begun:
                height_m = 1.75 if isinstance(hazard.actor, Pedestrian) else 1.5
                begun[index] = float(box_in_ego(world, outline(hazard), height_m)[:, 0].mean())
        world.step(*expert_controls(world))
    assert 0 in begun
    assert all(0.0 < ahead_m < 95.0 for ahead_m in begun.values())


def test_the_same_seed_gives_the_same_world() -> None:
    one, other = (build_hazard_world("cut_in", 10.0, 90_002) for _ in range(2))
    for stage in (one, other):
        for _ in range(40):
            stage.world.step(*expert_controls(stage.world))
    assert one.world.ego == other.world.ego
