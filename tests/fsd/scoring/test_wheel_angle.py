import numpy as np
import pytest

from fsd.data.clock import tick_time_ns
from fsd.data.steering import LINCOLN_MKZ, SteeringTrack
from fsd.scoring.wheel_angle import angles_at, wheel_angle_errors

TIMES_NS = np.array([tick_time_ns(tick) for tick in range(72)])
TURNING = SteeringTrack(TIMES_NS, 0.2 * TIMES_NS / 1e9)
"""The wheel turns at 0.2 rad/s."""


def test_angles_are_those_of_the_track() -> None:
    times_ns = np.array([-5, 0, 10**9, 3 * 10**9])
    assert angles_at(TURNING, times_ns).tolist() == pytest.approx(
        [TURNING.angle_at(int(each)) for each in times_ns], nan_ok=True
    )


def test_a_network_that_steers_as_driven_is_better_than_straight_ahead_and_hold_last() -> None:
    curvature = LINCOLN_MKZ.curvature_per_m(TURNING.angle_rad)
    found = wheel_angle_errors(TURNING, TIMES_NS, curvature, LINCOLN_MKZ)
    assert found["ticks"] == 72 - 9  # the angle 0.25 s before is known
    assert found["network_rad"] == pytest.approx(0.0, abs=1e-6)
    assert found["hold_last_rad"] == pytest.approx(0.05, abs=1e-3)
    assert found["straight_rad"] == pytest.approx(float(np.sqrt(np.mean(TURNING.angle_rad[9:] ** 2))))


def test_where_no_angle_is_known_there_is_no_error() -> None:
    unknown = SteeringTrack(TIMES_NS, np.full(72, np.nan))
    assert wheel_angle_errors(unknown, TIMES_NS, np.zeros(72), LINCOLN_MKZ) == {"ticks": 0}
