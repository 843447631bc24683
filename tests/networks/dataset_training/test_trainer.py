"""A run on data sets: it learns, resumes exactly, and is the same in two processes."""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import load_file  # noqa: E402

from fsd.data.errors import ClipError, OutputError, UsageError  # noqa: E402
from fsd.networks.checkpoint import read_checkpoint_header  # noqa: E402
from fsd.networks.contract import SIMULATOR  # noqa: E402
from fsd.networks.dataset_training.loader import BatchReader  # noqa: E402
from fsd.networks.dataset_training.run import RESULT, DatasetFit, loop_config, open_material, train_on_datasets  # noqa: E402
from fsd.networks.dataset_training.trainer import DatasetTrainer  # noqa: E402
from fsd.networks.train_options import DatasetTrainConfig  # noqa: E402
from fsd.networks.training_log import PROGRESS, read_progress  # noqa: E402
from fsd.networks.training_loop import CHECKPOINT, WEIGHTS, Progress, TrainConfig  # noqa: E402
from fsd.networks.weights import load_weights, read_header, save_weights, untrained  # noqa: E402
from tests.networks.dataset_training._made import FOVEATED, SMALL, write_dataset, write_episodes  # noqa: E402


@pytest.fixture
def config(drives: Path, tmp_path: Path) -> DatasetTrainConfig:
    return DatasetTrainConfig(
        datasets=(drives,), out=tmp_path / "run", network=SMALL, steps=6, clips=4, rows_per_clip=2, threads=1
    )


def test_a_run_reports_from_the_first_step_and_ends_with_a_score_beside_predictors(config: DatasetTrainConfig) -> None:
    seen: list[tuple[str, int, int]] = []
    result = train_on_datasets(config, lambda *report: seen.append(report[:3]))
    assert seen == [("train", 0, 6), ("train", 1, 6), ("train", 6, 6)]
    assert result == msgspec.json.decode((config.out / RESULT).read_bytes(), type=DatasetFit)
    assert result is not None
    assert [(each.name, each.rows, each.held_out_rows) for each in result.sources] == [("drives", 48, 24)]
    for who in ("network", "constant velocity", "hold last", "mean path"):
        assert f"position_m@3 s:{who}" in result.held_out
    assert result.fewer_cameras.keys() == {"front only", "front and rear", "four of a TeslaCam"}
    assert result.fewer_cameras["front only"] != result.held_out["score_m"]
    last = read_progress(config.out / PROGRESS)[-1]
    assert 0 <= last["loader_share"] < 1
    assert last["held_out_position_m@3 s:network"] == pytest.approx(result.held_out["position_m@3 s:network"], rel=1e-4)
    assert "train_path_m@bend:network" in last


@pytest.mark.slow
def test_a_run_learns_the_bends_that_it_sees(config: DatasetTrainConfig) -> None:
    result = train_on_datasets(replace(config, steps=120, learning_rate=5e-3, ego_dropout=1.0, rig_dropout=0.0))
    assert result is not None
    errors = {who: result.held_out[f"curvature_rmse_per_m:{who}"] for who in ("network", "mean path")}
    assert errors["network"] < 0.7 * errors["mean path"]


