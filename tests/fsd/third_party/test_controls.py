"""Curvature and acceleration out of a third-party model's outputs."""

import numpy as np
import pytest

from fsd.networks.contract import WAYPOINT_TIMES_S
from fsd.third_party.controls import controls_of_path, read_acceleration, read_curvature, read_steering_rad, roll_out
from fsd.third_party.output_fields import LateralOffset, Outputs, Place, Scalar, Steering
from fsd.third_party.output_reader import OutputReader


def reader(*numbers: float, command: str = "none") -> OutputReader:
    return OutputReader({"o": np.array([numbers], np.float32)}, command)


def test_a_steering_wheel_becomes_a_curvature() -> None:
    outputs = Outputs(steering=Steering("o", wheelbase_m=2.5, steering_ratio=10.0, scale=np.pi / 180))
    assert read_curvature(outputs, reader(90.0), 8.0) == pytest.approx(np.tan(np.radians(9.0)) / 2.5)
    assert read_steering_rad(outputs, reader(90.0)) == pytest.approx(np.pi / 2)


def test_every_field_that_steers_gives_the_same_arc() -> None:
    ahead, curvature = 6.0, 0.05
    left = 20 - np.sqrt(20**2 - ahead**2)
    given = [
        (Outputs(curvature_per_m=Scalar("o", 1)), curvature),
        (Outputs(lateral_offset=LateralOffset("o", ahead, 1, scale=-1.0)), -left),
        (Outputs(yaw_rate_rps=Scalar("o", 1, scale=0.5, offset=0.1)), (curvature * 8.0 - 0.1) / 0.5),
    ]
    for outputs, number in given:
        assert read_curvature(outputs, reader(np.nan, number), 8.0) == pytest.approx(curvature, rel=1e-5)


def test_a_yaw_rate_at_standstill_is_no_sharp_turn() -> None:
    assert read_curvature(Outputs(yaw_rate_rps=Scalar("o")), reader(0.5), 0.0) == 0.5


def test_throttle_and_brake_are_added() -> None:
    outputs = Outputs(acceleration_mps2=(Scalar("o", 0, scale=3.0), Scalar("o", 1, scale=-8.0, offset=0.25)))
    assert read_acceleration(outputs, reader(0.5, 0.25), 5.0) == pytest.approx(1.5 - 2.0 + 0.25)


def test_a_target_speed_is_reached_in_a_second() -> None:
    assert read_acceleration(Outputs(speed_mps=Scalar("o", scale=10.0)), reader(1.2), 9.0) == pytest.approx(3.0)
    assert read_acceleration(Outputs(), reader(), 9.0) is None
    assert read_curvature(Outputs(), reader(), 9.0) is None


def test_a_command_selects_the_number() -> None:
    outputs = Outputs(curvature_per_m=Scalar("o", by_command={"left": Place(start=1), "right": Place("o", 2)}))
    found = [read_curvature(outputs, reader(1, 2, 3, command=command), 1.0) for command in ("none", "left", "right")]
    assert found == [1, 2, 3]


def test_held_curvature_is_a_circle_and_braking_ends_in_standstill() -> None:
    circle = roll_out(10.0, 0.05, 0.0)
    assert np.hypot(circle[:, 0], circle[:, 1] - 20.0) == pytest.approx(20.0, abs=1e-3)
    stop = roll_out(5.0, 0.0, -5.0)
    assert stop[-1, 0] == pytest.approx(2.5, abs=0.01)
    assert stop[-1, 3] == 0.0


def test_acceleration_may_end() -> None:
    path = roll_out(2.0, 0.0, 4.0, accelerates_s=1.0)
    assert path[:, 3] == pytest.approx(2.0 + 4.0 * np.minimum(WAYPOINT_TIMES_S, 1.0))
    assert path[-1, 0] == pytest.approx(4.0 + 3 * 6.0, abs=1e-3)


def test_controls_of_a_path_are_those_of_its_first_second() -> None:
    curvature, acceleration = controls_of_path(roll_out(10.0, 0.02, 1.0), 10.0)
    assert curvature == pytest.approx(0.02, rel=1e-2)
    assert acceleration == pytest.approx(1.0, rel=1e-5)
    assert controls_of_path(np.full((16, 4), 1e-4, np.float32), 0.0)[0] == 1.0  # the largest that is believed
