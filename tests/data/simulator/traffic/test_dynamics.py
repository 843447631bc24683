"""The kinematic bicycle and the collision test."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.frames import TICK_S
from fsd.data.simulator.scoring.boxes import boxes_overlap
from fsd.data.simulator.traffic.dynamics import MAX_CURVATURE_RATE, EgoState

QUICK = settings(derandomize=True, deadline=None, max_examples=60)


def test_a_constant_curvature_drives_a_circle() -> None:
    ego = EgoState(0, 0, 0, speed_mps=5.0, curvature=0.1)
    for _ in range(round(2 * math.pi / 0.1 / 5.0 / TICK_S)):
        ego.step(0.1, 0.0)
    assert math.hypot(ego.x_m, ego.y_m) < 0.15


def test_steering_cannot_jump() -> None:
    ego = EgoState(0, 0, 0, speed_mps=5.0)
    ego.step(0.2, 0.0)
    assert ego.curvature == pytest.approx(MAX_CURVATURE_RATE * TICK_S)


@QUICK
@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0, 20))
def test_the_car_never_rolls_backwards(curvature: float, acceleration: float, speed: float) -> None:
    ego = EgoState(0, 0, 0, speed)
    for _ in range(72):
        ego.step(curvature, acceleration)
    assert 0.0 <= ego.speed_mps <= speed + 2 * 3.0 + 0.1


def test_controls_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="nan"):
        EgoState(0, 0, 0, 5.0).step(math.nan, 0.0)


@QUICK
@given(st.floats(-8, 8), st.floats(-8, 8), st.floats(-4, 4), st.floats(-4, 4))
def test_overlap_does_not_depend_on_the_order(x: float, y: float, first: float, second: float) -> None:
    a, b = (0.0, 0.0, first, 2.3, 0.9), (x, y, second, 2.3, 0.9)
    assert boxes_overlap(*a, *b) == boxes_overlap(*b, *a)


def test_cars_in_neighbouring_lanes_do_not_touch_and_crossed_ones_do() -> None:
    assert not boxes_overlap(0, 0, 0, 2.3, 0.9, 0, 3.5, 0, 2.3, 0.9)
    assert boxes_overlap(0, 0, 0, 2.3, 0.9, 1.5, 1.5, math.pi / 2, 2.3, 0.9)
