from pathlib import Path

import pytest

from fsd.networks import recipe
from fsd.networks.recipe import RecipeConfig, Round, run_recipe
from fsd.networks.training import WEIGHTS


def test_later_rounds_are_driven_by_the_weights_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, object]] = []

    def collect(config: object, workers: int, progress: object) -> int:
        calls.append(("collect", (config.weights, config.first_seed)))  # type: ignore[attr-defined]
        return 1

    def train(config: object, episodes: object, progress: object) -> Path:
        calls.append(("train", config.initial))  # type: ignore[attr-defined]
        weights = config.out / WEIGHTS  # type: ignore[attr-defined]
        weights.parent.mkdir(parents=True)
        weights.write_bytes(b"weights")
        return weights

    monkeypatch.setattr(recipe, "collect", collect)
    monkeypatch.setattr(recipe, "train", train)
    monkeypatch.setattr(recipe, "find_episodes", lambda folder, budget: [])
    final = run_recipe(RecipeConfig(tmp_path, rounds=(Round(2, 3, 1e-3), Round(2, 3, 1e-3))))
    first = tmp_path / "round-0" / WEIGHTS
    assert calls == [("collect", (None, 0)), ("train", None), ("collect", (first, 10_000)), ("train", first)]
    assert final.read_bytes() == b"weights"


def test_a_recipe_without_a_round_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one round"):
        RecipeConfig(rounds=())


def test_the_other_processes_of_a_torchrun_wait_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        (tmp_path / "collected-0").touch()

    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(recipe.time, "sleep", nap)
    monkeypatch.setattr(recipe, "find_episodes", lambda folder, budget: [])
    monkeypatch.setattr(recipe, "collect", lambda *args: pytest.fail("only the first process collects"))
    monkeypatch.setattr(recipe, "train", lambda config, episodes, progress: Path(__file__))
    run_recipe(RecipeConfig(tmp_path, rounds=(Round(2, 3, 1e-3),)))
    assert len(naps) == 1
