import numpy as np
import pytest

from fsd.data.frames import TICK_S
from fsd.drive.tracker import Tracker
from fsd.networks.contract import WAYPOINT_TIMES_S
from fsd.runtime.plan import Plan


def arc_plan(curvature: float, speed_mps: float, tick: int = 0, acceleration: float = 0.0) -> Plan:
    time_s = WAYPOINT_TIMES_S
    path = speed_mps * time_s + 0.5 * acceleration * time_s**2
    yaw = path * curvature
    if curvature:
        x, y = np.sin(yaw) / curvature, (1 - np.cos(yaw)) / curvature
    else:
        x, y = path, np.zeros_like(path)
    trajectory = np.stack([x, y, yaw, speed_mps + acceleration * time_s], axis=1).astype(np.float32)
    return Plan(tick, 0, trajectory, np.ones_like(trajectory), 0.01, 1.0, 0.0, 1.0, 0.0, 0.0, np.ones(4) / 4, "ok")


@pytest.mark.parametrize("curvature", [-0.05, 0.0, 0.02, 0.1])
def test_an_arc_is_steered_as_planned(curvature: float) -> None:
    tracker = Tracker()
    tracker.follow(arc_plan(curvature, 8.0))
    assert tracker.controls(8.0)[0] == pytest.approx(curvature, abs=2e-3)


def test_a_planned_braking_is_braked() -> None:
    tracker = Tracker()
    tracker.follow(arc_plan(0.0, 10.0, acceleration=-2.0))
    assert tracker.controls(10.0)[1] == pytest.approx(-2.0, abs=0.01)


def test_an_old_plan_is_followed_from_where_the_car_is_now() -> None:
    tracker, curvature, speed_mps = Tracker(), 0.04, 10.0
    plan = arc_plan(curvature, speed_mps, tick=3)
    for tick in range(30):
        tracker.move(tick, speed_mps, speed_mps * curvature)
    tracker.follow(plan)
    steered, pushed = tracker.controls(speed_mps)
    assert steered == pytest.approx(curvature, abs=3e-3)
    assert pushed == pytest.approx(0.0, abs=1e-3)


def test_an_old_braking_is_as_far_on_as_its_age() -> None:
    tracker = Tracker()
    for tick in range(19):
        tracker.move(tick, 0.0, 0.0)
    tracker.follow(arc_plan(0.0, 10.0, acceleration=-2.0))
    age_s = 18 * TICK_S
    assert tracker.controls(10.0)[1] == pytest.approx((-2.0 * (age_s + 0.5)) / 0.5, abs=0.01)


def test_a_standing_plan_keeps_the_networks_curvature() -> None:
    tracker = Tracker()
    tracker.follow(arc_plan(0.0, 0.0))
    assert tracker.controls(0.0) == (0.01, 0.0)


def test_nothing_is_done_before_the_first_plan() -> None:
    assert Tracker().controls(5.0) == (0.0, 0.0)
