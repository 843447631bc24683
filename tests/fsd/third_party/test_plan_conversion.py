"""A third-party model's outputs under the names of the contract, and which output is to blame."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fsd.runtime.plan_limits import impossible_output
from fsd.third_party.adapter import Adapter
from fsd.third_party.controls import roll_out
from fsd.third_party.output_fields import LateralOffset, Mixture, Outputs, Place, Scalar, Steering, Waypoints
from fsd.third_party.plan_conversion import convert_plan, needs_speed, plan_quantities

PATH = Waypoints("path", points=2, step_s=2.0)
STRAIGHT = np.array([[10.0, 0.0], [20.0, 0.0]], np.float32)  # 5 m/s


def adapter(**outputs: Any) -> Adapter:
    return Adapter("a", Outputs(**outputs), assumed_speed_mps=7.0)


def test_a_path_gives_the_controls_that_the_model_does_not() -> None:
    outputs, unusable = convert_plan(adapter(waypoints=PATH), {"path": STRAIGHT}, 3.0)
    assert (unusable, outputs["curvature"][0], outputs["acceleration"][0]) == ("", 0.0, 2.0)
    own = adapter(waypoints=PATH, curvature_per_m=Scalar("c"), acceleration_mps2=Scalar("c", 1))
    outputs, _ = convert_plan(own, {"path": STRAIGHT, "c": np.array([0.125, -1.0])}, 3.0)
    assert (outputs["curvature"][0], outputs["acceleration"][0]) == (0.125, -1.0)


def test_without_a_recorded_speed_a_path_is_driven_at_its_own() -> None:
    outputs, _ = convert_plan(adapter(waypoints=PATH), {"path": STRAIGHT}, None)
    assert outputs["acceleration"][0] == 0.0


@pytest.mark.parametrize(("recorded", "driven"), [(4.0, 4.0), (None, 7.0)])
def test_a_model_that_steers_only_drives_at_the_recorded_or_the_assumed_speed(
    recorded: float | None, driven: float
) -> None:
    steers = adapter(steering=Steering("s", wheelbase_m=2.5, steering_ratio=10.0))
    outputs, _ = convert_plan(steers, {"s": np.array([0.5])}, recorded)
    assert np.array_equal(outputs["trajectory"], roll_out(driven, np.tan(0.05) / 2.5, 0.0))
    assert needs_speed(steers)


def test_a_model_that_steers_and_gives_its_speed_keeps_to_it() -> None:
    both = adapter(curvature_per_m=Scalar("c"), speed_mps=Scalar("c", 1))
    outputs, _ = convert_plan(both, {"c": np.array([0.0, 12.0])}, 10.0)
    assert outputs["acceleration"][0] == 2.0
    assert outputs["trajectory"][3:, 3] == pytest.approx(12.0)
    unknown, _ = convert_plan(both, {"c": np.array([0.0, 12.0])}, None)
    assert (unknown["trajectory"][:, 3] == 12.0).all()
    assert not needs_speed(both)


def test_quantities_are_those_that_the_model_has() -> None:
    steering = adapter(steering=Steering("s", wheelbase_m=2.5, steering_ratio=10.0))
    trajectory, curvature, steering_rad, acceleration = plan_quantities(steering, {"s": np.array([0.5])}, 4.0)
    assert (trajectory, steering_rad, acceleration) == (None, 0.5, None)
    assert curvature == pytest.approx(np.tan(0.05) / 2.5)
    path = plan_quantities(adapter(waypoints=PATH), {"path": STRAIGHT}, 5.0)
    assert path[1:] == (None, None, None)
    assert path.trajectory is not None
    assert path.trajectory[-1] == pytest.approx([20.0, 0.0, 0.0, 5.0])


def test_uncertainty_and_detections_reach_the_plan() -> None:
    every = adapter(
        curvature_per_m=Scalar("c"),
        curvature_scale=Scalar("c", 1),
        acceleration_scale=Scalar("c", 2, scale=0.5),
        lead="lead_out",
        light="light_out",
    )
    raw = {"c": np.array([0.0, 0.25, 3.0]), "lead_out": np.array([[8.0, 1.0]]), "light_out": np.arange(4.0)}
    outputs, unusable = convert_plan(every, raw, 5.0)
    assert (outputs["curvature_scale"][0], outputs["acceleration_scale"][0], unusable) == (0.25, 1.5, "")
    assert outputs["lead"].tolist() == [8, 1]
    assert outputs["light"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "raw", "named"),
    [
        ({"waypoints": PATH}, {"path": STRAIGHT * 1e5}, "path"),
        ({"waypoints": PATH}, {"path": STRAIGHT * np.nan}, "path"),
        ({"waypoints": PATH, "curvature_per_m": Scalar("c")}, {"path": STRAIGHT, "c": np.array([1.5])}, "c"),
        ({"curvature_per_m": Scalar("c")}, {"c": np.array([40.0])}, "c"),
        ({"curvature_per_m": Scalar("c"), "speed_mps": Scalar("v")}, {"c": np.zeros(1), "v": np.array([1e5])}, "v"),
        (
            {"yaw_rate_rps": Scalar("c"), "acceleration_mps2": (Scalar("a"), Scalar("b"))},
            {"c": np.zeros(1), "a": np.array([60.0]), "b": np.zeros(1)},
            "a",
        ),
        ({"lateral_offset": LateralOffset("y", 10.0)}, {"y": np.array([np.inf])}, "y"),
    ],
)
def test_the_output_that_no_vehicle_could_follow_is_named(
    fields: dict[str, Any], raw: dict[str, np.ndarray], named: str
) -> None:
    assert convert_plan(adapter(**fields), raw, 5.0).unusable == named


def test_under_a_command_the_output_of_that_command_is_named() -> None:
    by_command = adapter(curvature_per_m=Scalar("c", by_command={"left": Place("l")}))
    raw = {"c": np.array([0.0]), "l": np.array([5.0])}
    assert [convert_plan(by_command, raw, 5.0, command).unusable for command in ("none", "left")] == ["", "l"]


EVERY = Adapter(
    "a",
    Outputs(
        waypoints=Waypoints(
            "o",
            points=3,
            times_s=(0.0, 0.1, 2.5),
            are_steps=True,
            origin_x_m=1.5,
            mixture=Mixture(2, 12, 24),
            scale_start=6,
            scale_is_log=True,
        ),
        lateral_offset=LateralOffset("o", 10.0, 26),
        acceleration_mps2=(Scalar("o", 27), Scalar("o", 28)),
        curvature_scale=Scalar("o", 29),
    ),
)


@given(numbers=arrays(np.float32, 30, elements=st.floats(width=32)), speed_mps=st.none() | st.floats(0, 50))
def test_whatever_a_model_gives_a_usable_plan_is_finite_and_possible(
    numbers: np.ndarray, speed_mps: float | None
) -> None:
    outputs, unusable = convert_plan(EVERY, {"o": numbers}, speed_mps)
    assert unusable in ("", "o")
    if not unusable:
        assert all(np.isfinite(array).all() for array in outputs.values())
        assert not impossible_output(outputs)
        assert (outputs["trajectory_scale"] > 0).all()
    plan_quantities(EVERY, {"o": numbers}, speed_mps)
