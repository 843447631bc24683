"""At which ticks a model with a rate of its own steps."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.frames import RATE_HZ
from fsd.third_party.step_clock import StepClock

TICKS = 10_000


@pytest.mark.parametrize(("rate_hz", "due"), [(None, 8), (36.0, 8), (18.0, 4), (12.0, 3), (1.0, 1)])
def test_the_first_tick_is_a_step(rate_hz: float | None, due: int) -> None:
    clock = StepClock(rate_hz)
    found = [clock.is_due(tick) for tick in range(100, 108)]
    assert found[0]
    assert sum(found) == due


@settings(max_examples=10, deadline=None)
@given(rate_hz=st.sampled_from([20.0, 10.0, 7.5, 30000 / 1001, 35.9, 0.3]) | st.floats(0.01, 36))
def test_every_step_is_at_the_first_tick_not_before_its_time(rate_hz: float) -> None:
    clock, rate = StepClock(rate_hz), Fraction(rate_hz).limit_denominator(1_000_000)
    if rate == 0:
        return
    ticks = [tick for tick in range(TICKS) if clock.is_due(tick)]
    for step, tick in enumerate(ticks):
        due_s = step / rate
        assert due_s <= tick / RATE_HZ < due_s + 1 / RATE_HZ
    assert len(ticks) == int((TICKS - 1) / RATE_HZ * rate) + 1


def test_ticks_that_were_left_out_are_not_made_up_for() -> None:
    clock = StepClock(18.0)
    assert [clock.is_due(tick) for tick in (0, 7, 8, 9, 10)] == [True, True, True, False, True]


def test_after_a_reset_the_next_tick_is_a_step() -> None:
    clock = StepClock(4.0)
    assert [clock.is_due(tick) for tick in (0, 1, 2)] == [True, False, False]
    clock.reset()
    assert [clock.is_due(tick) for tick in (3, 4, 11, 12)] == [True, False, False, True]


def test_a_rate_above_that_of_the_ticks_is_refused() -> None:
    with pytest.raises(ValueError, match="36"):
        StepClock(36.5)
