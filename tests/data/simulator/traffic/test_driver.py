"""The driving law: follow, stop, steer, and take gaps only when they are there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.simulator.roads.path import RoutePath
from fsd.data.simulator.traffic.driver import (
    Situation,
    drive,
    follow_acceleration,
    free_acceleration,
    gap_is_safe,
    stop_acceleration,
)

QUICK = settings(derandomize=True, deadline=None, max_examples=60)
DT = 1 / 36


@QUICK
@given(st.floats(2, 14), st.floats(0, 14), st.floats(3.0, 7.5), st.floats(0.0, 25.0))
def test_a_follower_never_hits_a_leader_that_brakes_to_a_stand(
    speed: float, leader: float, brake: float, extra_m: float
) -> None:
    gap = 2.6 + 1.3 * speed + max(speed - leader, 0.0) ** 2 / 4.0 + extra_m
    for _ in range(36 * 20):
        acceleration = follow_acceleration(speed, 14.0, gap, speed - leader, 1.25, 2.6)
        gap += (leader - speed) * DT
        speed, leader = max(speed + acceleration * DT, 0.0), max(leader - brake * DT, 0.0)
        assert gap > 0.0


@QUICK
@given(st.floats(1, 14), st.floats(0, 40), st.sampled_from([0.0, 1.0]))
def test_a_stop_line_is_not_crossed_when_there_is_room_to_brake(speed: float, extra_m: float, early_s: float) -> None:
    distance = speed**2 / 5.0 + 1.0 + extra_m
    for _ in range(36 * 40):
        acceleration = stop_acceleration(speed, 14.0, max(distance, 0.05), early_s)
        distance -= speed * DT
        speed = max(speed + acceleration * DT, 0.0)
    assert distance > -0.05
    assert distance < 3.0


@pytest.mark.parametrize(("early_s", "is_crossed"), [(0.0, True), (1.0, False)])
def test_who_brakes_half_as_hard_as_a_driver_with_time_in_hand_still_stops(early_s: float, is_crossed: bool) -> None:
    speed, distance = 12.0, 50.0
    for _ in range(36 * 60):
        acceleration = stop_acceleration(speed, 12.0, max(distance, 0.05), early_s)
        free = free_acceleration(speed, 12.0)
        if acceleration < free and speed > 0.7:
            acceleration = free + 0.5 * (acceleration - free)
        distance -= speed * DT
        speed = max(speed + acceleration * DT, 0.0)
    assert (distance < 0.0) == is_crossed


@QUICK
@given(st.floats(-2.5, 2.5), st.floats(-0.2, 0.2), st.floats(3, 12))
def test_steering_finds_the_lane_again(d: float, turn: float, speed: float) -> None:
    s = np.arange(0, 300, 0.5)
    route = RoutePath(np.stack([s, 0 * s, 0 * s, 0 * s], axis=1)).points
    none = (np.zeros((0, 6)), np.zeros((0, 6)), np.zeros(0))
    now = Situation(route, np.full(len(s), speed), -1.75, -1.75, *none, np.zeros(6), np.zeros((0, 2)))
    x, y, heading = 10.0, d - 1.75, turn
    for _ in range(36 * 8):
        ego = np.array([x, y, heading, speed, x, y])
        curvature, _ = drive(now, ego, 0.0)
        x, y, heading = (
            x + speed * DT * np.cos(heading),
            y + speed * DT * np.sin(heading),
            heading + curvature * speed * DT,
        )
    assert abs(y + 1.75) < 0.25


def vehicle(s: float, d: float, speed: float) -> list[float]:
    return [s, d, speed, 0.0, 2.3, 0.92]


def test_no_lane_change_into_the_blind_spot_or_before_a_fast_car() -> None:
    for other in (vehicle(99.0, -5.25, 10.0), vehicle(80.0, -5.25, 18.0), vehicle(106.0, -5.25, 5.0)):
        assert not gap_is_safe(np.array([other]), -5.25, 100.0, 10.0, 0.0, 1.0)


def test_a_lane_change_is_safe_with_distance_all_round() -> None:
    others = np.array([vehicle(70.0, -5.25, 10.0), vehicle(125.0, -5.25, 10.0), vehicle(101.0, 1.75, -9.0)])
    assert gap_is_safe(others, -5.25, 100.0, 10.0, 0.0, 1.0)
