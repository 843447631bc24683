"""`fsd train DATASET...`: open the sources, train, and score the result on the drives that were held out."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fsd.compression.budget import Budget
from fsd.data.errors import ClipError
from fsd.data.files import write_bytes
from fsd.data.frames import CAMERAS
from fsd.networks.config import NetworkConfig
from fsd.networks.contract import SIMULATOR
from fsd.networks.dataset_training.chunks import ChunkSource, RecordedChunks, is_dataset, simulated_chunks
from fsd.networks.dataset_training.held_out import some_chunks
from fsd.networks.dataset_training.loader import MixConfig
from fsd.networks.dataset_training.recorded_augmentation import RecordedAugmentation
from fsd.networks.dataset_training.trainer import HELD_OUT, LEARNED, DatasetTrainer, Material
from fsd.networks.model import DrivingNetwork
from fsd.networks.processes import is_first_process
from fsd.networks.train_options import DatasetTrainConfig, Report
from fsd.networks.training_log import PROGRESS
from fsd.networks.training_loop import BEST, CHECKPOINT, WEIGHTS, TrainConfig, run_folder
from fsd.networks.weights import load_weights, read_header

RESULT = "dataset_fit.json"
FEWER_CAMERAS = {
    "front only": ("front_main",),
    "front and rear": ("front_main", "rear"),
    "four of a TeslaCam": ("front_main", "left_repeater", "right_repeater", "rear"),
}
"""Rigs on which a network of more cameras is scored, too."""


class SourceSize(msgspec.Struct, frozen=True):
    """A source of rows: its name, rows to train on and to score on, and weight in the batches."""

    name: str
    rows: int
    held_out_rows: int
    weight: float


class DatasetFit(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `train_on_datasets`, as in `dataset_fit.json`.

    Attributes:
        weights: file name, in the run's folder, of the `last` or the `best` step (`chosen`); initial: what it started
            from.
        loader_share: of the time of all steps after the first ones, spent waiting for data; None in short runs.
        held_out, learned: measures as of `held_out.measures`, and `score_m`, of the result; on drives that were held
            out, and on some that were not.
        fewer_cameras: held-out score in metres with all cameras masked but those of a smaller rig.
    """

    schema_version: int = 1
    weights: str
    chosen: str
    weights_step: int
    budget: str
    initial: str | None
    steps: int
    processes: int
    sources: list[SourceSize]
    loader_share: float | None
    held_out: dict[str, float]
    learned: dict[str, float]
    fewer_cameras: dict[str, float]


def train_on_datasets(
    config: DatasetTrainConfig, report: Report = lambda phase, done, total, metrics: None
) -> DatasetFit | None:
    """Train on data sets and simulated drives, mixed; returns None in all processes of a `torchrun` but the first.

    Args:
        report: called as report(phase, done, total, metrics) during the run.

    Raises:
        ClipError: a source cannot be read, or has nothing to train on.
        OutputError: the folder cannot be written, or holds a run with other settings.
    """
    network = network_of(config)
    inputs = [*config.datasets, *config.simulated, *([] if config.initial is None else [config.initial])]
    material, sizes = open_material(config, network.budget)
    with run_folder(config.out, "train DATASET", result_names(RESULT), inputs):
        trainer = DatasetTrainer(loop_config(config, network), material)
        report("train", trainer.step, config.steps, {})  # at once: the first step waits for data
        trainer.run(lambda step, metrics: report("train", step, config.steps, metrics))
        if not is_first_process():
            return None
        return _finish(config, network, trainer, sizes)


def network_of(config: DatasetTrainConfig) -> NetworkConfig:
    """The sizes of the network: those of the weights to start from, if there are any."""
    if config.initial is None:
        return config.network
    return NetworkConfig.from_dict(read_header(config.initial).config)


def result_names(result: str) -> tuple[str, ...]:
    """Everything that a run writes into its folder."""
    caches = (f"cache-{rank}" for rank in range(int(os.environ.get("WORLD_SIZE", "1"))))
    return (result, WEIGHTS, BEST, CHECKPOINT, PROGRESS, *caches)


