"""The gaze by the clock: its turns, what a small difference of the requests changes, and how few patches are shared."""

from dataclasses import replace

import numpy as np
import pytest

from fsd.compression.adaptive_gaze import AdaptiveGaze
from fsd.compression.budget import BUDGETS, FOVEATED_BUDGETS, Budget
from fsd.compression.clocked_gaze import ClockedGaze, RequestAverage, adaptive_policy
from fsd.compression.gaze import Gaze, GazePolicy, Scene
from fsd.compression.priority_zone import priority_blocks
from fsd.compression.token_rays import TokenRays
from fsd.data.frames import BLOCKS, CAMERAS
from fsd.data.standard_rigs import canonical_rig

RIG = canonical_rig()
RAYS = TokenRays(RIG)
F100, F200 = FOVEATED_BUDGETS["F100"], FOVEATED_BUDGETS["F200"]
ALL = np.ones(8, bool)
TICKS = 80


def run(
    budget: Budget,
    policy: GazePolicy,
    noise: float = 0.0,
    seed: int = 0,
    surprise: np.ndarray | None = None,
    reserved: int = 0,
) -> list[set[int]]:
    """Blocks that every tick of a drive reads for their score; its requests drift, and differ by a relative `noise`."""
    gaze = Gaze(budget, policy)
    drift, jitter = np.random.default_rng(1), np.random.default_rng(seed)
    saliency, read = drift.exponential(1.0, (8, 15, 20)), []
    for count in range(TICKS):
        saliency = 0.9 * saliency + 0.1 * drift.exponential(1.0, saliency.shape)
        request = (saliency * (1 + noise * jitter.standard_normal(saliency.shape))).astype(np.float32)
        scene = Scene(
            count=count,
            analysis=np.zeros((8, 120, 160), np.uint8),
            is_valid=ALL,
            surprise=np.zeros((8, BLOCKS), np.int64) if surprise is None else surprise,
            is_keyframe=np.zeros(8, bool),
            last_read=gaze.last_read,
            yaw_rate_rps=0.0,
            saliency=request,
        )
        read.append({block for block in gaze.choose(scene, reserved).tolist() if not gaze.is_swept[block]})
    return read


def differing(budget: Budget, adaptive: bool) -> float:
    """Share of patches that differ between two drives whose requests differ by 1%."""

    def policy() -> GazePolicy:
        return AdaptiveGaze(RIG, RAYS) if adaptive else ClockedGaze(RIG, RAYS, budget)

    pairs = zip(run(budget, policy()), run(budget, policy(), noise=0.01), strict=True)
    return float(np.mean([len(one - other) / len(one) for one, other in pairs]))


def test_a_small_difference_of_the_requests_changes_few_patches() -> None:
    by_clock, by_age = differing(F100, adaptive=False), differing(F100, adaptive=True)
    assert by_clock < by_age / 3


def test_only_foveated_budgets_look_by_the_clock() -> None:
    assert type(adaptive_policy(RIG, RAYS, BUDGETS["B100"])) is AdaptiveGaze
    assert type(adaptive_policy(RIG, RAYS, F100)) is ClockedGaze


@pytest.mark.parametrize("reserved", [0, 12])
def test_the_zone_is_read_every_three_ticks_while_everything_else_is_surprising(reserved: int) -> None:
    zone = priority_blocks(RIG)
    surprise = np.where(zone, 0, 4095).astype(np.int64)
    read = run(F100, ClockedGaze(RIG, RAYS, F100), surprise=surprise, reserved=reserved)
    needed = set(np.flatnonzero(zone).tolist())
    for count in range(TICKS - 3):
        assert needed <= set().union(*read[count : count + 3])


def test_every_turn_of_the_zone_takes_its_share_only() -> None:
    policy = ClockedGaze(RIG, RAYS, F200)
    turns = (policy._due > 0).reshape(len(policy._due), -1).sum(axis=1)
    assert turns.sum() == priority_blocks(RIG).sum()
    assert turns.max() - turns.min() <= 1
    assert turns.max() <= -(-(F200.patch_count - F200.sweep_patches) // policy.weights.priority_share)


def test_a_surprise_is_read_at_once_though_every_patch_is_taken() -> None:
    surprise = np.zeros((8, BLOCKS), np.int64)
    surprise[CAMERAS.index("rear"), 150] = 320  # twenty usual deviations
    for budget in (F100, F200, F200.with_patches(10)):
        read = run(budget, ClockedGaze(RIG, RAYS, budget), surprise=surprise)
        assert sum(7 * BLOCKS + 150 in blocks for blocks in read) > 0.9 * TICKS


def patches_per_camera(budget: Budget, policy: GazePolicy) -> np.ndarray:
    cameras = [block // BLOCKS for blocks in run(budget, policy) for block in blocks]
    per_tick: np.ndarray = np.bincount(cameras, minlength=8) / TICKS
    return per_tick


def test_few_patches_go_to_the_front_cameras() -> None:
    few = F200.with_patches(10)
    by_clock = patches_per_camera(few, ClockedGaze(RIG, RAYS, few))
    by_age = patches_per_camera(BUDGETS["B200"], AdaptiveGaze(RIG, RAYS))
    assert by_clock[0] > 1.5 * by_age[0]
    assert by_clock[:3].sum() > 7


def test_the_sweep_of_few_patches_is_slow_but_bounded() -> None:
    assert F200.sweep_patches == 2
    assert F200.with_patches(10).sweep_patches == 1
    assert replace(F200, fovea=None).sweep_patches == 10


def averaged(requests: np.ndarray) -> np.ndarray:
    """(ticks, 8, 15, 20) requests -> their averages."""
    average = RequestAverage()
    return np.stack([np.asarray(average.step(request)).copy() for request in requests.astype(np.float32)])


def test_the_average_of_a_steady_request_is_that_request() -> None:
    request = np.random.default_rng(0).exponential(1.0, (8, 15, 20))
    np.testing.assert_allclose(averaged(np.stack([request] * 40))[-1], request, rtol=2e-3, atol=1e-4)


def test_averages_take_rounding_out_of_requests() -> None:
    jitter = 0.05 * np.random.default_rng(0).standard_normal((60, 8, 15, 20))
    noisy = averaged(1.0 + jitter)[20:]
    assert noisy.std() < 0.65 * jitter.std()  # independent errors, half of each: sqrt(1 / 3) = 0.58


def test_a_new_request_counts_at_once_and_fully_within_half_a_second() -> None:
    requests = np.zeros((20, 8, 15, 20))
    requests[2:, 0, 7, 10] = 4.0
    found = averaged(requests)[:, 0, 7, 10]
    assert found[1] == 0
    assert found[2] > 0.2
    assert found[19] == pytest.approx(4.0, rel=0.05)


def test_what_is_not_a_number_or_negative_is_no_request() -> None:
    requests = np.zeros((2, 8, 15, 20))
    requests[:, 0, 0, :4] = np.nan, np.inf, -3.0, 2e30
    assert not averaged(requests).any()


def test_without_a_request_there_is_no_average_and_a_reset_forgets() -> None:
    average = RequestAverage()
    request = np.ones((8, 15, 20), np.float32)
    first = np.asarray(average.step(request)).copy()
    assert average.step(None) is None
    assert (np.asarray(average.step(request)) > first).all()
    average.reset()
    np.testing.assert_array_equal(np.asarray(average.step(request)), first)
