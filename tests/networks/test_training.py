import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from fsd.data.errors import ModelError  # noqa: E402
from fsd.export.synthetic_clip import synthetic_steps  # noqa: E402
from fsd.networks.augmentation import AugmentationConfig  # noqa: E402
from fsd.networks.clip_module import ClipModule  # noqa: E402
from fsd.networks.config import NetworkConfig  # noqa: E402
from fsd.networks.dataset import Episode, EpisodeWriter, find_episodes  # noqa: E402
from fsd.networks.evaluation import evaluate  # noqa: E402
from fsd.networks.training import CHECKPOINT, TrainConfig, Trainer, split, train  # noqa: E402
from fsd.networks.training_log import PROGRESS, TrainingLog, read_progress  # noqa: E402
from fsd.networks.training_set import TrainingSet  # noqa: E402
from fsd.networks.weights import load_weights, save_weights, untrained, weights_sha256  # noqa: E402

PLAIN = AugmentationConfig(**dict.fromkeys((field.name for field in fields(AugmentationConfig)), 0))


def write_world(folder: Path, config: NetworkConfig, seed: int) -> None:
    """An episode whose pictures tell the curvature: bright pictures are left bends."""
    writer = EpisodeWriter(folder / f"S1-{seed:06d}-r0", config.budget, 4)
    for index, step in enumerate(synthetic_steps(config.budget, 48, seed)):
        if index % 4:
            writer.skip(step.tick)
            continue
        bend = math.sin(index / 5 + seed)
        step.tick.retina[:] = 128 + 80 * bend
        time_s = 0.25 * np.arange(1, 17)
        trajectory = np.stack([8 * time_s, 3 * bend * time_s**2 / 2, 0.4 * bend * time_s, np.full(16, 8.0)], axis=1)
        labels = {
            "trajectory": trajectory,
            "curvature": np.array([0.05 * bend]),
            "acceleration": np.array([0.0]),
            "light": np.array([index % 4]),
            "occupancy": np.full((24, 16), bend > 0),
        }
        writer.add(step._replace(command="none"), labels)
    writer.close({"seed": seed})


@pytest.fixture(scope="module")
def episodes(tiny_config: NetworkConfig, tmp_path_factory: pytest.TempPathFactory) -> list[Episode]:
    folder = tmp_path_factory.mktemp("worlds")
    for seed in range(4):
        write_world(folder, tiny_config, seed)
    return find_episodes(folder, tiny_config.budget)


@pytest.fixture
def config(tiny_config: NetworkConfig, tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        out=tmp_path / "run",
        network=tiny_config,
        steps=40,
        clips=6,
        rows_per_clip=2,
        learning_rate=5e-3,
        warm_up_steps=5,
        report_every=10,
        evaluate_every=20,
        checkpoint_every=20,
        validation_share=0.4,
        threads=1,
        augmentation=PLAIN,
    )


def test_the_loss_halves_in_a_few_steps(config: TrainConfig, episodes: list[Episode]) -> None:
    reports: list[dict[str, float]] = []
    weights = train(replace(config, steps=60), episodes, lambda step, report: reports.append(report))
    assert reports[-1]["loss"] < 0.5 * reports[0]["loss"]
    network, header = load_weights(weights)
    assert header.trained is True
    assert header.notes["metrics"]["step"] == 60
    assert network.config == config.network


