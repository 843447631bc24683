from pathlib import Path

import numpy as np
import pytest

from fsd.compression.budget import ALL_BUDGETS
from fsd.data.errors import SimulatorError
from fsd.data.simulator.environment import DrivingEnv
from fsd.networks.collection import CollectionConfig, Collector, ControlNoise, is_lost, saliency_request
from fsd.networks.dataset import find_episodes


def test_evaluation_seeds_cannot_be_collected(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="training"):
        CollectionConfig(tmp_path, episodes=2, first_seed=99_999)


def test_every_scenario_is_collected_in_turn(tmp_path: Path) -> None:
    config = CollectionConfig(tmp_path, episodes=9, first_seed=100)
    names = [config.episode_name(index) for index in range(9)]
    assert names[0] == "S1-000100-r0"
    assert {name.split("-")[0] for name in names} == {"S1", "S2", "S3", "S4", "S5", "S6", "S7"}


def test_noise_is_there_but_rare_and_bounded() -> None:
    noise = ControlNoise(np.random.default_rng(0))
    applied = np.array([noise.disturb((0.0, 0.0), 8.0) for _ in range(2000)])
    assert 0.05 < (applied[:, 0] != 0).mean() < 0.5
    assert np.abs(applied[:, 0]).max() < 0.15


def test_a_car_across_the_road_is_lost() -> None:
    env = DrivingEnv("S1", 3)
    assert not is_lost(env)
    env.world.ego.heading_rad += 0.6
    assert is_lost(env)


@pytest.mark.gl
def test_an_episode_holds_what_the_network_would_have_seen(tmp_path: Path) -> None:
    config = CollectionConfig(tmp_path, episodes=1, seconds=1.0, warm_up_s=1.0, width_px=64, height_px=48)
    try:
        ticks = Collector(config, None).episode(0)
    except SimulatorError as error:
        pytest.skip(str(error))
    (episode,) = find_episodes(tmp_path, ALL_BUDGETS[CollectionConfig.budget])
    rows = episode.read(0, ticks)
    assert ticks == 9
    assert np.isfinite(rows["trajectory"]).all()
    assert rows["retina"].std() > 10
    assert (rows["commit_slots"][:, 0] >= 0).mean() > 0.5


@pytest.mark.gl
def test_later_rounds_see_some_worlds_with_finer_cameras(tmp_path: Path) -> None:
    config = CollectionConfig(
        tmp_path, episodes=8, seconds=0.2, warm_up_s=0.0, width_px=64, height_px=48, round_index=1
    )
    try:
        collector = Collector(config, None)
        for index in range(config.episodes):
            collector.episode(index)
    except SimulatorError as error:
        pytest.skip(str(error))
    widths = [episode.facts["width_px"] for episode in find_episodes(tmp_path, ALL_BUDGETS[CollectionConfig.budget])]
    assert set(widths) == {64, 128}


def test_saliency_requests_are_mostly_on_salient_blocks() -> None:
    label = np.zeros((8, 15, 20), np.int8)
    label[:, 5:8] = 1
    wished = saliency_request(label, np.random.default_rng(0)) > 0
    assert 0.75 < wished[label > 0].mean() < 0.95
    assert wished[label == 0].mean() < 0.03


def test_there_are_two_experts_to_label(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seen"):
        CollectionConfig(tmp_path, episodes=1, expert="oracle")
    assert CollectionConfig(tmp_path, episodes=1, expert="full").expert == "full"
