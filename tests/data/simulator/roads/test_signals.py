"""Traffic lights."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.simulator.roads.signals import SignalPlan


@settings(derandomize=True, deadline=None)
@given(st.floats(0, 500), st.floats(0, 40))
def test_never_do_both_roads_have_way(time_s: float, offset_s: float) -> None:
    along, across = SignalPlan(8.0, 6.0, offset_s=offset_s).colours(time_s)
    assert "red" in (along, across)


def test_green_is_followed_by_yellow_and_then_red() -> None:
    plan = SignalPlan(green_s=8.0, cross_green_s=6.0, yellow_s=3.0)
    assert [plan.colours(t)[0] for t in (0.0, 7.9, 8.1, 10.9, 11.1)] == ["green", "green", "yellow", "yellow", "red"]
    assert plan.colours(13.0) == ("red", "green")


def test_a_plan_without_green_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        SignalPlan(0.0, 5.0)
