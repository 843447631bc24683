"""The experts by name: equal interfaces, reproducible drives, and care near people."""

import numpy as np
import pytest

from fsd.data.frames import TICK_S
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.expert.expert_drivers import EXPERTS
from fsd.networks import train_options
from tests.data.simulator._drives import driven, fingerprint
from tests.data.simulator.expert._hand_made import add_person, empty_world


def test_training_offers_every_expert() -> None:
    assert set(train_options.EXPERTS) == set(EXPERTS)


def test_full_is_the_expert_that_scores_are_relative_to() -> None:
    env, full = DrivingEnv("S7", 2), EXPERTS["full"]()
    for _ in range(40):
        env.step(*env.expert_controls())
    assert full.controls(env.world) == env.expert_controls()
    expected = env.expert_label()
    assert all(np.array_equal(value, expected[name]) for name, value in full.label(env.world).items())


@pytest.mark.parametrize("scenario", ["S3", "S5", "S6", "S7"])
def test_what_cameras_show_is_enough_to_complete_a_route(scenario: str) -> None:
    expert = EXPERTS["seen"]()
    score = driven(scenario, 100_003, lambda env: expert.controls(env.world))
    assert score.driving_score == 1.0


def test_drives_are_the_same_for_a_seed() -> None:
    prints = []
    for _ in range(2):
        env, expert = DrivingEnv("S7", 5), EXPERTS["seen"]()
        for _ in range(300):
            env.step(*expert.controls(env.world))
        prints.append(fingerprint(env.world))
    assert prints[0] == prints[1]


def test_a_label_changes_nothing_and_is_the_same_when_asked_again() -> None:
    env, expert = DrivingEnv("S7", 2), EXPERTS["seen"]()
    for _ in range(150):
        env.step(*expert.controls(env.world))
    before = fingerprint(env.world)
    first, again = expert.label(env.world), expert.label(env.world)
    assert fingerprint(env.world) == before
    assert all(np.array_equal(value, again[name]) for name, value in first.items())


def test_the_label_does_not_know_that_somebody_will_step_out() -> None:
    labels = []
    for knows in (True, False):
        env, expert = DrivingEnv("S7", 2), EXPERTS["seen"]()
        for _ in range(30):
            env.step(*expert.controls(env.world))
        if not knows:
            env.world.scripts.clear()
        labels.append(expert.label(env.world))
    assert all(np.array_equal(value, labels[1][name]) for name, value in labels[0].items())


def test_the_car_slows_down_before_somebody_at_the_kerb() -> None:
    world, speeds = empty_world(), {}
    person = add_person(world, 30.0, -2.7)
    world.ego.speed_mps = 10.0
    for name, make in EXPERTS.items():
        speeds[name] = make().label(world)["trajectory"][:, 3].min()
    assert speeds["full"] > 9.0
    assert 5.5 < speeds["seen"] < 7.0
    person.x_m += 1000.0
    assert EXPERTS["seen"]().label(world)["trajectory"][:, 3].min() > 9.0


def test_a_fifth_of_a_second_of_a_walk_does_not_flip_the_label() -> None:
    world, walk_mps, largest = empty_world(), 1.4, {}
    person = add_person(world, 24.0, 1.0, walk_mps)
    start, across = (person.x_m, person.y_m), (np.cos(person.heading_rad), np.sin(person.heading_rad))
    world.ego.speed_mps = 8.0
    for name, make in EXPERTS.items():
        accelerations = []
        for late_s in np.arange(0.0, 7.5, 0.2):
            expert = make()
            for part_s in np.arange(0.5, 0.0, -TICK_S):  # having walked for half a second
                away_m = walk_mps * (late_s + part_s)
                person.x_m, person.y_m = start[0] - away_m * across[0], start[1] - away_m * across[1]
                expert.observe(world)
                world.tick += 1
            accelerations.append(expert.controls(world)[1])
        assert min(accelerations) < -1.5  # somewhere in between it must wait
        largest[name] = np.abs(np.diff(accelerations)).max()
    assert largest["full"] > 1.5
    assert largest["seen"] < 0.5 * largest["full"]
