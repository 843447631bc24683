"""Paths of third-party models: how they are read, and resampled to the contract's times."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsd.networks.contract import WAYPOINT_TIMES_S
from fsd.third_party.controls import roll_out
from fsd.third_party.interpolation import interpolate
from fsd.third_party.output_fields import Mixture, Place, Waypoints
from fsd.third_party.output_reader import OutputReader
from fsd.third_party.paths import ModelPath, moved_on, read_path, resample, resample_scales, speed_at_start


def path_of(numbers: Any, command: str = "none", name: str = "p", **fields: Any) -> ModelPath:
    waypoints = Waypoints(**{"name": "p", "points": 2, "step_s": 1.0, **fields})
    return read_path(waypoints, OutputReader({name: np.array(numbers, np.float32)}, command))


def columns(path: ModelPath) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in path.columns.items()}


@pytest.mark.parametrize(
    ("numbers", "fields", "x_m", "y_m"),
    [
        ([[1, 2], [3, 4]], {}, [1, 3], [2, 4]),
        ([[9, 1, 2], [3, 4, 9]], {"start": 1}, [1, 3], [2, 4]),
        ([[1, 3], [2, 4]], {"by_column": True}, [1, 3], [2, 4]),
        ([[1, 2], [3, 4]], {"columns": ("y_m", "x_m")}, [2, 4], [1, 3]),
        ([[1, 2], [3, 4]], {"y_is_right": True}, [1, 3], [-2, -4]),
        ([[1, 2], [3, 4]], {"are_steps": True}, [1, 4], [2, 6]),
        ([[1, 2], [3, 4]], {"scale": 10.0, "are_steps": True, "y_is_right": True}, [10, 40], [-20, -60]),
        ([[1, np.nan, 2], [3, np.nan, 4]], {"columns": ("x_m", "ignore", "y_m")}, [1, 3], [2, 4]),
    ],
)
def test_every_arrangement_gives_the_same_columns(
    numbers: Any, fields: dict[str, Any], x_m: list[float], y_m: list[float]
) -> None:
    assert columns(path_of(numbers, **fields)) == {"x_m": x_m, "y_m": y_m}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # Two paths of 4 numbers, each followed by 4 of uncertainty and its logit.
        ({"start": 1, "mixture": Mixture(2, 9, 9, 9), "scale_start": 5}, ([5, 7], [50, 70])),
        ({"start": 1, "mixture": Mixture(2, 9, 0, 9), "scale_start": 5}, ([1, 3], [10, 30])),
    ],
)
def test_of_a_mixture_the_most_probable_path_is_taken_with_its_uncertainty(
    fields: dict[str, Any], expected: tuple[list[float], list[float]]
) -> None:
    numbers = [3, 1, 2, 3, 4, 10, 20, 30, 40, -1, 5, 6, 7, 8, 50, 60, 70, 80, 2]
    path = path_of(numbers, **fields)
    assert (path.columns["x_m"].tolist(), path.scales["x_m"].tolist()) == expected


def test_probabilities_may_be_an_output_of_their_own() -> None:
    mixture = Mixture(3, 4, 1, probability_name="logits")
    waypoints = Waypoints("p", points=2, step_s=1.0, mixture=mixture)
    outputs = {"p": np.arange(12.0), "logits": np.array([99, -5, -3, -4], np.float32)}
    assert read_path(waypoints, OutputReader(outputs)).columns["x_m"].tolist() == [4, 6]


def test_a_command_selects_the_output_or_the_place_in_it() -> None:
    by_command = {"left": Place(start=5), "right": Place("q"), "straight": Place("q", 1)}
    waypoints = Waypoints("p", points=1, step_s=1.0, scale_start=2, by_command=by_command)
    outputs = {"p": np.arange(10.0) + 1, "q": np.arange(10.0) + 20}
    paths = {command: read_path(waypoints, OutputReader(outputs, command)) for command in ("none", *by_command)}
    assert {command: path.columns["x_m"][0] for command, path in paths.items()} == {
        "none": 1,
        "left": 6,
        "right": 20,
        "straight": 21,
    }
    assert [path.scales["x_m"][0] for path in paths.values()] == [3, 8, 22, 23]


def test_uncertainty_is_read_scaled_and_resampled() -> None:
    numbers = [1, 2, 3, 4, 0.0, np.log(2), 1.0, np.log(6)]
    path = path_of(numbers, scale_start=4, scale_is_log=True, scale=10.0)
    scales = resample_scales(path)
    assert scales[3] == pytest.approx([10, 20, 1, 1], rel=1e-6)
    assert scales[7:, 1] == pytest.approx(60, rel=1e-6)
    assert scales[5, 1] == pytest.approx(40, rel=1e-6)  # at 1.5 s
    steps = path_of([1, 2, 3, 4, 3, 1, 4, 1], scale_start=4, are_steps=True)
    assert steps.scales["x_m"].tolist() == [3, 5]


def test_uncertainty_may_be_an_output_of_its_own() -> None:
    waypoints = Waypoints("p", points=1, step_s=1.0, scale_start=1, scale_name="s")
    outputs = {"p": np.zeros(2), "s": np.array([9.0, 0.5, 0.0])}
    assert read_path(waypoints, OutputReader(outputs)).scales == {"x_m": [0.5], "y_m": [1e-6]}


@given(
    gaps_s=st.lists(st.floats(0.01, 1.5), min_size=2, max_size=40),
    starts_now=st.booleans(),
    motion=st.tuples(st.floats(5, 20), st.floats(0, 3), st.floats(-2, 2), st.floats(-2, 2)),
)
def test_constant_acceleration_survives_uneven_times(
    gaps_s: list[float], starts_now: bool, motion: tuple[float, float, float, float]
) -> None:
    times_s = np.cumsum([0.0, *gaps_s]) if starts_now else np.cumsum(gaps_s)
    x_speed, x_acceleration, y_speed, y_acceleration = motion

    def at(t_s: np.ndarray) -> np.ndarray:
        return np.stack([x_speed * t_s + x_acceleration * t_s**2 / 2, y_speed * t_s + y_acceleration * t_s**2 / 2])

    x_m, y_m = at(times_s)
    trajectory = resample(ModelPath(times_s, {"x_m": x_m, "y_m": y_m}, {}), 0.0)
    inside = times_s[-1] >= WAYPOINT_TIMES_S
    expected = at(WAYPOINT_TIMES_S[inside])
    assert np.abs(trajectory[inside, :2].T - expected).max(initial=0) < 1e-3
    speed = np.hypot(x_speed + x_acceleration * WAYPOINT_TIMES_S, y_speed + y_acceleration * WAYPOINT_TIMES_S)
    assert np.abs(trajectory[inside, 3] - speed[inside]).max(initial=0) < 1e-3


def test_a_path_at_the_contract_s_own_times_keeps_its_bits() -> None:
    rows = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    names = ("x_m", "y_m", "yaw_rad", "v_mps")
    path = ModelPath(WAYPOINT_TIMES_S, {name: rows[:, i].astype(float) for i, name in enumerate(names)}, {})
    assert np.array_equal(resample(path, 5.0), rows)


def test_a_short_path_to_the_right_goes_on_as_it_was() -> None:
    path = path_of([[1.0, 5.0], [2.0, 10.0]], columns=("y_m", "x_m"), y_is_right=True)
    trajectory = resample(path, 5.0)
    assert trajectory[-1, :2] == pytest.approx([20.0, -4.0])
    assert trajectory[:, 3] == pytest.approx(np.hypot(5.0, 1.0))
    assert trajectory[:, 2] == pytest.approx(np.arctan2(-1.0, 5.0))


def test_one_point_is_a_straight_line() -> None:
    trajectory = resample(path_of([2.0, 0.0], points=1, step_s=0.5), 0.0)
    assert trajectory[:, 0] == pytest.approx(4.0 * WAYPOINT_TIMES_S)


def test_a_car_that_stops_keeps_its_heading() -> None:
    path = path_of([[1, 1], [2, 2], [2, 2], [2, 2]], points=4)
    assert resample(path, 1.4)[-4:, 2] == pytest.approx(np.pi / 4, abs=0.05)
    assert (resample(path_of([[0, 0], [0, 0]]), 0.0) == 0).all()


def test_a_turn_of_more_than_half_a_circle_has_no_jump() -> None:
    times_s = np.arange(1, 81) * 0.05
    path = ModelPath(times_s, {"x_m": 5 * np.sin(times_s), "y_m": 5 - 5 * np.cos(times_s)}, {})
    assert resample(path, 5.0)[:, 2] == pytest.approx(WAYPOINT_TIMES_S, abs=0.01)


@pytest.mark.parametrize("has_yaw", [True, False])
def test_the_path_of_a_camera_becomes_that_of_the_rear_axle(has_yaw: bool) -> None:
    """On a circle of 20 m at 10 m/s; a camera 1.5 m ahead of the axle drives a larger one."""
    speed, radius, ahead = 10.0, 20.0, 1.5
    times_s = np.arange(1, 46) * 0.1
    yaw = times_s * speed / radius
    x_m = radius * np.sin(yaw) + ahead * np.cos(yaw) - ahead
    y_m = radius * (1 - np.cos(yaw)) + ahead * np.sin(yaw)
    columns = {"x_m": x_m, "y_m": y_m} | ({"yaw_rad": yaw} if has_yaw else {})
    trajectory = resample(ModelPath(times_s, columns, {}, ahead), speed)
    expected = roll_out(speed, 1 / radius, 0.0)
    assert np.abs(trajectory[:, :2] - expected[:, :2]).max() < (0.01 if has_yaw else 0.15)
    assert trajectory[:, 2] == pytest.approx(expected[:, 2], abs=0.02)


def test_the_speed_at_the_start_is_that_of_the_path() -> None:
    assert speed_at_start(path_of([[3, 4], [6, 8]])) == 5
    assert speed_at_start(path_of([[3, 4], [6, 8]], step_s=None, times_s=(0.0, 0.5))) == 10
    assert speed_at_start(path_of([[3, 4, 7], [6, 8, 7]], columns=("x_m", "y_m", "v_mps"))) == 7


def test_only_what_is_read_must_be_finite() -> None:
    for numbers, fields, wrong in (
        ([np.nan, 1, 2, 3, 4, np.inf], {"start": 1}, ""),
        ([1, 2, 3, np.nan], {}, "p"),
        ([1, np.nan, 2, 3, np.nan, 4], {"columns": ("x_m", "ignore", "y_m")}, ""),
        ([1, 2, 3, 4, np.nan, 0, 0, 0], {"scale_start": 4}, "p"),
    ):
        reader = OutputReader({"p": np.array(numbers)})
        read_path(Waypoints(**{"name": "p", "points": 2, "step_s": 1.0, **fields}), reader)  # type: ignore[arg-type]
        assert reader.not_finite == wrong


@pytest.mark.parametrize("elapsed_s", [0.25, 0.5, 1.0])
def test_the_rest_of_a_circle_is_the_same_circle(elapsed_s: float) -> None:
    circle = roll_out(8.0, 0.05, 0.0)
    assert np.array_equal(moved_on(circle, 0.0), circle)
    rest = moved_on(circle, elapsed_s)
    inside = WAYPOINT_TIMES_S + elapsed_s <= 4.0
    assert rest[inside] == pytest.approx(circle[inside], abs=0.01)


def test_the_rest_of_a_braking_path_begins_where_the_car_is() -> None:
    braking = roll_out(8.0, 0.0, -2.0)
    rest = moved_on(braking, 1.0)
    assert rest[:12, 0] == pytest.approx(braking[4:, 0] - braking[3, 0], abs=1e-5)
    assert rest[:12, 3] == pytest.approx(braking[4:, 3], abs=1e-5)
    assert (moved_on(np.zeros((16, 4), np.float32), 0.1) == 0).all()


def test_interpolation_goes_on_straight_after_the_last_point() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0]])
    positions, velocities = interpolate(np.array([0.5, 2.0, 5.0]), np.array([0.0, 1.0, 2.0]), points)
    assert positions[:, 0] == pytest.approx([0.25, 4.0, 13.0])
    assert velocities[:, 0] == pytest.approx([1.0, 4.0, 3.0])


@given(
    gaps=st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 20.0)), min_size=1, max_size=20),
    angle_rad=st.floats(-3, 3),
)
def test_a_car_that_goes_on_or_stands_never_runs_back(gaps: list[tuple[float, float]], angle_rad: float) -> None:
    times_s = np.cumsum([0.0, *(gap_s for gap_s, _ in gaps)])
    along_m = np.cumsum([0.0, *(gap_s * speed for gap_s, speed in gaps)])
    direction = np.array([np.cos(angle_rad), np.sin(angle_rad)])
    wanted_s = np.linspace(0, times_s[-1], 100)
    _, velocities = interpolate(wanted_s, times_s, along_m[:, None] * direction)
    assert (velocities @ direction).min() > -1e-3
