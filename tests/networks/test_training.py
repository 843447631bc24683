import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from fsd.data.errors import ModelError, OutputError  # noqa: E402
from fsd.export.synthetic_clip import synthetic_steps  # noqa: E402
from fsd.networks.augmentation import AugmentationConfig  # noqa: E402
from fsd.networks.clip_module import ClipModule  # noqa: E402
from fsd.networks.config import NetworkConfig  # noqa: E402
from fsd.networks.dataset import Episode, EpisodeWriter, find_episodes  # noqa: E402
from fsd.networks.evaluation import evaluate  # noqa: E402
from fsd.networks.losses import LossWeights  # noqa: E402
from fsd.networks.training import Trainer, train  # noqa: E402
from fsd.networks.training_log import PROGRESS, TrainingLog, read_progress  # noqa: E402
from fsd.networks.training_loop import BEST, CHECKPOINT, WEIGHTS, TrainConfig  # noqa: E402
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
    # 3 arrays of the cache, 4 logs, the best weights; losses, cache, weights and checkpoint at 3 checkpoints.
    assert len(copies) == 20
    for copy in (copies[7], copies[12], copies[18], copies[19]):
        resumed = _tensors(train(replace(brief, out=copy), episodes).read_bytes())
        assert all(torch.equal(whole[name], resumed[name]) for name in whole), copy
        assert [row["step"] for row in read_progress(copy / PROGRESS)] == [1, 2, 4, 6]


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
    rows = trainer._draw(0)
    recorded = trainer._read(0, rows)
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
    rows = trainer._draw(5)
    recorded = trainer._read(5, rows)
    before = trainer._with_memory(rows, recorded)[0]["memory_valid"].sum()
    for step in range(5):
        drawn = trainer._draw(step)
        trainer._learn(drawn, trainer._read(step, drawn))
        trainer.step += 1
    after = trainer._with_memory(rows, recorded)[0]
    assert after["memory_valid"].sum() > before
    assert after["memory_k"].abs().max() > 0


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


TWO_PROCESSES = """
import json, shutil, sys
from dataclasses import replace
from pathlib import Path
from fsd.networks.config import NetworkConfig
from fsd.networks.dataset import find_episodes
from fsd.networks.training import Trainer, train
from fsd.networks.training_loop import TrainConfig

network = NetworkConfig.from_dict(json.loads(sys.argv[2]))
config = TrainConfig(out=Path(sys.argv[3]), network=network, steps=4, clips=2, rows_per_clip=2, report_every=1,
    checkpoint_every=2, threads=1, validation_share=0.3)
episodes, save = find_episodes(Path(sys.argv[1]), network.budget), Trainer._save

def copying(self):
    save(self)
    self.process.wait_for_all()
    if self.step == 2 and self.process.is_first:
        shutil.copytree(config.out, config.out.with_name("killed"))
    self.process.wait_for_all()

Trainer._save = copying
train(config, episodes)
Trainer._save = save
train(replace(config, out=config.out.with_name("killed")), episodes)
"""


def test_two_processes_share_the_episodes_and_resume_to_the_same_network(
    config: TrainConfig, episodes: list[Episode], tmp_path: Path
) -> None:
    script = tmp_path / "run.py"
    script.write_text(TWO_PROCESSES)
    arguments = [str(episodes[0].folder.parent), json.dumps(asdict(config.network)), str(tmp_path / "run")]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert load_weights(tmp_path / "run" / WEIGHTS)[1].notes["settings"]["processes"] == "2"
    assert {path.name for path in (tmp_path / "run").glob("cache-*")} == {"cache-0", "cache-1"}
    whole, resumed = (_tensors((tmp_path / name / WEIGHTS).read_bytes()) for name in ("run", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_folder_of_other_settings_is_refused(config: TrainConfig, episodes: list[Episode]) -> None:
    brief = replace(config, steps=2)
    train(brief, episodes)
    for changed in ({"steps": 3}, {"learning_rate": 1e-4}, {"loss": LossWeights(x=1.0)}, {"seed": 1}):
        with pytest.raises(OutputError, match=r"(?s)(steps|learning_rate|loss\.x|seed) was .*, now .*--out"):
            Trainer(replace(brief, **changed), episodes)  # type: ignore[arg-type]
    assert Trainer(replace(brief, threads=2, report_every=1), episodes).step == 2


def test_reports_begin_with_the_first_step_and_a_checkpoint_is_made_in_time(
    config: TrainConfig, episodes: list[Episode]
) -> None:
    seen: list[tuple[int, bool]] = []
    quick = replace(config, steps=12, report_every=50, checkpoint_every=1000, checkpoint_every_s=1e-9)
    train(quick, episodes, lambda step, report: seen.append((step, (quick.out / CHECKPOINT).exists())))
    assert seen == [(1, True), (10, True), (12, True)]


@pytest.mark.parametrize(("last_m", "chosen"), [(1.3, "best"), (1.01, "last")])
def test_the_result_is_the_best_weights_only_if_the_last_are_worse_by_the_margin(
    config: TrainConfig, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch, last_m: float, chosen: str
) -> None:
    scores = iter([2.0, 1.0, last_m])
    monkeypatch.setattr("fsd.networks.training.held_out_score_m", lambda metrics: next(scores))
    settings = replace(config, steps=6, report_every=2, evaluate_every=2, best_margin=0.02)
    weights = train(settings, episodes)
    notes = load_weights(weights)[1].notes
    assert (notes["weights"], notes["weights_step"], notes["last_score_m"]) == (
        chosen,
        4 if chosen == "best" else 6,
        last_m,
    )
    assert (notes["best"]["step"], notes["best"]["score_m"]) == (4, 1.0)
    best, result = (_tensors(path.read_bytes()) for path in (settings.out / BEST, weights))
    assert all(torch.equal(best[name], result[name]) for name in best) is (chosen == "best")
    assert [row.get("validation_score_m") for row in read_progress(settings.out / PROGRESS)] == [None, 2.0, 1.0, last_m]


def test_every_row_keeps_its_own_loss_or_that_of_its_batch(
    config: TrainConfig, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(config, episodes)
    rows, forward = trainer._draw(0), ClipModule.forward
    for by_row in (torch.arange(rows.size).view(rows.shape), None):

        def with_rows(self: ClipModule, *inputs: Any, by_row: torch.Tensor | None = by_row) -> dict[str, torch.Tensor]:
            results = forward(self, *inputs)
            del results["loss_rows"]
            return results if by_row is None else results | {"loss_rows": by_row}

        monkeypatch.setattr(ClipModule, "forward", with_rows)
        report = trainer._learn(rows, trainer._read(0, rows))
        expected = rows.size - 1 if by_row is not None else report["loss"]
        assert trainer.losses.values[rows[-1, -1]] == pytest.approx(expected)


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
        monkeypatch.setattr("fsd.networks.training_loop.has_bfloat16", lambda device, has=has: has)
        trainer = Trainer(replace(config, out=config.out / str(has)), episodes)
        assert isinstance(trainer.module, ClipModule)
        assert trainer.module.bf16 is has
