"""The offset between two clocks is found from turns, and stays unknown where nothing turns."""

from typing import Any

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from fsd.compression.compressor import Compressor
from fsd.compression.time_skew import TimeSkew, find_time_skew
from fsd.data.ego import EgoSample
from fsd.data.frames import TICK_MS, TICK_NS

SECOND = 10**9


def turns(seconds: float, seed: int = 3) -> np.ndarray:
    """Yaw rates at 36 Hz that do not repeat."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(36 * seconds)) / 36
    waves = [
        (amplitude, period * rng.uniform(0.9, 1.1), rng.uniform(0, 6.28))
        for amplitude, period in ((0.07, 4.7), (0.08, 2.9), (0.08, 1.7))
    ]
    return np.asarray(sum(a * np.cos(2 * np.pi * t / period + phase) for a, period, phase in waves))


def times_ns(count: int) -> np.ndarray:
    return np.rint(np.arange(count) * TICK_NS).astype(np.int64)


@pytest.mark.parametrize("offset_ms", [-30_000.0, -400.0, 0.0, 40.0, 1_000.0, 30_000.0])
def test_an_offset_is_found_between_noisy_turns(offset_ms: float) -> None:
    rng = np.random.default_rng(0)
    driven = rng.normal(0, 0.1, 36 * 120)
    driven = np.convolve(driven, np.ones(20) / 20, "same") * 3
    seen = driven + rng.normal(0, 0.02, len(driven))
    skew = find_time_skew(
        times_ns(len(seen)), seen, times_ns(len(seen)) + round(offset_ms * 1e6), driven, max_gap_ns=SECOND
    )
    assert skew is not None
    assert skew.is_clear
    assert skew.offset_ms == pytest.approx(offset_ms, abs=5)
    assert skew.is_off == (abs(offset_ms) > 60)


def test_a_straight_road_tells_nothing() -> None:
    rates = np.random.default_rng(0).normal(0, 0.002, 36 * 60)
    assert find_time_skew(times_ns(len(rates)), rates, times_ns(len(rates)), rates, SECOND) is None


def test_turns_of_another_drive_are_not_clear() -> None:
    seen, driven = turns(40, seed=1), turns(40, seed=2)
    skew = find_time_skew(times_ns(len(seen)), seen, times_ns(len(seen)), driven, SECOND)
    assert skew is not None
    assert not skew.is_clear


def test_a_hole_in_the_telemetry_is_not_interpolated() -> None:
    rates = turns(60)
    kept = (np.arange(len(rates)) < 500) | (np.arange(len(rates)) > 1300)
    skew = find_time_skew(times_ns(len(rates)), rates, times_ns(len(rates))[kept] + SECOND, rates[kept], SECOND)
    assert skew is not None
    assert skew.offset_ms == pytest.approx(1000, abs=5)


def test_the_images_of_a_winding_drive_tell_the_offset_within_a_tick(street: Any) -> None:
    rates = turns(8)
    yaw_rad = np.cumsum(rates) / 36
    yaw_rad -= yaw_rad.mean()
    rates = np.gradient(yaw_rad) * 36
    x_m, y_m = np.cumsum(10 * np.cos(yaw_rad)) / 36, np.cumsum(10 * np.sin(yaw_rad)) / 36
    compressor = Compressor(street.rig, BUDGETS["B400"], tracks_images=True)
    seen, seen_ns = np.full(len(rates), np.nan), np.zeros(len(rates), np.int64)
    for tick, rate_rps in enumerate(rates):
        frame_set = street.frame_set(tick, (x_m[tick], y_m[tick], yaw_rad[tick]), cameras=[0])
        compressor.step(frame_set, EgoSample(10.0, rate_rps), None)
        seen[tick] = compressor.image_yaw_rate_rps
        seen_ns[tick] = frame_set.timestamp_ns - round(compressor.image_motion_delay_s * 1e9)
    order = np.argsort(seen_ns)
    for offset_ms in (0, 250):
        skew = find_time_skew(seen_ns[order], seen[order], times_ns(len(rates)) + offset_ms * 10**6, rates, SECOND)
        assert skew is not None
        assert skew.correlation > 0.9
        assert skew.offset_ms == pytest.approx(offset_ms, abs=TICK_MS)


def test_an_offset_below_a_tick_is_left_alone() -> None:
    assert not TimeSkew(20.0, 10.0, 0.95, 0.3, 1.0).is_off
    assert TimeSkew(120.0, 10.0, 0.95, 0.3, 1.0).is_off
    assert not TimeSkew(120.0, 40.0, 0.95, 0.3, 1.0).is_off
