"""Residual: ego motion and exposure explain the street away, and what remains is what is new."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from fsd.compression.compressor import Compressor
from fsd.compression.residual_kernels import fit_exposure
from fsd.compression.telemetry import TickTelemetry
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, FrameSet

STEP_S = 27_777_778e-9
FRONT = (CAMERAS.index("front_main"), CAMERAS.index("front_wide"))


def measure(street: Any, frame_sets: list[FrameSet], ego: EgoSample | None) -> list[TickTelemetry]:
    compressor = Compressor(street.rig, BUDGETS["B100"])
    seen = []
    for frame_set in frame_sets:
        compressor.step(frame_set, ego, None)
        seen.append(compressor.telemetry())
    return seen


def straight(street: Any, ticks: int, speed_mps: float, **options: Any) -> list[FrameSet]:
    return [
        street.frame_set(tick, (speed_mps * STEP_S * tick, 0.0, 0.0), cameras=FRONT, noise_seed=tick, **options)
        for tick in range(ticks)
    ]


def test_driving_through_a_still_street_surprises_nobody(street: Any) -> None:
    seen = measure(street, straight(street, 30, 12.0), EgoSample(12.0, 0.0))
    surprising = [int((tick.block_surprise >= 64).sum()) for tick in seen[15:]]
    assert sum(surprising) <= len(surprising)  # at most one of 600 blocks per tick


@pytest.mark.parametrize("gain", [0.85, 1.15, 1.3])
def test_a_pedestrian_stands_out_while_moving_and_under_an_exposure_step(
    street: Any, hazard: type, gain: float
) -> None:
    frame_sets = straight(street, 26, 10.0)
    x_m = 10.0 * STEP_S * 26
    frame_sets.append(
        street.frame_set(26, (x_m, 0.0, 0.0), [hazard(x_m + 1.8 + 20.0, 2.0)], gain=gain, cameras=FRONT, noise_seed=26)
    )
    last = measure(street, frame_sets, EgoSample(10.0, 0.0))[-1]
    # 20 m ahead and 2 m to the left of the camera: 5.7 degrees, column 7 of 20 in a view of 50 degrees.
    surprise = last.block_surprise[0]
    row, column = np.unravel_index(int(surprise.argmax()), surprise.shape)
    assert row in (6, 7, 8)
    assert column in (7, 8)
    assert surprise.max() >= 48
    assert last.gain[0] == pytest.approx(gain, abs=0.03)


def test_ego_motion_is_what_explains_the_street(street: Any) -> None:
    frame_sets = straight(street, 24, 15.0)
    informed = measure(street, frame_sets, EgoSample(15.0, 0.0))[-1]
    misled = measure(street, frame_sets, EgoSample(0.0, 0.0))[-1]
    assert informed.reference_age_ticks[0] < misled.reference_age_ticks[0] == 9


def test_references_are_four_to_nine_ticks_old(street: Any) -> None:
    for speed_mps, expected in ((0.0, 9), (30.0, 4)):
        last = measure(street, straight(street, 12, speed_mps), EgoSample(speed_mps, 0.0))[-1]
        assert last.reference_age_ticks[1] == expected


def test_a_camera_that_was_away_has_no_reference_and_no_surprise(street: Any) -> None:
    frame_sets = straight(street, 12, 5.0) + [
        street.frame_set(12 + tick, cameras=(1,), noise_seed=tick) for tick in range(10)
    ]
    frame_sets.append(street.frame_set(22, cameras=FRONT, noise_seed=99))
    last = measure(street, frame_sets, EgoSample(0.0, 0.0))[-1]
    assert last.reference_age_ticks[0] == 0
    assert not last.block_surprise[0].any()


def test_after_a_pause_there_is_no_reference(street: Any) -> None:
    frame_sets = straight(street, 8, 0.0)
    frame_sets.append(replace(frame_sets[-1], tick=8, timestamp_ns=frame_sets[-1].timestamp_ns + 600_000_000))
    assert measure(street, frame_sets, EgoSample(0.0, 0.0))[-1].reference_age_ticks[0] == 0


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.7, 0.0), (1.3, -10.0), (1.0, 25.0)])
def test_exposure_fit_finds_gain_and_offset_despite_a_new_object(gain: float, offset: float) -> None:
    rng = np.random.default_rng(2)
    before = rng.integers(30, 150, 300) * 64
    now = np.rint(before * gain + 64 * offset).astype(np.int64)
    now[:40] = 250 * 64  # a white truck
    found_gain, found_offset = fit_exposure(now, before)
    assert found_gain / 256 == pytest.approx(gain, abs=0.02)
    assert found_offset / 256 == pytest.approx(offset, abs=2.0)


def test_a_flat_picture_has_an_offset_but_no_gain() -> None:
    assert fit_exposure(np.full(300, 120 * 64), np.full(300, 100 * 64)) == (256, 20 * 256)


def test_motion_is_estimated_from_the_pictures_when_there_is_no_ego(street: Any) -> None:
    frame_sets, x_m, y_m, yaw_rad = [], 0.0, 0.0, 0.0
    for tick in range(36):
        frame_sets.append(street.frame_set(tick, (x_m, y_m, yaw_rad), cameras=(0, 1, 3, 4, 7), noise_seed=tick))
        yaw_rad += 0.1 * STEP_S
        x_m += 12.0 * STEP_S * np.cos(yaw_rad)
        y_m += 12.0 * STEP_S * np.sin(yaw_rad)
    last = measure(street, frame_sets, None)[-1]
    assert last.odometry == "image"
    assert last.speed_mps == pytest.approx(12.0, rel=0.15)
    assert last.yaw_rate_rps == pytest.approx(0.1, abs=0.03)


def test_standing_still_is_seen_without_ego(street: Any) -> None:
    frame_sets = [street.frame_set(tick, cameras=FRONT, noise_seed=tick) for tick in range(20)]
    assert measure(street, frame_sets, None)[-1].speed_mps == 0.0
