"""BD-rate: known savings come out, whatever the shape of the curves, and curves that share nothing give a bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rate_distortion.bjontegaard import bd_rate, falling, pchip

EXACT = settings(deadline=None, derandomize=True, max_examples=60)
steps = st.lists(st.floats(0.01, 3.0), min_size=3, max_size=6)


def curve(error_steps: list[float], rate_steps: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Rising rates, falling errors."""
    count = min(len(error_steps), len(rate_steps))
    rates = 1000.0 * np.cumprod(1.0 + np.array(rate_steps[:count]))
    return rates, np.cumsum(error_steps[:count])[::-1]


@EXACT
@given(errors=steps, rates=steps, factor=st.floats(0.2, 5.0))
def test_a_curve_at_a_constant_share_of_the_bytes_saves_just_that(
    errors: list[float], rates: list[float], factor: float
) -> None:
    rate, error = curve(errors, rates)
    found = bd_rate(factor * rate, error, rate, error)
    assert found.kind == "overlap"
    assert found.rate == pytest.approx(factor - 1.0, abs=1e-9)


@EXACT
@given(errors=steps, rates=steps, others=steps, more=steps)
def test_swapping_the_curves_turns_the_saving_round(
    errors: list[float], rates: list[float], others: list[float], more: list[float]
) -> None:
    one, other = curve(errors, rates), curve(others, more)
    there, back = bd_rate(*one, *other), bd_rate(*other, *one)
    if there.kind == "overlap":
        assert (1 + there.rate) * (1 + back.rate) == pytest.approx(1.0, rel=1e-6)


def test_curves_without_a_common_error_give_a_bound() -> None:
    ours, theirs = (np.array([100.0, 400.0]), np.array([0.3, 0.2])), (np.array([200.0, 800.0]), np.array([0.9, 0.5]))
    better, worse = bd_rate(*ours, *theirs), bd_rate(*theirs, *ours)
    assert (better.kind, worse.kind) == ("at_most", "at_least")
    assert better.rate == pytest.approx(100 / 800 - 1)
    assert worse.rate == pytest.approx(800 / 100 - 1)


def test_noise_that_lets_an_error_rise_is_smoothed_to_the_nearest_falling_curve() -> None:
    assert falling(np.array([3.0, 1.0, 2.0, 0.5])).tolist() == [3.0, 1.5, 1.5, 0.5]


@EXACT
@given(values=st.lists(st.floats(-5, 5), min_size=1, max_size=12))
def test_the_falling_curve_falls_keeps_the_mean_and_leaves_falling_curves_alone(values: list[float]) -> None:
    smooth = falling(np.array(values))
    assert (np.diff(smooth) <= 1e-12).all()
    assert smooth.mean() == pytest.approx(np.mean(values), abs=1e-9)
    assert falling(smooth) == pytest.approx(smooth)


@EXACT
@given(errors=steps, rates=steps)
def test_the_interpolation_passes_through_its_points_and_never_overshoots(
    errors: list[float], rates: list[float]
) -> None:
    y, x = curve(errors, rates)
    x, y = x[::-1], y[::-1]
    assert pchip(x, y, x) == pytest.approx(y)
    between = pchip(x, y, np.linspace(x[0], x[-1], 200))
    assert (np.diff(between) <= 1e-6 * abs(y).max()).all()
