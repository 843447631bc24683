"""The referee: every fault is seen, and only faults are."""

import math

import pytest

from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.scoring.metrics import expert_pace_mps, infraction_penalty
from fsd.data.simulator.scoring.referee import Events


def test_running_a_red_light_is_counted_once() -> None:
    env = DrivingEnv("S3", 0)
    world, junction = env.world, env.world.road.junctions[0]
    plan = world.signal_plans[0]
    world.signal_plans[0] = type(plan)(0.1, 1000.0, 0.1, 0.0, offset_s=1.0)
    world.traffic.vehicles.clear()
    world.traffic.flows.clear()
    while world.s < junction.exit_m and not env.done:
        env.step(env.expert_controls()[0], 1.0)
    assert (env.events.red_lights, env.events.stop_lines_met) == (1, 1)


def test_driving_straight_on_in_a_bend_ends_off_the_road() -> None:
    env = DrivingEnv("S1", 1)
    env.world.traffic.vehicles.clear()
    env.world.traffic.flows.clear()
    while not env.done:
        env.step(0.0, 0.0 if env.world.ego.speed_mps > 5 else 1.0)
    assert env.events.finish == "off_road"


def test_driving_into_the_car_ahead_is_a_collision() -> None:
    env = DrivingEnv("S2", 2)
    while not env.done:
        env.step(env.expert_controls()[0], 3.0)
    assert env.events.finish == "collision_vehicle"
    assert env.events.collided


def test_standing_for_no_reason_is_stuck() -> None:
    env = DrivingEnv("S1", 3)
    env.world.traffic.vehicles.clear()
    env.world.traffic.flows.clear()
    while not env.done:
        env.step(0.0, -3.0)
    assert env.events.finish == "stuck"


def test_a_missed_lane_change_is_a_lane_error() -> None:
    env = DrivingEnv("S5", 4)
    world, change = env.world, env.world.setting.lane_change
    assert change is not None
    world.traffic.vehicles.clear()
    world.traffic.flows.clear()
    route = world.road.path
    while not env.done:
        x, y, _, _ = route.pose(world.s + 8.0, world.road.lane_offset(change.from_lane))
        angle = math.atan2(y - world.ego.y_m, x - world.ego.x_m) - world.ego.heading_rad
        env.step(2 * math.sin(angle) / 8.0, 0.0 if world.ego.speed_mps > 7 else 1.0)
    assert (env.events.finish, env.events.lane_errors) == ("completed", 1)


def test_nothing_happens_after_the_end() -> None:
    env = DrivingEnv("S2", 2)
    while not env.done:
        env.step(0.0, 3.0)
    tick = env.world.tick
    env.step(0.0, 3.0)
    assert env.world.tick == tick


@pytest.mark.parametrize(
    ("events", "penalty"),
    [
        (Events(finish="completed"), 1.0),
        (Events(finish="completed", red_lights=2), 0.49),
        (Events(finish="collision_pedestrian"), 0.5),
        (Events(finish="collision_vehicle", red_lights=1), 0.42),
        (Events(finish="off_road", lane_errors=1), 0.455),
    ],
)
def test_penalties_multiply_as_in_the_carla_leaderboard(events: Events, penalty: float) -> None:
    assert infraction_penalty(events) == pytest.approx(penalty)


def test_the_experts_pace_is_a_plausible_speed() -> None:
    assert 3.0 < expert_pace_mps("S1", 3) < 14.0
