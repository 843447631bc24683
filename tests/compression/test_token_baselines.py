"""Each baseline does what its name says, within the same bytes per tick."""

import numpy as np
import pytest

from fsd.compression.budget import ALL_BLOCKS, BUDGETS, Budget
from fsd.compression.compressor import Compressor
from fsd.compression.gaze import Gaze, GazePolicy, Scene
from fsd.compression.policies import make_policy, make_selection, policy_budget
from fsd.compression.policy_names import POLICIES
from fsd.compression.token_baselines import RasterGaze, RunLengthGaze
from fsd.data.frames import BLOCKS
from fsd.data.standard_rigs import canonical_rig

WHOLE = Budget("whole", 8, 8, ALL_BLOCKS)
"""Enough patches for every block of all cameras at once."""


def look(gaze: Gaze, count: int, analysis: np.ndarray) -> np.ndarray:
    nothing, all_valid = np.zeros((8, BLOCKS), np.int64), np.ones(8, bool)
    return gaze.choose(Scene(count, analysis, all_valid, nothing, ~all_valid, gaze.last_read, 0.0, None)).copy()


def grey(level: int = 100) -> np.ndarray:
    return np.full((8, 120, 160), level, np.uint8)


def test_run_length_sends_everything_once_and_then_nothing_that_repeats() -> None:
    gaze = Gaze(WHOLE, RunLengthGaze())
    assert len(look(gaze, 0, grey())) == ALL_BLOCKS
    assert [len(look(gaze, count, grey())) for count in range(1, 5)] == [0, 0, 0, 0]


def test_run_length_sends_just_the_block_that_changed() -> None:
    gaze, changed = Gaze(WHOLE, RunLengthGaze()), grey()
    changed[2, 3 * 8 : 4 * 8, 5 * 8 : 6 * 8] = 160
    look(gaze, 0, grey())
    assert look(gaze, 1, changed).tolist() == [2 * BLOCKS + 3 * 20 + 5]
    assert len(look(gaze, 2, changed)) == 0


def test_run_length_adds_up_a_slow_change_until_it_is_sent() -> None:
    gaze = Gaze(WHOLE, RunLengthGaze(threshold=8))
    sent = [len(look(gaze, count, grey(100 + 3 * count))) for count in range(7)]
    assert sent == [ALL_BLOCKS, 0, 0, ALL_BLOCKS, 0, 0, ALL_BLOCKS]


def test_run_length_keeps_waiting_blocks_against_what_they_last_showed() -> None:
    gaze = Gaze(Budget("one", 8, 8, ALL_BLOCKS - 1), RunLengthGaze())
    first = look(gaze, 0, grey())
    assert set(look(gaze, 1, grey()).tolist()) == set(range(ALL_BLOCKS)) - set(first.tolist())


def test_run_length_has_no_ego_compensation_a_shift_of_the_picture_is_all_change() -> None:
    stripes = np.tile(np.where(np.arange(160) // 4 % 2, 200, 50).astype(np.uint8), (8, 120, 1))
    gaze = Gaze(WHOLE, RunLengthGaze())
    look(gaze, 0, stripes)
    assert len(look(gaze, 1, np.roll(stripes, 4, axis=2))) == ALL_BLOCKS


def test_raster_shows_every_block_once_before_any_twice() -> None:
    gaze = Gaze(BUDGETS["B25"], RasterGaze())
    reads = [look(gaze, count, grey()) for count in range(11)]
    assert len(np.unique(np.concatenate(reads[:10]))) == 10 * 234
    assert len(np.unique(np.concatenate(reads))) == ALL_BLOCKS
    assert reads[0].tolist() == list(range(234))


def test_a_negative_threshold_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        RunLengthGaze(threshold=-1)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("budget", BUDGETS.values(), ids=list(BUDGETS))
def test_no_policy_costs_more_than_the_budget(name: str, budget: Budget) -> None:
    assert budget.pixels * 0.95 < policy_budget(name, budget).pixels <= budget.pixels


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_can_be_made_and_serves_the_compressor(name: str, made: type) -> None:
    rig, budget = canonical_rig(160, 120), policy_budget(name, BUDGETS["B400"])
    policy: GazePolicy = make_policy(name, rig, budget)
    compressor, selection = Compressor(rig, budget, policy), make_selection(name, 8, budget)
    for frame_set in made.drive(3, lambda tick, camera: made.noise_picture(120, 160, seed=tick)):  # type: ignore[attr-defined]
        tick = compressor.step(frame_set if selection is None else selection.select(frame_set), None, None)
        used = int((tick.patch_camera >= 0).sum())
        assert used == (0 if name == "downscale" else budget.patch_count)
