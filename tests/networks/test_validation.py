from dataclasses import replace
from pathlib import Path

import pytest

from fsd.networks.dataset import Episode
from fsd.networks.evaluation import ImitationMetrics
from fsd.networks.validation import digest_of, held_out_score_m, split, spread

METRICS = ImitationMetrics(0.5, 0.1, 0.3, 0.002, 0.9, 0.4, 0.8, 0.9, 2.0, 0.8, 10)


def worlds(count: int, collection_round: int = 0) -> list[Episode]:
    return [Episode(Path(f"S1-{seed:06d}-r{collection_round}"), {}) for seed in range(count)]


def test_a_share_of_the_worlds_is_held_out() -> None:
    learned, held_out = split(worlds(400), 0.25)
    assert len(learned) + len(held_out) == 400
    assert 70 < len(held_out) < 130


def test_a_world_held_out_once_is_never_learned_from() -> None:
    _, held_out = split(worlds(50), 0.25)
    later, _ = split(worlds(400) + worlds(400, collection_round=1), 0.25)
    names = {episode.folder.name.rpartition("-r")[0] for episode in held_out}
    assert not names & {episode.folder.name.rpartition("-r")[0] for episode in later}


def test_scored_episodes_are_spread_over_all() -> None:
    found = [int(episode.folder.name[3:9]) for episode in spread(worlds(101), 5)]
    assert found == [0, 25, 50, 75, 100]
    assert spread(worlds(3), 5) == worlds(3)
    assert spread([], 5) == []


def test_scores_compare_only_on_the_same_episodes() -> None:
    assert digest_of(worlds(3)) == digest_of(worlds(3))
    assert digest_of(worlds(3)) != digest_of(worlds(3, collection_round=1))


def test_the_score_is_in_metres_with_half_of_the_control_errors_after_a_second() -> None:
    assert held_out_score_m(METRICS) == pytest.approx(0.5 + 0.5 * 0.4 + 0.5 * 0.002 * 10**2)
    assert held_out_score_m(replace(METRICS, acceleration_mae_mps2=float("nan"))) == pytest.approx(0.6)
