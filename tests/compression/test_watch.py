"""The watch: nobody who stands on the street ahead goes unread for longer than some ticks, whatever else is on show."""

import msgspec
import numpy as np
import pytest

from fsd.compression.adaptive_gaze import AdaptiveGaze, GazeWeights
from fsd.compression.budget import BUDGETS
from fsd.compression.gaze import Gaze, Scene
from fsd.compression.token_geometry import TokenGeometry
from fsd.compression.watch import watch_blocks
from fsd.data.camera_model import project
from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Rig
from fsd.data.standard_rigs import canonical_rig

RIG = canonical_rig()
GEOMETRY = TokenGeometry(RIG)
WATCH = watch_blocks(RIG)


def is_held(rig: Rig, watch: np.ndarray, x_m: float, y_m: float) -> bool:
    """Whether any part of somebody who stands there is in a block of the watch."""
    for index, name in enumerate(CAMERAS):
        camera = rig.camera(name)
        if camera is None:
            continue
        mount = camera.ego_from_camera.matrix()
        body = np.array([(x_m, y_m + aside, height) for aside in (-0.2, 0.0, 0.2) for height in (0.2, 0.6, 1.0, 1.4)])
        pixels, in_image = project(camera, (body - mount[:3, 3]) @ mount[:3, :3])
        columns = ((pixels[in_image, 0] + 0.5) * GRID_COLUMNS / camera.width_px).astype(int)
        rows = ((pixels[in_image, 1] + 0.5) * GRID_ROWS / camera.height_px).astype(int)
        if watch[index, rows * GRID_COLUMNS + columns].any():
            return True
    return False


@pytest.mark.parametrize("x_m", [8.0, 12.0, 20.0, 30.0, 39.0])
@pytest.mark.parametrize("y_m", [-7.0, -3.0, 0.0, 3.0, 7.0])
def test_somebody_on_the_street_ahead_is_in_the_watch(x_m: float, y_m: float) -> None:
    assert is_held(RIG, WATCH, x_m, y_m)


def test_the_watch_is_small_and_the_same_for_every_resolution() -> None:
    assert 10 <= WATCH.sum() <= 24
    assert np.array_equal(WATCH, watch_blocks(canonical_rig(320, 240)))


def test_other_cameras_keep_the_watch_where_the_wide_one_is_not_there() -> None:
    rig = msgspec.structs.replace(RIG, cameras=tuple(each for each in RIG.cameras if each.name != "front_wide"))
    watch = watch_blocks(rig)
    assert is_held(rig, watch, 20.0, 5.0)
    assert is_held(rig, watch, 20.0, -5.0)


def test_a_rig_that_only_looks_back_has_no_watch() -> None:
    rear = tuple(each for each in RIG.cameras if each.name == "rear")
    assert not watch_blocks(msgspec.structs.replace(RIG, cameras=rear)).any()


def waits(budget: str, weights: GazeWeights, ticks: int = 60) -> np.ndarray:
    """The longest time, in ticks, that every block waited while all blocks but those of the watch are news."""
    gaze = Gaze(BUDGETS[budget], AdaptiveGaze(RIG, GEOMETRY, weights))
    surprise = np.where(WATCH, 0, 4095).astype(np.int64)
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


def test_a_block_of_the_watch_waits_two_ticks_at_most_while_everything_else_is_news() -> None:
    assert waits("B100", GazeWeights())[WATCH].max() <= 3  # read at a tick, and again three later: unread for two


@pytest.mark.parametrize("name", ["B200", "B400"])
def test_a_small_budget_spends_no_more_than_its_share_on_the_watch(name: str) -> None:
    budget = BUDGETS[name]
    free = budget.patch_count - budget.sweep_patches
    turn = -(-int(WATCH.sum()) * GazeWeights().watch_share // free)
    longest = waits(name, GazeWeights(), 3 * turn)[WATCH]
    assert longest.min() == turn
    assert longest.max() <= turn + 8  # the sweep reads some of them too, after which more than one is due at once


def test_the_watch_can_be_switched_off() -> None:
    assert waits("B100", GazeWeights(watch_ticks=0))[WATCH].max() > 9
