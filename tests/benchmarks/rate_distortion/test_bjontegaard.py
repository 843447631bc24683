"""BD-rate: known savings are found for curves of any shape, and curves without a shared error give a bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rate_distortion.bjontegaard import bd_rate, falling

EXACT = settings(deadline=None, derandomize=True, max_examples=60)
steps = st.lists(st.floats(0.01, 3.0), min_size=3, max_size=6)


def curve(error_steps: list[float], rate_steps: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Rising rates, falling errors."""
    count = min(len(error_steps), len(rate_steps))
    rates = 1000.0 * np.cumprod(1.0 + np.array(rate_steps[:count]))
    return rates, np.cumsum(error_steps[:count])[::-1]


@EXACT
@given(errors=steps, rates=steps, factor=st.floats(0.2, 5.0))
def test_a_curve_with_a_constant_share_of_the_bytes_has_that_bd_rate(
    errors: list[float], rates: list[float], factor: float
) -> None:
    rate, error = curve(errors, rates)
    found = bd_rate(factor * rate, error, rate, error)
    assert found.kind == "overlap"
    assert found.rate == pytest.approx(factor - 1.0, abs=1e-9)


@EXACT
@given(errors=steps, rates=steps, others=steps, more=steps)
def test_swapping_the_curves_inverts_the_ratio(
    errors: list[float], rates: list[float], others: list[float], more: list[float]
) -> None:
    one, other = curve(errors, rates), curve(others, more)
    there, back = bd_rate(*one, *other), bd_rate(*other, *one)
    if there.kind == "overlap":
        assert (1 + there.rate) * (1 + back.rate) == pytest.approx(1.0, rel=1e-6)


def test_curves_without_a_shared_error_give_a_bound() -> None:
    ours, theirs = (np.array([100.0, 400.0]), np.array([0.3, 0.2])), (np.array([200.0, 800.0]), np.array([0.9, 0.5]))
    better, worse = bd_rate(*ours, *theirs), bd_rate(*theirs, *ours)
    assert (better.kind, worse.kind) == ("at_most", "at_least")
    assert better.rate == pytest.approx(100 / 800 - 1)
    assert worse.rate == pytest.approx(800 / 100 - 1)


def test_rising_errors_are_replaced_by_the_nearest_falling_curve() -> None:
    assert falling(np.array([3.0, 1.0, 2.0, 0.5])).tolist() == [3.0, 1.5, 1.5, 0.5]


@EXACT
@given(values=st.lists(st.floats(-5, 5), min_size=1, max_size=12))
def test_the_falling_curve_falls_keeps_the_mean_and_keeps_falling_curves(values: list[float]) -> None:
    smooth = falling(np.array(values))
    assert (np.diff(smooth) <= 1e-12).all()
    assert smooth.mean() == pytest.approx(np.mean(values), abs=1e-9)
    assert falling(smooth) == pytest.approx(smooth)


def test_the_interpolation_does_not_overshoot_a_steep_step() -> None:
    rates, errors = np.array([100.0, 101.0, 1000.0, 1010.0]), np.array([0.9, 0.3, 0.29, 0.1])
    flat = bd_rate(rates, errors, np.array([99.0, 99.5]), np.array([0.9, 0.1]))
    assert 0.0 < flat.rate < 1010 / 99 - 1


def test_a_bd_rate_agrees_with_the_sampled_integral_of_earlier_versions() -> None:
    rates, errors = np.array([73.0, 98.0, 147.0, 245.0, 417.0]), np.array([0.681, 0.628, 0.591, 0.575, 0.576])
    found = bd_rate(rates, errors, rates, np.array([0.674, 0.637, 0.610, 0.606, 0.602]))
    assert found.rate == pytest.approx(-0.120974, abs=1e-4)  # 1000 samples then, the exact integral now
    assert found.shared == pytest.approx(0.6824644549763029)
