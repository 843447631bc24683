"""Keyframes: never too rare, never too many, at once when something happens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.compression.keyframes import DISTANCE, GAP, START, SURPRISE, KeyframeConfig, KeyframeScheduler
from fsd.data.frames import BLOCKS

PRIOR = np.full((8, BLOCKS), 500, np.int64)
ALL = np.ones(8, bool)
STILL = np.full(8, 256, np.int64)
MAX_GAPS = (9, 9, 9, 13, 13, 13, 13, 18)


def quiet() -> np.ndarray:
    return np.zeros((8, BLOCKS), np.int64)


def startle(camera: int, blocks: int = 10, size: int = 1000) -> np.ndarray:
    surprise = quiet()
    surprise[camera, :blocks] = size
    return surprise


def run(scheduler: KeyframeScheduler, ticks: int, start: int = 0, speed_m: float = 0.0) -> np.ndarray:
    """(ticks, 8) reasons of a quiet drive."""
    reasons = []
    for count in range(start, start + ticks):
        scheduler.step(count, ALL, quiet(), STILL, speed_m * count, 0.0)
        reasons.append(scheduler.reasons.copy())
    return np.array(reasons)


def longest_gaps(is_keyframe: np.ndarray) -> list[int]:
    return [int(np.diff(np.flatnonzero(column), append=len(column)).max()) for column in is_keyframe.T]


def test_the_first_picture_is_a_keyframe() -> None:
    assert (run(KeyframeScheduler(PRIOR), 1)[0] == START).all()


def test_no_camera_waits_longer_than_its_gap() -> None:
    reasons = run(KeyframeScheduler(PRIOR), 200)
    assert all(gap <= limit for gap, limit in zip(longest_gaps(reasons != 0), MAX_GAPS, strict=True))


@pytest.mark.parametrize("cameras", [slice(0, 3), slice(3, 7)])
def test_refreshes_of_cameras_with_the_same_gap_never_fall_together(cameras: slice) -> None:
    reasons = run(KeyframeScheduler(PRIOR), 300)[20:, cameras]
    assert (reasons != 0).sum(axis=1).max() == 1


def test_a_surprise_fires_at_its_own_tick() -> None:
    scheduler = KeyframeScheduler(PRIOR)
    run(scheduler, 40)
    scheduler.step(40, ALL, startle(5), STILL, 0.0, 0.0)
    assert scheduler.reasons[5] & SURPRISE


def test_a_surprise_that_goes_on_is_no_news() -> None:
    scheduler = KeyframeScheduler(PRIOR)
    run(scheduler, 40)
    fired = []
    for count in range(40, 70):
        scheduler.step(count, ALL, startle(5), STILL, 0.0, 0.0)
        fired.append(bool(scheduler.reasons[5] & SURPRISE))
    assert fired == [True] + [False] * 29


def test_after_release_a_surprise_fires_again() -> None:
    scheduler = KeyframeScheduler(PRIOR)
    run(scheduler, 40)
    scheduler.step(40, ALL, startle(5), STILL, 0.0, 0.0)
    run(scheduler, 120, start=41)
    scheduler.step(161, ALL, startle(5), STILL, 0.0, 0.0)
    assert scheduler.reasons[5] & SURPRISE


@pytest.mark.parametrize(("distance_m", "turn_rad", "fires"), [(1.0, 0.0, True), (0.0, 0.06, True), (0.9, 0.03, False)])
def test_distance_and_turning_make_keyframes(distance_m: float, turn_rad: float, fires: bool) -> None:
    scheduler = KeyframeScheduler(PRIOR)
    run(scheduler, 1)
    scheduler.step(1, ALL, quiet(), STILL, distance_m, turn_rad)
    assert bool((scheduler.reasons & DISTANCE).any()) == fires


def test_a_fast_drive_leaves_tokens_for_a_surprise() -> None:
    scheduler = KeyframeScheduler(PRIOR)
    run(scheduler, 60, speed_m=1.2)
    scheduler.step(60, ALL, startle(5), STILL, 72.0, 0.0)
    assert scheduler.reasons[5] & SURPRISE


def test_a_camera_that_flickers_is_bounded_by_its_bucket() -> None:
    scheduler = KeyframeScheduler(PRIOR)
    starts = 0
    for count in range(144):
        scheduler.step(count, ALL & (count % 2 == 0), quiet(), STILL, 0.0, 0.0)
        starts += bool(scheduler.reasons[3] & START)
    assert starts <= scheduler.config.bucket + 144 // scheduler.config.refill_ticks


def test_a_scene_cut_fires() -> None:
    scheduler = KeyframeScheduler(PRIOR)
    run(scheduler, 40)
    rise = STILL.copy()
    rise[2] = 2000
    scheduler.step(40, ALL, quiet(), rise, 0.0, 0.0)
    assert scheduler.reasons[2] & SURPRISE


def test_a_camera_that_comes_back_starts_again() -> None:
    scheduler = KeyframeScheduler(PRIOR)
    run(scheduler, 10)
    gone = ALL.copy()
    gone[3] = False
    scheduler.step(10, gone, quiet(), STILL, 0.0, 0.0)
    assert scheduler.reasons[3] == 0
    scheduler.step(11, ALL, quiet(), STILL, 0.0, 0.0)
    assert scheduler.reasons[3] == START


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), storm=st.floats(0, 1), speed_m=st.floats(0, 2))
def test_whatever_happens_buckets_bound_the_rate_and_gaps_hold(seed: int, storm: float, speed_m: float) -> None:
    rng = np.random.default_rng(seed)
    scheduler = KeyframeScheduler(PRIOR)
    reasons = []
    for count in range(144):
        surprise = np.where(rng.random((8, BLOCKS)) < storm, rng.integers(0, 4096, (8, BLOCKS)), 0)
        scheduler.step(count, ALL, surprise, rng.integers(256, 4096, 8), speed_m * count, 0.0)
        reasons.append(scheduler.reasons.copy())
    fired = np.array(reasons) != 0
    by_token = fired & ((np.array(reasons) & GAP) == 0)
    config = scheduler.config
    assert (by_token.sum(axis=0) <= config.bucket + 144 // config.refill_ticks).all()
    assert by_token.sum() <= config.shared_bucket + 144 // config.shared_refill_ticks
    assert all(gap <= limit for gap, limit in zip(longest_gaps(fired), MAX_GAPS, strict=True))


@pytest.mark.parametrize(("wrong", "name"), [({"max_gap_ticks": (9, 9)}, "max_gap_ticks"), ({"bucket": 0}, "bucket")])
def test_impossible_settings_are_refused(wrong: dict, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        KeyframeConfig(**wrong)
