import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.ego import EgoTrack
from fsd.scoring.baseline_plans import Plans, constant_velocity, hold_last, wrapped
from fsd.scoring.latency_charge import carried_forward, plan_in_force
from fsd.scoring.plan_errors import (
    control_errors,
    displacement_errors,
    driven_control,
    driven_waypoints,
    heading_errors,
    jitter,
    score_run,
)

TICK_NS = 10**9 / 36


def ticks(count: int) -> np.ndarray:
    return np.ceil(np.arange(count) * TICK_NS).astype(np.int64) + 10**9


def drive(
    speed_mps: float,
    curvature: float = 0.0,
    acceleration: float = 0.0,
    pose: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> EgoTrack:
    """Eight seconds on a circle, from one second before `ticks` begin; the car stops rather than go backwards."""
    time_s = np.arange(0, 8, 0.005)
    speed = np.maximum(speed_mps + acceleration * (time_s - 1), 0)
    distance = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2 * 0.005)])
    yaw = curvature * distance
    x, y = distance * np.sinc(yaw / np.pi), distance * np.sin(yaw / 2) * np.sinc(yaw / 2 / np.pi)
    east, north, turn = pose
    return EgoTrack(
        timestamp_ns=np.rint(time_s * 1e9).astype(np.int64),
        speed_mps=speed,
        yaw_rate_rps=speed * curvature,
        x_m=east + np.cos(turn) * x - np.sin(turn) * y,
        y_m=north + np.sin(turn) * x + np.cos(turn) * y,
        yaw_rad=wrapped(yaw + turn),
    )


def test_a_perfect_plan_has_no_error() -> None:
    driven = np.random.default_rng(0).normal(size=(5, 16, 4))
    scores = displacement_errors(driven, driven)
    assert scores["ade_3s_m"] == 0
    assert scores["ticks_3s"] == 5


def test_ade_is_the_mean_and_fde_the_last_distance() -> None:
    driven = np.zeros((1, 16, 2))
    planned = np.zeros((1, 16, 2))
    planned[0, :, 0] = np.arange(1, 17)  # 1 m more at every step
    scores = displacement_errors(planned, driven)
    assert scores["ade_1s_m"] == pytest.approx((1 + 2 + 3 + 4) / 4)
    assert scores["fde_1s_m"] == pytest.approx(4)
    assert scores["fde_3s_m"] == pytest.approx(12)


def test_ticks_without_a_recorded_future_are_left_out() -> None:
    driven = np.zeros((2, 16, 2))
    driven[1, 4:] = np.nan  # the recording ends one second after this tick
    scores = displacement_errors(np.ones((2, 16, 2)), driven)
    assert scores["ticks_1s"] == 2
    assert scores["ticks_2s"] == 1


def test_no_score_is_given_without_a_tick_to_support_it() -> None:
    scores = displacement_errors(np.ones((1, 16, 2)), np.full((1, 16, 2), np.nan))
    assert scores == {"ticks_1s": 0, "ticks_2s": 0, "ticks_3s": 0}


def test_heading_error_is_the_same_across_the_wrap() -> None:
    planned, driven = np.zeros((1, 16, 3)), np.zeros((1, 16, 3))
    planned[..., 2], driven[..., 2] = np.pi - 0.1, -np.pi + 0.1
    assert heading_errors(planned, driven)["ahe_3s_rad"] == pytest.approx(0.2)


def test_the_driven_control_is_that_of_the_road_and_the_pedal() -> None:
    ego = drive(speed_mps=10, curvature=0.02, acceleration=-1.0)
    times_ns = ticks(30)
    curvature, acceleration = driven_control(driven_waypoints(ego, times_ns), ego.poses_at(times_ns)[:, 3])
    assert curvature == pytest.approx(0.02, abs=2e-4)
    assert acceleration == pytest.approx(-1.0, abs=1e-3)


def test_a_standing_car_has_no_curvature_to_be_wrong_about() -> None:
    ego, times_ns = drive(speed_mps=0.0), ticks(30)
    plans = Plans(np.zeros((30, 16, 4)), np.ones(30), np.zeros(30))
    scores = control_errors(plans, driven_waypoints(ego, times_ns), np.zeros(30))
    assert scores["ticks_curvature"] == 0
    assert "curvature_mae_per_m" not in scores
    assert scores["acceleration_mae_mps2"] == 0


