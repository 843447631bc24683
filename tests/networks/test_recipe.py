from pathlib import Path

import pytest
import torch

from fsd.data.errors import ModelError
from fsd.data.options import OptionError
from fsd.networks import recipe
from fsd.networks.config import NetworkConfig
from fsd.networks.recipe import run_recipe
from fsd.networks.train_options import RecipeConfig, Round
from fsd.networks.training import WEIGHTS
from fsd.networks.weights import load_weights, save_weights, untrained


def test_later_rounds_are_driven_by_the_weights_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_config: NetworkConfig
) -> None:
    calls: list[tuple[str, object]] = []

    def collect(config: object, workers: int, progress: object) -> int:
        calls.append(("collect", (config.weights, config.first_seed)))  # type: ignore[attr-defined]
        return 1

    def train(config: object, episodes: object, progress: object) -> Path:
        calls.append(("train", config.initial))  # type: ignore[attr-defined]
        weights = config.out / WEIGHTS  # type: ignore[attr-defined]
        weights.parent.mkdir(parents=True)
        save_weights(untrained(tiny_config), weights, trained=True, notes={"step": 3})
        return weights

    monkeypatch.setattr(recipe, "collect", collect)
    monkeypatch.setattr(recipe, "train", train)
    monkeypatch.setattr(recipe, "find_episodes", lambda folder, budget: [])
    config = RecipeConfig(out=tmp_path, rounds=(Round(2, 3, 1e-3), Round(2, 3, 1e-3)))
    final = run_recipe(config)
    first = tmp_path / "round-0" / WEIGHTS
    assert calls == [("collect", (None, 0)), ("train", None), ("collect", (first, 10_000)), ("train", first)]
    assert final.read_bytes() == (tmp_path / "round-1" / WEIGHTS).read_bytes()
    run_recipe(config)
    assert len(calls) == 4  # finished rounds are neither collected nor trained again


def test_a_round_that_was_collected_is_not_collected_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[int] = []
    monkeypatch.setattr(recipe, "collect", lambda config, workers, progress: collected.append(config.episodes))
    monkeypatch.setattr(recipe, "find_episodes", lambda folder, budget: [])
    monkeypatch.setattr(recipe, "train", lambda config, episodes, progress: Path(__file__))
    for episodes in (2, 2, 3):
        run_recipe(RecipeConfig(out=tmp_path, rounds=(Round(episodes, 3, 1e-3),)))
    assert collected == [2, 3]


@pytest.mark.parametrize(("rounds", "averaged", "expected"), [(4, 3, (1, 2, 3)), (4, 2, (2, 3)), (2, 3, (1,))])
def test_the_mean_of_the_last_rounds_is_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_config: NetworkConfig,
    rounds: int,
    averaged: int,
    expected: tuple[int, ...],
) -> None:
    """But never of the expert's round."""

    def train(config: object, episodes: object, progress: object) -> Path:
        weights = config.out / WEIGHTS  # type: ignore[attr-defined]
        weights.parent.mkdir(parents=True)
        save_weights(untrained(tiny_config, config.seed), weights, trained=True)  # type: ignore[attr-defined]
        return weights

    monkeypatch.setattr(recipe, "collect", lambda config, workers, progress: 1)
    monkeypatch.setattr(recipe, "train", train)
    monkeypatch.setattr(recipe, "find_episodes", lambda folder, budget: [])
    final = run_recipe(RecipeConfig(out=tmp_path, rounds=(Round(2, 3, 1e-3),) * rounds, averaged_rounds=averaged))
    network, header = load_weights(final)
    name = next(iter(network.state_dict()))
    mean = sum(untrained(tiny_config, seed).state_dict()[name] for seed in expected) / len(expected)
    assert torch.allclose(network.state_dict()[name], mean)
    assert header.trained


def test_a_recipe_without_a_round_is_refused() -> None:
    with pytest.raises(OptionError, match="rounds"):
        RecipeConfig(rounds=())


def test_a_teacher_that_does_not_fit_is_refused_before_anything_is_collected(
    tmp_path: Path, tiny_config: NetworkConfig
) -> None:
    save_weights(untrained(tiny_config), tmp_path / "tiny.safetensors", trained=True)
    with pytest.raises(ModelError, match=r"tiny\.safetensors"):
        run_recipe(RecipeConfig(out=tmp_path / "run", teacher=tmp_path / "tiny.safetensors"))
    assert not (tmp_path / "run").exists()


def test_the_other_processes_of_a_torchrun_wait_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        (tmp_path / "collected-0").write_text("1" if len(naps) == 1 else "2")  # 1: of an earlier, smaller run

    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(recipe.time, "sleep", nap)
    monkeypatch.setattr(recipe, "find_episodes", lambda folder, budget: [])
    monkeypatch.setattr(recipe, "collect", lambda *args: pytest.fail("only the first process collects"))
    monkeypatch.setattr(recipe, "train", lambda config, episodes, progress: Path(__file__))
    run_recipe(RecipeConfig(out=tmp_path, rounds=(Round(2, 3, 1e-3),)))
    assert len(naps) == 2
