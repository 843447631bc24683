"""The environment as a driver sees it."""

import itertools

import numpy as np
import pytest

from fsd.data.errors import SimulatorError
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.traffic.traffic import Gaps


def test_without_a_renderer_the_error_shows_how_to_pass_one() -> None:
    with pytest.raises(SimulatorError, match=r"renderer=Renderer"):
        DrivingEnv("S1", 0).observe()


def test_ego_and_command_are_what_the_network_takes() -> None:
    env = DrivingEnv("S4", 1)
    env.step(*env.expert_controls())
    assert env.ego().speed_mps == env.world.ego.speed_mps
    assert env.command() in ("none", "left", "right", "straight")


@pytest.mark.parametrize("scenario", ["S1", "S4", "S5", "S7"])
def test_the_expert_recovers_from_every_disturbance(scenario: str) -> None:
    env, rng = DrivingEnv(scenario, 20), np.random.default_rng(0)
    while not env.done:
        if env.world.tick % 150 == 0:
            env.perturb(rng)
        env.step(*env.expert_controls())
    assert env.events.finish == "completed"


def test_a_disturbance_moves_the_car_but_not_far() -> None:
    env = DrivingEnv("S1", 2)
    before = np.array([env.world.ego.x_m, env.world.ego.y_m])
    env.perturb(np.random.default_rng(1))
    moved = np.hypot(*(np.array([env.world.ego.x_m, env.world.ego.y_m]) - before))
    assert 0.0 < moved < 1.3


def test_traffic_does_not_run_into_itself() -> None:
    env = DrivingEnv("S3", 5)
    while not env.done and env.world.tick < 1200:
        env.step(*env.expert_controls())
        by_path: dict[int, list] = {}
        for vehicle in env.world.traffic.vehicles:
            by_path.setdefault(id(vehicle.path), []).append(vehicle)
        for group in by_path.values():
            lane = sorted((v for v in group if abs(v.d - group[0].d) < 1.0), key=lambda v: v.s)
            for rear, front in itertools.pairwise(lane):
                assert front.s - rear.s > 0.5 * (front.length_m + rear.length_m)


def test_waves_of_traffic_leave_quiet_times() -> None:
    gaps, rng = Gaps((1.0, 2.0), (1.0, 2.0), 0.0, busy_s=10.0, quiet_s=12.0), np.random.default_rng(0)
    times = [0.0]
    while times[-1] < 300.0:
        times.append(gaps.next_arrival(times[-1], rng))
    assert max(np.diff(times)) > 12.0
    assert all(time % 22.0 <= 11.5 for time in times)
