import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fsd.data.errors import ModelError, OutputError
from fsd.data.options import OptionError
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks import recipe
from fsd.networks.collection import CollectionConfig
from fsd.networks.config import SIZES, NetworkConfig
from fsd.networks.dataset import EpisodeWriter
from fsd.networks.recipe import SETTINGS, run_recipe
from fsd.networks.train_options import RecipeConfig, Round
from fsd.networks.training_log import read_progress
from fsd.networks.training_loop import CHECKPOINT, TrainConfig
from fsd.networks.weights import save_weights, untrained
from tests.networks._tiny import TINY


def write_drives(config: CollectionConfig) -> None:
    """Episodes of six rows, in place of a simulator."""
    for index in range(config.episodes):
        folder = config.out / config.episode_name(index)
        writer = EpisodeWriter(folder, TINY.budget, 4)
        seed = config.first_seed + index
        for tick, step in enumerate(synthetic_steps(TINY.budget, 24, seed)):
            labels = {"curvature": np.array([0.01 * (seed % 7)]), "acceleration": np.array([0.1 * tick])}
            writer.skip(step.tick) if tick % 4 else writer.add(step._replace(command="none"), labels)
        writer.close({"seed": seed, "round": config.round_index})


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> list[CollectionConfig]:
    """The rounds that were collected."""
    calls: list[CollectionConfig] = []

    def collect(config: CollectionConfig, workers: int, progress: object) -> int:
        write_drives(config)
        calls.append(config)
        return 1

    monkeypatch.setattr(recipe, "collect", collect)
    return calls


@pytest.fixture
def config(tmp_path: Path) -> RecipeConfig:
    rounds = (Round(6, 3), Round(3, 2), Round(3, 4))
    return RecipeConfig(out=tmp_path / "run", network=TINY, rounds=rounds, clips=2, threads=1)


def tensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def test_all_rounds_are_one_training(config: RecipeConfig, collected: list[CollectionConfig]) -> None:
    reports: list[tuple[str, int, int]] = []
    final = run_recipe(config, lambda phase, done, total, metrics: reports.append((phase, done, total)))
    assert [(each.weights, each.first_seed) for each in collected] == [(None, 0), (final, 10_000), (final, 20_000)]
    assert reports == [("train 0", 1, 3), ("train 0", 3, 3), ("train 1", 2, 2), ("train 2", 4, 4)]
    rows = read_progress(config.out / "progress.csv")
    schedule = TrainConfig(**config.shared(), steps=9)
    assert [row["rate"] for row in rows] == pytest.approx([schedule.rate_at(step) for step in (1, 3, 5, 9)], rel=1e-4)
    state = tensors(config.out / CHECKPOINT)
    assert {float(value) for name, value in state.items() if name.startswith("step.")} == {9.0}  # of the optimiser
    run_recipe(config)
    assert len(collected) == 3  # finished rounds are neither collected nor trained again


def test_rows_of_earlier_rounds_keep_memory_and_loss(config: RecipeConfig, collected: list[CollectionConfig]) -> None:
    one = replace(config, rounds=(Round(6, 3),))
    run_recipe(one)
    known = np.load(one.out / "cache-0" / "memory_known.npy")
    shutil.rmtree(one.out)
    run_recipe(replace(config, rounds=(Round(6, 3), Round(3, 1))))
    grown = np.load(config.out / "cache-0" / "memory_known.npy")
    assert known.any()
    assert len(grown) > len(known)
    with np.load(next((config.out / "cache-0").glob("losses-*.npz"))) as losses:
        assert len(losses["losses"]) == len(grown)
        assert np.isfinite(losses["losses"][: len(known)]).sum() >= 3


def test_a_run_killed_at_any_moment_of_any_round_ends_with_the_same_weights(
    config: RecipeConfig, collected: list[CollectionConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is copied whenever a file is about to be replaced; some copies are continued."""
    copies: list[Path] = []
    put_in_place = Path.replace

    def copying(self: Path, target: Path) -> Path:
        if target.parent in (config.out, config.out / "cache-0"):
            copies.append(config.out.with_name(f"killed-{len(copies)}"))
            shutil.copytree(config.out, copies[-1])
        return put_in_place(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", copying)
        whole = tensors(run_recipe(config))
    assert len(copies) > 20
    for copy in copies[9::8]:
        resumed = tensors(run_recipe(replace(config, out=copy)))
        assert all(torch.equal(whole[name], resumed[name]) for name in whole), copy


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"rounds": (Round(6, 3), Round(4, 2))}, "rounds"),
        ({"expert": "full"}, "expert"),
        ({"network": NetworkConfig()}, r"network\.width"),
        ({"learning_rate": 1e-4}, "learning_rate"),
        ({"teacher": "teacher"}, "teacher_sha256"),
    ],
)
def test_a_folder_of_other_settings_is_refused(
    config: RecipeConfig, monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], named: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(recipe, "collect", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr(recipe, "load_teacher", lambda *args: None)
    (tmp_path / "teacher").write_bytes(b"weights")
    with pytest.raises(KeyboardInterrupt):
        run_recipe(config)
    before = (config.out / SETTINGS).read_bytes()
    changed = {name: tmp_path / "teacher" if name == "teacher" else value for name, value in changed.items()}
    with pytest.raises(OutputError, match=f"{named} was .*--out"):
        run_recipe(replace(config, **changed))  # type: ignore[arg-type]
    assert (config.out / SETTINGS).read_bytes() == before
    with pytest.raises(KeyboardInterrupt):
        run_recipe(replace(config, threads=2, workers=1))


def test_drives_of_unknown_settings_are_refused(config: RecipeConfig, collected: list[CollectionConfig]) -> None:
    brief = replace(config, rounds=(Round(6, 1),))
    run_recipe(brief)
    (brief.out / SETTINGS).unlink()
    with pytest.raises(OutputError, match=SETTINGS):
        run_recipe(brief)


def test_the_drives_have_the_budget_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets: list[str] = []
    monkeypatch.setattr(recipe, "collect", lambda config, workers, progress: budgets.append(config.budget))
    monkeypatch.setattr(recipe, "find_episodes", lambda folder, budget: [])
    monkeypatch.setattr(recipe, "train", lambda config, episodes, progress, until: Path(__file__))
    for size in ("standard", "uniform"):
        run_recipe(RecipeConfig(out=tmp_path / size, network=SIZES[size], rounds=(Round(2, 3),)))
    assert budgets == ["F100", "B100"]


@pytest.mark.parametrize(
    ("text", "says"),
    [("900:2400:0.0015", "900:2400, and --rate 0.0015"), ("900", "EPISODES:STEPS"), ("0:5", "600:1500")],
)
def test_a_round_that_is_none_is_explained(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Round.parse(text)


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
    monkeypatch.setattr(recipe, "train", lambda config, episodes, progress, until: Path(__file__))
    run_recipe(RecipeConfig(out=tmp_path, rounds=(Round(2, 3),)))
    assert len(naps) == 2