def test_plans_that_tell_the_truth_do_not_contradict_each_other() -> None:
    ego, times_ns = drive(speed_mps=15, curvature=0.01, acceleration=1.0), ticks(60)
    truth = Plans(driven_waypoints(ego, times_ns), np.full(60, 0.01), np.ones(60))
    scores = jitter(truth, times_ns, ego.poses_at(times_ns))
    assert scores["jitter_3s_m"] < 1e-3
    assert scores["curvature_jitter_per_m"] == 0


def test_a_plan_that_swerves_every_other_tick_jitters_by_the_swerve() -> None:
    ego, times_ns = drive(speed_mps=10), ticks(60)
    trajectory = driven_waypoints(ego, times_ns)
    trajectory[::2, :, 1] += 0.5
    scores = jitter(Plans(trajectory, np.zeros(60), np.zeros(60)), times_ns, ego.poses_at(times_ns))
    assert scores["jitter_1s_m"] == pytest.approx(0.5, rel=0.15)  # the plan starts at the car, so less at first


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    speed=st.floats(0, 30),
    curvature=st.floats(-0.05, 0.05),
    acceleration=st.floats(-2, 2),
    turn=st.floats(-3.1, 3.1),
    east=st.floats(-1e5, 1e5),
)
def test_scores_do_not_depend_on_where_the_world_has_its_origin(
    speed: float, curvature: float, acceleration: float, turn: float, east: float
) -> None:
    here = drive(speed, curvature, acceleration)
    there = drive(speed, curvature, acceleration, pose=(east, -east, turn))
    times_ns = ticks(40)
    plans = Plans(np.random.default_rng(0).normal(size=(40, 16, 4)), np.zeros(40), np.zeros(40))
    for one, other in zip(score_run(here, times_ns, plans, 30.0), score_run(there, times_ns, plans, 30.0), strict=True):
        for planner, scores in one.items():
            assert scores == pytest.approx(other[planner], abs=2e-4), planner


def test_without_ego_poses_there_are_counts_and_no_scores() -> None:
    nan = np.full(10, np.nan)
    ego = EgoTrack(ticks(10), nan, nan, nan, nan, nan)
    plain, charged = score_run(ego, ticks(10), Plans(np.zeros((10, 16, 4)), np.zeros(10), np.zeros(10)), 20.0)
    assert plain["network"]["ticks_3s"] == charged["network"]["ticks_3s"] == 0
    assert "ade_1s_m" not in plain["network"]


def test_constant_velocity_is_perfect_on_a_straight_road() -> None:
    ego, times_ns = drive(speed_mps=20), ticks(40)
    scores = displacement_errors(constant_velocity(ego, times_ns).trajectory, driven_waypoints(ego, times_ns))
    assert scores["ade_3s_m"] == pytest.approx(0, abs=1e-6)


def test_holding_wheel_and_brake_is_perfect_in_a_steady_bend() -> None:
    ego, times_ns = drive(speed_mps=10, curvature=0.03, acceleration=-2.0), ticks(40)
    driven = driven_waypoints(ego, times_ns)
    assert displacement_errors(hold_last(ego, times_ns).trajectory, driven)["fde_3s_m"] < 0.05
    assert displacement_errors(constant_velocity(ego, times_ns).trajectory, driven)["fde_3s_m"] > 5


def test_a_braking_car_is_not_expected_to_drive_backwards() -> None:
    plans = hold_last(drive(speed_mps=4, acceleration=-3.0), ticks(30))
    assert (np.diff(plans.trajectory[..., 0], axis=1) >= -1e-9).all()
    assert plans.trajectory[..., 3].min() == pytest.approx(0, abs=1e-6)


latencies = st.lists(st.floats(0, 200), min_size=1, max_size=80)


@settings(derandomize=True, deadline=None)
@given(latencies)
def test_no_plan_is_used_before_it_is_ready(latency_ms: list[float]) -> None:
    times_ns = ticks(len(latency_ms))
    chosen = plan_in_force(times_ns, np.array(latency_ms))
    used = chosen >= 0
    ready_ns = times_ns[chosen[used]] + np.array(latency_ms)[chosen[used]] * 1e6
    assert (ready_ns <= times_ns[used] + 1).all()
    assert (np.diff(chosen) >= 0).all()