def test_a_run_killed_between_checkpoints_resumes_to_the_same_weights(
    config: DatasetTrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a pool so small that its chunks are replaced meanwhile."""
    monkeypatch.setattr("fsd.networks.dataset_training.pool.VISITS", 0.5)
    monkeypatch.setattr(TrainConfig, "report_every", 2)
    brief = replace(config, pool_rows=24)

    def run(out: Path, progress: Progress | None = None) -> dict[str, torch.Tensor]:
        material, _ = open_material(brief, SMALL.budget)
        settings = loop_config(replace(brief, out=out), SMALL, checkpoint_every_s=1e-9)
        return load_file(DatasetTrainer(settings, material).run(progress))

    copies = {step: brief.out.with_name(f"killed-{step}") for step in (1, 4)}
    whole = run(brief.out, lambda step, _: shutil.copytree(brief.out, copies[step]) if step in copies else None)
    for step, copy in copies.items():
        assert read_checkpoint_header(copy / CHECKPOINT).step == step
        resumed = run(copy)
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)


PROCESS = """
import json, os, sys
from pathlib import Path
from fsd.networks.config import NetworkConfig
from fsd.networks.dataset_training.run import loop_config, open_material
from fsd.networks.dataset_training.trainer import DatasetTrainer
from fsd.networks.train_options import DatasetTrainConfig

network = NetworkConfig.from_dict(json.loads(sys.argv[3]))

def train(name, clips):
    config = DatasetTrainConfig(datasets=(Path(sys.argv[1]),), out=Path(sys.argv[2]) / name, steps=4, clips=clips,
        rows_per_clip=2, threads=1, learning_rate=1e-4, held_out_rows=1)
    DatasetTrainer(loop_config(config, network, bf16=False), open_material(config, network.budget)[0]).run()

train("two", 2)
if os.environ.pop("RANK") == "0":
    os.environ["WORLD_SIZE"] = "1"
    train("one", 4)
"""


def test_two_processes_equal_one_with_twice_the_batch(tmp_path: Path) -> None:
    """To rounding: sums have another order, which bfloat16 would show most."""
    folder = write_dataset(tmp_path / "drives", {"a": ("train", 16), "b": ("train", 16)}, FOVEATED.budget)
    script = tmp_path / "run.py"
    script.write_text(PROCESS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # As `torchrun` starts them.
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2"}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    words = [sys.executable, str(script), str(folder), str(tmp_path), json.dumps(asdict(FOVEATED))]
    processes = [subprocess.Popen(words, env=environment | {"RANK": rank}) for rank in "01"]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    (two, header), (one, _) = (load_weights(tmp_path / name / WEIGHTS) for name in ("two", "one"))
    assert header.notes["settings"]["processes"] == "2"
    start, wanted = untrained(FOVEATED).state_dict(), one.state_dict()
    moved = {name: float((value - start[name]).float().norm()) for name, value in wanted.items()}
    apart = {name: float((value - wanted[name]).float().norm()) for name, value in two.state_dict().items()}
    learned = [name for name, _ in one.named_parameters()]
    # Not one by one: the optimiser divides gradients by their size, so those that are nearly zero differ in sign.
    assert sum(apart[name] for name in learned) < 0.01 * sum(moved[name] for name in learned)
    assert statistics.median(apart[name] / (moved[name] + 1e-12) for name in learned) < 1e-3
    for name in wanted.keys() - learned:
        assert apart[name] <= 0.01 * moved[name], name


def test_a_run_from_weights_takes_their_size(config: DatasetTrainConfig, tmp_path: Path) -> None:
    initial = tmp_path / "initial.safetensors"
    save_weights(untrained(SMALL, 3), initial, trained=True)
    result = train_on_datasets(replace(config, initial=initial, network=FOVEATED, steps=1, learning_rate=1e-9))
    assert result is not None
    assert (result.budget, result.initial) == ("B400", "initial.safetensors")
    found, expected = load_weights(config.out / WEIGHTS)[0], untrained(SMALL, 3)
    weights = zip(found.parameters(), expected.parameters(), strict=True)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in weights)


def test_other_data_or_another_mix_is_not_continued(config: DatasetTrainConfig, tmp_path: Path) -> None:
    train_on_datasets(replace(config, steps=2))
    other = write_dataset(tmp_path / "other" / "drives", {"a": ("train", 16)})
    for changed in ({"datasets": (other,)}, {"balance": 0.9}, {"ego_dropout": 0.1}):
        with pytest.raises(OutputError, match=r"was .*, now .*--out"):
            train_on_datasets(replace(config, steps=2, **changed))  # type: ignore[arg-type]


def test_a_data_set_without_drives_to_train_on_is_refused_before_there_is_a_folder(
    config: DatasetTrainConfig, tmp_path: Path
) -> None:
    folder = write_dataset(tmp_path / "test_only", {"a": ("test", 12)})
    with pytest.raises(ClipError, match="--clips"):
        train_on_datasets(replace(config, datasets=(folder,)))
    assert not config.out.exists()


def test_simulated_drives_are_mixed_in_by_weight_and_not_scored(config: DatasetTrainConfig, tmp_path: Path) -> None:
    simulated = write_episodes(tmp_path / "simulated", 3, 4)
    mixed = replace(config, simulated=(simulated,), mix=(3.0, 1.0), simulated_held_out=0.0, steps=2)
    result = train_on_datasets(mixed)
    assert result is not None
    found = [(each.name, each.rows, each.held_out_rows, each.weight) for each in result.sources]
    assert found == [("drives", 48, 24, 3.0), ("simulated", 12, 0, 1.0)]
    assert "position_m@3 s:network" in result.held_out
    assert read_header(config.out / WEIGHTS).trained_on == "recordings and a simulator"
    material, _ = open_material(replace(mixed, clips=200), SMALL.budget)
    reader = BatchReader(material.sources, material.mix, 0, 0, 1)
    of_simulated = reader.read(0).rows[:, 0] >= reader._pools[0].rows
    assert of_simulated.mean() == pytest.approx(0.25, abs=0.12)


@pytest.mark.parametrize(
    ("simulated", "as_simulated", "trained_on"),
    [
        ("", False, "recordings"),
        ("b", False, "recordings and a simulator"),
        ("ab", False, SIMULATOR),
        ("", True, SIMULATOR),
    ],
)
def test_what_a_network_learned_from_depends_on_the_clips(
    simulated: str, as_simulated: bool, trained_on: str, config: DatasetTrainConfig, tmp_path: Path
) -> None:
    folder = write_dataset(tmp_path / "set", {"a": ("train", 6), "b": ("train", 6)}, simulated=simulated)
    given = {"datasets": (), "simulated": (folder,)} if as_simulated else {"datasets": (folder,)}
    material, _ = open_material(replace(config, **given), SMALL.budget)  # type: ignore[arg-type]
    assert material.trained_on == trained_on


def test_weights_of_the_mix_are_one_per_source(config: DatasetTrainConfig) -> None:
    with pytest.raises(UsageError, match="mix"):
        replace(config, mix=(1.0, 2.0))