def loop_config(config: DatasetTrainConfig, network: NetworkConfig, **others: Any) -> TrainConfig:
    """The settings of the training loop."""
    augmentation = RecordedAugmentation(
        ego_dropout=config.ego_dropout,
        memory_dropout=config.history_dropout,
        rig_dropout=config.rig_dropout,
        pitch_yaw_rad=float(np.radians(config.pitch_yaw_deg)),
    )
    return TrainConfig(
        **config.shared() | {"network": network},
        steps=config.steps,
        hard_share=0.0,
        loss_share=0.0,
        warm_up_steps=min(TrainConfig.warm_up_steps, max(1, config.steps // 5)),
        report_every=min(TrainConfig.report_every, config.steps),
        evaluate_every=config.evaluate_every,
        augmentation=augmentation,
        **others,
    )


def open_material(config: DatasetTrainConfig, budget: Budget) -> tuple[Material, list[SourceSize]]:
    """All sources, and what is held out of them.

    Raises:
        ClipError: one cannot be read, or has nothing to train on.
    """
    pairs: list[tuple[ChunkSource, ChunkSource | None]] = []
    pairs += [recorded_pair(folder, config, budget) for folder in config.datasets]
    for folder in config.simulated:
        if is_dataset(folder):
            learned, held_out = recorded_pair(folder, config, budget)
        else:
            learned, held_out = simulated_chunks(folder, budget, config.simulated_held_out, config.rows_per_clip)
        # The score is of recorded drives alone where there are any.
        pairs.append((learned, None if config.datasets else held_out))
    return mixed(config, pairs)


def recorded_pair(
    folder: Path, config: DatasetTrainConfig, budget: Budget, **others: Any
) -> tuple[ChunkSource, ChunkSource]:
    """The training and the validation part of a data set."""
    settings: dict[str, Any] = {"has_ego": config.ego_dropout < 1.0, **others}
    learned = RecordedChunks(folder, budget, "train", least_rows=config.rows_per_clip, **settings)
    if not learned.chunks:
        raise ClipError(
            f"{folder} has no drive in its part for training: with few drives a part may be empty. Add drives, or "
            "train on its recordings with `fsd train --clips`, which divides each of them by time."
        )
    return learned, RecordedChunks(folder, budget, "validation", **settings)


def mixed(
    config: DatasetTrainConfig, pairs: Sequence[tuple[ChunkSource, ChunkSource | None]]
) -> tuple[Material, list[SourceSize]]:
    """Sources with their weights, and what is scored while training; None where nothing is held out."""
    weights = config.mix or (1.0,) * len(pairs)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    mix = MixConfig(
        weights=weights,
        clips=config.clips * processes,
        rows_per_clip=config.rows_per_clip,
        seed=config.seed,
        pool_rows=config.pool_rows,
        mirrors=config.mirror,
        balance=config.balance,
    )
    learned = tuple(one for one, _ in pairs)
    sizes = [
        SourceSize(one.name, _rows(one), 0 if other is None else _rows(other), weight)
        for (one, other), weight in zip(pairs, weights, strict=True)
    ]
    chosen = some_chunks([other for _, other in pairs if other is not None], config.held_out_rows)
    seen = some_chunks(learned, config.held_out_rows // 4)
    given_as_recorded = learned[: len(learned) - len(config.simulated)]
    is_mixed = bool(config.simulated) or any(each.has_simulated for each in learned)
    has_recorded = any(each.has_recorded for each in given_as_recorded)
    trained_on = SIMULATOR if not has_recorded else "recordings and a simulator" if is_mixed else "recordings"
    return Material(learned, mix, chosen, seen, trained_on), sizes


def _rows(source: ChunkSource) -> int:
    return sum(map(len, source.chunks))


def loader_share(rows: list[dict[str, float]]) -> float | None:
    """Mean of the reports, without the first, in which the pool is filled; None if there are no others."""
    shares = [row["loader_share"] for row in rows[1:] if "loader_share" in row]
    return round(float(np.mean(shares)), 4) if shares else None


def _finish(
    config: DatasetTrainConfig, network: NetworkConfig, trainer: DatasetTrainer, sizes: list[SourceSize]
) -> DatasetFit:
    weights = config.out / WEIGHTS
    result, header = load_weights(weights)
    result.to(config.device)
    found = trainer.measure(result) if trainer.has_held_out else {}
    fit = DatasetFit(
        weights=WEIGHTS,
        chosen=header.notes["weights"],
        weights_step=header.notes["weights_step"],
        budget=network.budget.name,
        initial=None if config.initial is None else config.initial.name,
        steps=config.steps,
        processes=trainer.process.world,
        sources=sizes,
        loader_share=loader_share(trainer.log.rows),
        held_out=with_prefix(found, HELD_OUT),
        learned=with_prefix(found, LEARNED),
        fewer_cameras=_on_fewer_cameras(trainer, result),
    )
    write_bytes(config.out / RESULT, msgspec.json.format(msgspec.json.encode(fit)) + b"\n")
    return fit


def _on_fewer_cameras(trainer: DatasetTrainer, network: DrivingNetwork) -> dict[str, float]:
    there = trainer.held_out_cameras()
    smaller = {
        name: [CAMERAS.index(camera) for camera in cameras]
        for name, cameras in FEWER_CAMERAS.items()
        if len(cameras) < len(there) and set(map(CAMERAS.index, cameras)) <= there
    }
    return {name: trainer.score_with(network, cameras) for name, cameras in smaller.items()}


def with_prefix(found: dict[str, float], prefix: str) -> dict[str, float]:
    """The measures whose names begin with a prefix, without it."""
    begin = f"{prefix}_"
    return {name.removeprefix(begin): value for name, value in found.items() if name.startswith(begin)}
