"""The priority zone: the street ahead is read again within a few ticks, whatever the cameras show."""

import msgspec
import numpy as np
import pytest

from fsd.compression.adaptive_gaze import AdaptiveGaze, GazeWeights
from fsd.compression.budget import BUDGETS
from fsd.compression.gaze import Gaze, Scene
from fsd.compression.priority_zone import priority_blocks
from fsd.compression.token_rays import TokenRays
from fsd.data.camera_model import project
from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Rig
from fsd.data.standard_rigs import canonical_rig

RIG = canonical_rig()
RAYS = TokenRays(RIG)
ZONE = priority_blocks(RIG)


def is_held(rig: Rig, blocks: np.ndarray, x_m: float, y_m: float) -> bool:
    """Whether any part of a person who stands there is in one of the blocks."""
    for index, name in enumerate(CAMERAS):
        camera = rig.camera(name)
        if camera is None:
            continue
        mount = camera.ego_from_camera.matrix()
        body = np.array([(x_m, y_m + aside, height) for aside in (-0.2, 0.0, 0.2) for height in (0.2, 0.6, 1.0, 1.4)])
        pixels, in_image = project(camera, (body - mount[:3, 3]) @ mount[:3, :3])
        columns = ((pixels[in_image, 0] + 0.5) * GRID_COLUMNS / camera.width_px).astype(int)
        rows = ((pixels[in_image, 1] + 0.5) * GRID_ROWS / camera.height_px).astype(int)
        if blocks[index, rows * GRID_COLUMNS + columns].any():
            return True
    return False


@pytest.mark.parametrize("x_m", [8.0, 12.0, 20.0, 30.0, 39.0])
@pytest.mark.parametrize("y_m", [-7.0, -3.0, 0.0, 3.0, 7.0])
def test_a_person_on_the_street_ahead_is_in_the_zone(x_m: float, y_m: float) -> None:
    assert is_held(RIG, ZONE, x_m, y_m)


def test_the_zone_is_small_and_the_same_for_every_resolution() -> None:
    assert 10 <= ZONE.sum() <= 24
    assert np.array_equal(ZONE, priority_blocks(canonical_rig(320, 240)))


def test_other_cameras_cover_the_zone_where_the_wide_one_is_missing() -> None:
    rig = msgspec.structs.replace(RIG, cameras=tuple(each for each in RIG.cameras if each.name != "front_wide"))
    blocks = priority_blocks(rig)
    assert is_held(rig, blocks, 20.0, 5.0)
    assert is_held(rig, blocks, 20.0, -5.0)


def test_a_rig_that_only_looks_back_has_no_zone() -> None:
    rear = tuple(each for each in RIG.cameras if each.name == "rear")
    assert not priority_blocks(msgspec.structs.replace(RIG, cameras=rear)).any()


def waits(budget: str, weights: GazeWeights, ticks: int = 60) -> np.ndarray:
    """The longest time, in ticks, that every block waited while all blocks outside the zone are surprising."""
    gaze = Gaze(BUDGETS[budget], AdaptiveGaze(RIG, RAYS, weights))
    surprise = np.where(ZONE, 0, 4095).astype(np.int64)
    last, longest = np.zeros(8 * BLOCKS, np.int64), np.zeros(8 * BLOCKS, np.int64)
    for count in range(ticks):
        scene = Scene(
            count=count,
            analysis=np.zeros((8, 120, 160), np.uint8),
            is_valid=np.ones(8, bool),
            surprise=surprise,
            is_keyframe=np.zeros(8, bool),
            last_read=gaze.last_read,
            yaw_rate_rps=0.0,
            saliency=None,
        )
        chosen = gaze.choose(scene)
        longest = np.maximum(longest, count - last)
        last[chosen] = count
    return longest.reshape(8, BLOCKS)


def test_a_block_of_the_zone_waits_two_ticks_at_most_while_everything_else_is_surprising() -> None:
    assert waits("B100", GazeWeights())[ZONE].max() <= 3  # read at a tick, and again three later: unread for two


@pytest.mark.parametrize("name", ["B200", "B400"])
def test_a_small_budget_spends_no_more_than_its_share_on_the_zone(name: str) -> None:
    budget = BUDGETS[name]
    free = budget.patch_count - budget.sweep_patches
    turn = -(-int(ZONE.sum()) * GazeWeights().priority_share // free)
    longest = waits(name, GazeWeights(), 3 * turn)[ZONE]
    assert longest.min() == turn
    assert longest.max() <= turn + 8  # the sweep reads some of them too, after which more than one is due at once


def test_the_zone_can_be_switched_off() -> None:
    assert waits("B100", GazeWeights(max_revisit_ticks=0))[ZONE].max() > 9
