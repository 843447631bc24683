"""The scenarios: all can be passed by good driving, none by driving blind, two of them not with front cameras only."""

import numpy as np
import pytest

from fsd.data.ego import COMMANDS
from fsd.data.errors import SimulatorError
from fsd.data.simulator.baselines import blind_steering, constant_velocity, front_expert
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.scenarios import SCORED_SCENARIOS, build_world
from fsd.data.simulator.seeds import check_evaluation_seed, check_seed, check_training_seed
from tests.data.simulator._drives import driven, fingerprint

SEEDS = (100_000, 100_001, 7)


@pytest.mark.parametrize("scenario", SCORED_SCENARIOS)
def test_the_expert_passes_without_any_fault(scenario: str) -> None:
    for seed in SEEDS:
        score = driven(scenario, seed)
        assert (score.finish, score.driving_score) == ("completed", 1.0), (scenario, seed)
        assert score.mean_lane_offset_m < 0.15


@pytest.mark.parametrize("scenario", SCORED_SCENARIOS)
def test_the_same_seed_gives_the_same_drive_and_another_seed_another(scenario: str) -> None:
    prints = []
    for seed in (3, 3, 4):
        env = DrivingEnv(scenario, seed)
        for _ in range(180):
            env.step(*env.expert_controls())
        prints.append(fingerprint(env.world))
    assert prints[0] == prints[1] != prints[2]


def test_driving_blind_is_far_worse_than_the_expert() -> None:
    scores = [
        driven(scenario, seed, blind_steering).driving_score for scenario in ("S2", "S3", "S7") for seed in range(6)
    ]
    assert np.mean(scores) < 0.6


def test_keeping_the_wheel_straight_leaves_a_winding_road() -> None:
    assert {driven("S1", seed, constant_velocity).finish for seed in range(4)} <= {"off_road", "collision_vehicle"}


@pytest.mark.parametrize("scenario", ["S5", "S6"])
def test_front_cameras_alone_do_not_see_enough(scenario: str) -> None:
    scores = [driven(scenario, seed, front_expert).driving_score for seed in range(100_000, 100_016)]
    assert np.mean(scores) < 0.9


def test_front_cameras_are_enough_for_a_car_ahead() -> None:
    assert [driven("S2", seed, front_expert).driving_score for seed in range(3)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("scenario", ["S4", "S5"])
def test_commands_are_known_and_given_before_they_matter(scenario: str) -> None:
    world = build_world(scenario, 11)
    commands = set()
    while world.s < world.setting.goal_m and world.tick < 4000:
        from fsd.data.simulator.expert.expert import expert_controls

        commands.add(world.command)
        for junction in world.road.junctions:
            if 0.0 < junction.enter_m - world.s < 60.0:
                assert world.command != "none"
        world.step(*expert_controls(world))
    assert commands <= set(COMMANDS)
    assert len(commands) > 1


def test_an_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(SimulatorError, match=r"S9.*S1, S2"):
        build_world("S9", 0)


@pytest.mark.parametrize("seed", [-1, 900_000, 1_000_000])
def test_reserved_seeds_are_refused(seed: int) -> None:
    with pytest.raises(SimulatorError, match="899999"):
        DrivingEnv("S1", seed)


def test_training_and_evaluation_seeds_do_not_mix() -> None:
    assert check_seed(500_000) == 500_000
    assert check_training_seed(99_999) == check_evaluation_seed(100_000) - 1
    with pytest.raises(SimulatorError, match="0-99999"):
        check_training_seed(100_000)
    with pytest.raises(SimulatorError, match="100000-199999"):
        check_evaluation_seed(99_999)