def test_a_run_killed_at_any_moment_resumes_to_the_same_weights(
    config: TrainConfig, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is copied whenever a file is about to be replaced, which is all that a killed process leaves."""
    brief = replace(config, steps=6, report_every=2, evaluate_every=1000, checkpoint_every=2)
    copies: list[Path] = []
    put_in_place = Path.replace

    def copying(self: Path, target: Path) -> Path:
        copies.append(brief.out.with_name(f"killed-{len(copies)}"))
        shutil.copytree(brief.out, copies[-1])
        return put_in_place(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", copying)
        whole = _tensors(train(brief, episodes).read_bytes())
    assert len(copies) == 12  # log, cache, weights and checkpoint, at three checkpoints
    for copy in (copies[2], copies[6], copies[11]):
        resumed = _tensors(train(replace(brief, out=copy), episodes).read_bytes())
        assert all(torch.equal(whole[name], resumed[name]) for name in whole), copy
        assert [row["step"] for row in read_progress(copy / PROGRESS)] == [2, 4, 6]


def _tensors(content: bytes) -> dict[str, torch.Tensor]:
    from safetensors.torch import load

    return load(content)


def test_two_runs_of_one_seed_are_the_same_bytes(config: TrainConfig, episodes: list[Episode]) -> None:
    brief = replace(config, steps=6)
    networks = [load_weights(train(replace(brief, out=config.out.with_name(name)), episodes))[0] for name in "ab"]
    one, other = (network.state_dict() for network in networks)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_gradients_reach_what_was_written_to_memory(config: TrainConfig, episodes: list[Episode]) -> None:
    trainer = Trainer(replace(config, rows_per_clip=3), episodes)
    rows, recorded = trainer._read(0)
    inputs, live = trainer._with_memory(rows, recorded)
    labels = {name: torch.from_numpy(recorded[name]) for name in ("trajectory", "curvature", "acceleration")}
    labels |= {name: torch.from_numpy(recorded[name]) for name in ("lead", "light", "occupancy", "saliency")}
    trainer.module(inputs, live, labels)["loss"].backward()
    gradient = trainer.network.to_value[0].weight.grad
    assert (live >= 0).any()
    assert gradient is not None
    assert gradient.abs().max() > 0


def test_outputs_are_cached_and_read_by_later_batches(config: TrainConfig, episodes: list[Episode]) -> None:
    trainer = Trainer(config, episodes)
    before = trainer._with_memory(*trainer._read(5))[0]["memory_valid"].sum()
    for step in range(5):
        trainer._learn(*trainer._read(step))
        trainer.step += 1
    after = trainer._with_memory(*trainer._read(5))[0]
    assert after["memory_valid"].sum() > before
    assert after["memory_k"].abs().max() > 0


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


def test_evaluation_rolls_memory_out_over_every_row(config: TrainConfig, episodes: list[Episode]) -> None:
    network, _ = load_weights(train(replace(config, steps=60), episodes))
    metrics = evaluate(network, TrainingSet(episodes))
    assert metrics.rows == 48
    assert metrics.curvature_correlation > 0.5
    assert metrics.occupancy_f1 > 0.5
    assert math.isnan(metrics.lead_mae_m)


def test_a_damaged_checkpoint_says_what_to_do(config: TrainConfig, episodes: list[Episode]) -> None:
    config.out.mkdir(parents=True)
    (config.out / CHECKPOINT).write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match=CHECKPOINT):
        Trainer(config, episodes)


def test_two_processes_share_the_episodes_and_end_with_one_network(
    config: TrainConfig, episodes: list[Episode], tmp_path: Path
) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from fsd.networks.training import TrainConfig, train\n"
        "from fsd.networks.dataset import find_episodes\n"
        "from fsd.networks.config import NetworkConfig\n"
        "import json\n"
        "settings = json.loads(sys.argv[2])\n"
        "network = NetworkConfig.from_dict(settings)\n"
        "config = TrainConfig(out=Path(sys.argv[3]), network=network, steps=3, clips=2, rows_per_clip=2,\n"
        "    report_every=1, threads=1, validation_share=0.0)\n"
        "train(config, find_episodes(Path(sys.argv[1]), network.budget))\n"
    )
    arguments = [str(episodes[0].folder.parent), json.dumps(asdict(config.network)), str(tmp_path / "run")]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert load_weights(tmp_path / "run" / "weights.safetensors")[1].trained
    assert {path.name for path in (tmp_path / "run").glob("cache-*")} == {"cache-0", "cache-1"}


def test_the_learning_rate_rises_then_falls_to_its_end(config: TrainConfig) -> None:
    rates = [config.rate_at(step) for step in range(config.steps + 1)]
    assert max(rates) == pytest.approx(config.learning_rate, rel=0.05)
    assert rates[0] < rates[4]
    assert rates[-1] == pytest.approx(config.final_rate * config.learning_rate, rel=0.01)


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("clips", 0), ("validation_share", 1.0)])
def test_settings_out_of_range_are_refused(config: TrainConfig, name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        replace(config, **{name: value})


def test_the_log_keeps_every_value_and_survives_gaps(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    log.add(10, {"loss": 2.0})
    log.add(20, {"loss": 1.0, "validation_ade_3s_m": float("nan")})
    assert [row["loss"] for row in read_progress(tmp_path / PROGRESS)] == [2.0, 1.0]
    assert log.latest == {"step": 20.0, "loss": 1.0}
    assert TrainingLog(tmp_path, resume_step=10).rows == [{"step": 10.0, "loss": 2.0}]


def test_a_student_approaches_its_teacher(config: TrainConfig, episodes: list[Episode], tmp_path: Path) -> None:
    save_weights(untrained(config.network, 7), tmp_path / "teacher.safetensors", trained=True)
    narrow = replace(config.network, retina_channels=config.network.retina_channels // 2)
    reports: list[dict[str, float]] = []
    student = replace(config, network=narrow, teacher=tmp_path / "teacher.safetensors")
    weights = train(student, episodes, lambda step, report: reports.append(report))
    network, header = load_weights(weights)
    assert network.config == narrow
    assert header.notes["teacher_sha256"] == weights_sha256(tmp_path / "teacher.safetensors")
    assert reports[-1]["teacher_tokens"] < 0.7 * reports[0]["teacher_tokens"]


def test_bfloat16_is_used_only_where_the_processor_has_it(
    config: TrainConfig, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    for has in (True, False):
        monkeypatch.setattr("fsd.networks.training.has_bfloat16", lambda device, has=has: has)
        trainer = Trainer(replace(config, out=config.out / str(has)), episodes)
        assert isinstance(trainer.module, ClipModule)
        assert trainer.module.bf16 is has
