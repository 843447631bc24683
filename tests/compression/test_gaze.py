"""The sweep forgets no block, the budget is never exceeded, and order is total."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.compression.budget import ALL_BLOCKS, BUDGETS, Budget
from fsd.compression.gaze import Gaze, GazePolicy, Scene, spread_order
from fsd.compression.gaze_baselines import DownscaleOnly, FixedFoveation, RandomGaze
from fsd.compression.token_rays import TokenRays
from fsd.data.frames import BLOCKS
from fsd.data.standard_rigs import canonical_rig

GEOMETRY = TokenRays(canonical_rig())
ANALYSIS = np.zeros((8, 120, 160), np.uint8)


def look(gaze: Gaze, count: int, is_valid: np.ndarray) -> np.ndarray:
    nothing = np.zeros((8, BLOCKS), np.int64)
    return gaze.choose(Scene(count, ANALYSIS, is_valid, nothing, ~is_valid, gaze.last_read, 0.0, None)).copy()


def longest_wait(gaze: Gaze, is_valid: np.ndarray) -> int:
    """The longest time, in ticks of (T, 8) validity in which its camera was valid, that any block went unread."""
    waited, longest = np.zeros(ALL_BLOCKS, int), 0
    for count, valid in enumerate(is_valid):
        waited += np.repeat(valid, BLOCKS)
        waited[look(gaze, count, valid)] = 0
        longest = max(longest, int(waited.max()))
    return longest


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=list(BUDGETS))
def test_every_block_is_read_again_within_its_bound(budget: Budget) -> None:
    gaze = Gaze(budget, FixedFoveation(GEOMETRY))
    assert longest_wait(gaze, np.ones((2 * budget.sweep_ticks, 8), bool)) <= budget.sweep_ticks


def test_the_bound_is_240_ticks_for_the_default_budget() -> None:
    assert BUDGETS["B100"].sweep_ticks == 240


@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), flicker=st.floats(0.05, 0.95))
def test_cameras_that_come_and_go_do_not_break_the_bound(seed: int, flicker: float) -> None:
    is_valid = np.random.default_rng(seed).random((700, 8)) < flicker
    is_valid[:, 0] = True
    assert longest_wait(Gaze(BUDGETS["B100"], FixedFoveation(GEOMETRY)), is_valid) <= 240


def test_one_camera_alone_is_read_again_eight_times_as_soon() -> None:
    is_valid = np.zeros((100, 8), bool)
    is_valid[:, 0] = True
    assert BUDGETS["B100"].sweep_bound_ticks(1) == 30
    assert longest_wait(Gaze(BUDGETS["B100"], FixedFoveation(GEOMETRY)), is_valid) <= 30


def test_missing_cameras_leave_their_share_to_the_others() -> None:
    gaze = Gaze(BUDGETS["B100"], FixedFoveation(GEOMETRY))
    is_valid = np.array([True, True] + [False] * 6)
    chosen = look(gaze, 0, is_valid)
    assert len(chosen) == 58
    assert (chosen < 600).all()


@pytest.mark.parametrize("policy", [FixedFoveation(GEOMETRY), RandomGaze(), DownscaleOnly()], ids=lambda p: p.name)
@pytest.mark.parametrize("budget", [BUDGETS["B25"], BUDGETS["B400"], Budget("tiny", 8, 8, 1)], ids=lambda b: b.name)
def test_never_more_patches_than_the_budget_and_none_twice(policy: GazePolicy, budget: Budget) -> None:
    gaze = Gaze(budget, policy)
    for count in range(30):
        chosen = look(gaze, count, np.random.default_rng(count).random(8) < 0.5)
        assert len(chosen) <= budget.patch_count
        assert (np.diff(chosen) > 0).all()


def test_nothing_is_read_when_no_camera_is_valid() -> None:
    assert len(look(Gaze(BUDGETS["B100"], FixedFoveation(GEOMETRY)), 0, np.zeros(8, bool))) == 0


def test_fixed_foveation_looks_ahead_and_at_the_same_place() -> None:
    gaze = Gaze(BUDGETS["B100"], FixedFoveation(GEOMETRY))
    first, second = (set(look(gaze, count, np.ones(8, bool)).tolist()) for count in range(2))
    always = first & second
    assert len(always) >= 48
    rays = GEOMETRY.block_meta.reshape(-1, 8)[sorted(always), 1:4]
    assert np.median(rays[:, 0]) > 0.95


def test_random_gaze_changes_with_every_tick_and_repeats_with_the_seed() -> None:
    first, second = (Gaze(BUDGETS["B100"], RandomGaze(seed=5)) for _ in range(2))
    picks = [look(first, count, np.ones(8, bool)) for count in range(4)]
    assert all(set(a) != set(b) for a, b in itertools.pairwise(picks))
    for count, pick in enumerate(picks):
        np.testing.assert_array_equal(look(second, count, np.ones(8, bool)), pick)


def test_downscale_only_reads_no_patch() -> None:
    assert len(look(Gaze(BUDGETS["B100"], DownscaleOnly()), 0, np.ones(8, bool))) == 0


def test_ties_are_broken_by_unique_numbers() -> None:
    assert sorted(spread_order().tolist()) == list(range(ALL_BLOCKS))
