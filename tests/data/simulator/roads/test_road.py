"""Roads: pieces join smoothly, junctions lie where the pieces say, and nothing runs into itself."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.simulator.roads.path import STEP_M, RoutePath
from fsd.data.simulator.roads.road import Crossing, Curve, Road, Straight, build_road

QUICK = settings(derandomize=True, deadline=None, max_examples=40)


def town_road(turn: str = "left", lanes: int = 1, control: str = "signal") -> Road:
    road = build_road([Straight(60), Crossing(turn, control), Straight(60)], lanes)
    assert road is not None
    return road


@QUICK
@given(st.floats(20, 200), st.floats(-1.4, 1.4).filter(lambda angle: abs(angle) > 0.1), st.integers(1, 2))
def test_a_curve_turns_by_its_angle_and_the_path_stays_continuous(radius: float, angle: float, lanes: int) -> None:
    road = build_road([Straight(30), Curve(radius, angle), Straight(30)], lanes)
    assert road is not None
    points = road.path.points
    steps = np.hypot(*np.diff(points[:, :2], axis=0).T)
    assert steps == pytest.approx(STEP_M, abs=0.01)
    assert points[-1, 2] == pytest.approx(angle, abs=1e-3)


@pytest.mark.parametrize(("turn", "angle"), [("left", math.pi / 2), ("straight", 0.0), ("right", -math.pi / 2)])
def test_a_junction_turns_the_route_as_commanded(turn: str, angle: float) -> None:
    road = town_road(turn)
    assert road.path.pose(road.length_m)[2] == pytest.approx(angle, abs=1e-3)
    junction = road.junctions[0]
    assert junction.stop_m < junction.enter_m < junction.exit_m
    assert road.junction_at(0.5 * (junction.enter_m + junction.exit_m))


def test_every_arm_of_a_junction_starts_at_its_box() -> None:
    junction = town_road("right", lanes=2).junctions[0]
    for arm in junction.arms.values():
        assert np.hypot(*(arm[0] - junction.centre_m)) == pytest.approx(junction.half_m, abs=0.5)


def test_a_road_that_bites_its_own_tail_is_refused() -> None:
    ring = [Straight(40), *[Curve(25, 1.5)] * 4, Straight(40)]
    assert build_road(ring, lanes=1) is None


def test_a_hairpin_is_refused_with_the_smallest_radius() -> None:
    with pytest.raises(ValueError, match="12 m"):
        Curve(5.0, 1.0)


@QUICK
@given(st.floats(10, 180), st.floats(-4, 4))
def test_projecting_a_pose_gives_its_place_back(s_m: float, d_m: float) -> None:
    road = build_road([Straight(40), Curve(40, 1.2), Straight(40), Curve(60, -0.9), Straight(60)], 1)
    assert road is not None
    x, y, _, _ = road.path.pose(s_m, d_m)
    s, d = road.path.project(x, y, s_m)
    assert (s, d) == pytest.approx((s_m, d_m), abs=0.08)


def test_a_path_through_points_on_a_circle_has_its_curvature() -> None:
    angle = np.linspace(0, 2, 400)
    path = RoutePath.through(30.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert path.points[10:-10, 3] == pytest.approx(1 / 30, rel=0.02)
