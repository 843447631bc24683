"""The bound on physics that every plan has to meet."""

import numpy as np
import pytest

from fsd.networks.contract import output_shapes
from fsd.runtime.plan_limits import HOLD_TICKS, HeldPlan, impossible_output


def outputs(**changed: float) -> dict[str, np.ndarray]:
    """A car at 30 m/s straight on, with one number of an output changed."""
    made = {name: np.zeros(shape, dtype) for name, (shape, dtype) in output_shapes().items()}
    made["trajectory"][:, 0] = 30 * 0.25 * np.arange(1, 17)
    made["trajectory"][:, 3] = 30
    for name, value in changed.items():
        made[name].reshape(-1)[-1] = value
    return made


def test_what_a_car_does_is_possible() -> None:
    assert impossible_output(outputs()) == ""
    assert impossible_output(outputs(curvature=-0.24, acceleration=-11.0)) == ""


@pytest.mark.parametrize("name", ["trajectory", "curvature", "acceleration"])
@pytest.mark.parametrize("value", [1e35, -1e35, 500.0, float("inf"), float("nan")])
def test_what_no_vehicle_does_is_named(name: str, value: float) -> None:
    assert impossible_output(outputs(**{name: value})) == name


def test_a_plan_is_held_for_half_a_second_after_the_last_usable_one() -> None:
    held = HeldPlan()
    assert held.source(is_usable=False) == "stop"  # there is nothing to hold
    assert held.source(is_usable=True) == "network"
    assert [held.source(is_usable=False) for _ in range(HOLD_TICKS + 1)] == ["held"] * HOLD_TICKS + ["stop"]
    assert held.source(is_usable=True) == "network"