@settings(derandomize=True, deadline=None)
@given(st.floats(0, 300))
def test_a_plan_in_force_is_at_most_two_latencies_and_two_ticks_old(latency_ms: float) -> None:
    times_ns = ticks(80)
    chosen = plan_in_force(times_ns, latency_ms)
    used = chosen >= 0
    age_ns = times_ns[used] - times_ns[chosen[used]]
    assert (age_ns <= 2e6 * latency_ms + 2 * TICK_NS).all()
    assert used.any() == (latency_ms * 1e6 <= times_ns[-1] - times_ns[0])


def test_a_plan_that_takes_less_than_a_tick_comes_into_force_at_the_next() -> None:
    assert plan_in_force(ticks(5), 12.0).tolist() == [-1, 0, 1, 2, 3]


def test_ticks_that_come_while_the_computer_is_busy_are_never_planned() -> None:
    # 60 ms is a little more than two ticks: 0 is ready at 60, then 2 (of 55.6) at 120, then 4 (of 111.1) at 180.
    assert plan_in_force(ticks(8), 60.0).tolist() == [-1, -1, -1, 0, 0, 2, 2, 4]


def test_a_latency_must_be_a_time() -> None:
    with pytest.raises(ValueError, match="latency_ms"):
        plan_in_force(ticks(3), -1.0)


def test_without_latency_the_charged_scores_are_the_plain_ones() -> None:
    ego, times_ns = drive(speed_mps=12, curvature=0.02, acceleration=0.5), ticks(60)
    plans = Plans(driven_waypoints(ego, times_ns) + 0.3, np.zeros(60), np.zeros(60))
    plain, charged = score_run(ego, times_ns, plans, 0.0)
    for planner, scores in charged.items():
        costs = [scores.pop(f"latency_cost_{horizon}_m") for horizon in ("1s", "2s", "3s")]
        assert costs == pytest.approx([0, 0, 0], abs=1e-9)
        assert scores == pytest.approx({name: plain[planner][name] for name in scores}, abs=1e-9)


@pytest.mark.parametrize("latency_ms", [5.0, 40.0, 300.0])
def test_a_true_plan_stays_true_however_late_it_is(latency_ms: float) -> None:
    ego, times_ns = drive(speed_mps=15, curvature=0.02, acceleration=-1.0), ticks(80)
    plans = Plans(driven_waypoints(ego, times_ns), np.zeros(80), np.zeros(80))
    charged = score_run(ego, times_ns, plans, latency_ms)[1]["network"]
    assert charged["ade_3s_m"] < 2e-3
    assert charged["ahe_3s_rad"] < 1e-3


def test_latency_costs_a_planner_that_does_not_see_the_bend() -> None:
    ego, times_ns = drive(speed_mps=15, curvature=0.02), ticks(80)
    plans = constant_velocity(ego, times_ns)
    at = [score_run(ego, times_ns, plans, ms)[1]["network"]["ade_2s_m"] for ms in (0.0, 50.0, 150.0, 500.0)]
    assert at == sorted(at)
    assert at[-1] > 1.5 * at[0]


def test_the_cost_of_latency_counts_only_ticks_that_have_both_scores() -> None:
    """The bend begins late: without the first ticks the charged mean alone would look better than the plain one."""
    ego, times_ns = drive(speed_mps=20, curvature=0.03, acceleration=-3.0), ticks(100)
    plain, charged = score_run(ego, times_ns, constant_velocity(ego, times_ns), 400.0)
    assert charged["network"]["ticks_3s"] < plain["network"]["ticks_3s"]
    assert charged["network"]["latency_cost_3s_m"] > 0


def test_a_plan_too_old_to_reach_the_horizon_supports_no_figure() -> None:
    ego, times_ns = drive(speed_mps=10), ticks(80)
    poses = ego.poses_at(times_ns)
    carried = carried_forward(driven_waypoints(ego, times_ns), times_ns, poses, np.zeros(80, np.int64))
    assert np.isfinite(carried[0]).all()
    assert np.isfinite(carried[72, :8]).all()  # two seconds old: two of its four seconds are left
    assert np.isnan(carried[72, 8:]).all()
