"""The odometer adds up ego samples over exact times."""

import math

import pytest

from fsd.compression.odometry import Odometer
from fsd.data.ego import EgoSample

TICK_NS = 27_777_778


def test_straight_drive_covers_speed_times_time() -> None:
    odometer = Odometer()
    for tick in range(37):
        odometer.step(tick * TICK_NS, EgoSample(20.0, 0.0))
    assert odometer.x_m == pytest.approx(20.0, rel=1e-6)
    assert odometer.travelled_m == pytest.approx(20.0, rel=1e-6)
    assert odometer.source == "ego"


def test_circle_closes() -> None:
    odometer = Odometer()
    yaw_rate_rps = 2 * math.pi / (360 * TICK_NS * 1e-9)
    for tick in range(361):
        odometer.step(tick * TICK_NS, EgoSample(10.0, yaw_rate_rps))
    assert math.hypot(odometer.x_m, odometer.y_m) < 1e-3
    assert odometer.yaw_rad == pytest.approx(0.0, abs=1e-9)


def test_without_ego_there_is_no_motion_and_it_says_so() -> None:
    odometer = Odometer()
    for tick in range(10):
        odometer.step(tick * TICK_NS, None)
    assert (odometer.x_m, odometer.travelled_m, odometer.source) == (0.0, 0.0, "none")


def test_wheel_noise_at_standstill_adds_up_to_nothing() -> None:
    odometer = Odometer()
    for tick in range(1000):
        odometer.step(tick * TICK_NS, EgoSample(0.09 * (-1) ** tick, 0.02))
    assert (odometer.travelled_m, odometer.yaw_rad) == (0.0, 0.0)


def test_a_long_gap_is_not_driven_through() -> None:
    odometer = Odometer()
    odometer.step(0, EgoSample(30.0, 0.0))
    odometer.step(5_000_000_000, EgoSample(30.0, 0.0))
    assert odometer.travelled_m == 0.0
