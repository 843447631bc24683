"""Fine-tune every network from the same weights, on the same moments, with the project's own trainer.

The shared network learns from all policies and numbers of patches; a batch has one number of patches. Networks for
other base images start by computing what the given weights compute (`rate_distortion.grow`).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fsd.data.files import write_text
from fsd.networks.config import NetworkConfig
from fsd.networks.dataset import Episode
from fsd.networks.memory_cache import MemoryCache
from fsd.networks.row_losses import RowLosses
from fsd.networks.training import Trainer
from fsd.networks.training_loop import WEIGHTS, TrainConfig
from fsd.networks.training_set import TrainingSet
from fsd.networks.validation import split
from fsd.networks.weights import load_weights, read_header, save_weights
from rate_distortion.collect import CollectConfig, episode_folder
from rate_distortion.grow import calibrate_batch_norm, resize_base
from rate_distortion.variants import NetworkPlan

LEARNING_RATE = 5e-4
STATISTICS_ROWS = 20
StepCallback = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class FineTuneConfig:
    """Settings of all fine-tuning runs.

    Each network starts from `weights`, is written to `out`/network and gets `steps`. Two get more, by their factors:
    `shared` learns many policies, and `dense` has the most new pixels.
    """

    out: Path
    weights: Path
    steps: int
    threads: int = 2
    clips: int = 10
    rows_per_clip: int = 3
    shared_factor: float = 2.0
    dense_factor: float = 1.5

    def steps_of(self, network: str) -> int:
        """Optimiser steps of a network."""
        factor = {"shared": self.shared_factor, "dense": self.dense_factor}.get(network, 1.0)
        return max(2, round(self.steps * factor))


def weights_of(config: FineTuneConfig, network: str) -> Path:
    """The weights file of a network; `given` is the file that all start from."""
    return config.weights if network == "given" else config.out / network / WEIGHTS


def fine_tune(
    config: FineTuneConfig, plan: NetworkPlan, drives: CollectConfig, progress: StepCallback | None = None
) -> dict[str, Any]:
    """Train one network, resume its training, or return the report of a finished one.

    Returns:
        `steps`; `rows`: recorded ticks in the training data; `validation_ade_3s_m` by step.
    """
    out = config.out / plan.name
    finished = out / "finished.json"
    if finished.exists():
        found: dict[str, Any] = json.loads(finished.read_text(encoding="utf-8"))
        return found
    groups = _groups(plan, drives)
    steps = config.steps_of(plan.name)
    initial = _initial(config, plan, groups)
    settings = TrainConfig(
        out=out,
        initial=initial,
        network=NetworkConfig.from_dict(read_header(initial).config),
        steps=steps,
        clips=config.clips,
        rows_per_clip=config.rows_per_clip,
        learning_rate=LEARNING_RATE,
        warm_up_steps=min(60, steps // 4 + 1),
        threads=config.threads,
        report_every=max(1, min(50, steps // 4)),
        evaluate_every=max(1, steps // 2),
        checkpoint_every=max(1, min(200, steps // 2)),
        freeze_statistics=0.1,
        seed=1,
    )
    trainer = MixedTrainer(settings, groups)
    trainer.run(progress)
    report = {
        "steps": steps,
        "rows": int(sum(episode.ticks for group in groups for episode in group)),
        "validation_ade_3s_m": {
            str(int(row["step"])): row["validation_ade_3s_m"]
            for row in trainer.log.rows
            if "validation_ade_3s_m" in row
        },
    }
    write_text(finished, json.dumps(report, indent=2) + "\n")
    return report


class MixedTrainer(Trainer):
    """The project's trainer for several sets of episodes with different numbers of patches; one set per batch.

    Validation uses the first set.
    """

    def __init__(self, config: TrainConfig, groups: Sequence[Sequence[Episode]]) -> None:
        super().__init__(config, groups[0])
        self._sets = [(self.training, self.cache, self.losses)]
        for index, episodes in enumerate(groups[1:], start=1):
            learned = _learned(episodes, config.validation_share)
            table, folder = TrainingSet(learned), config.out / f"cache-0-{index}"
            names = [episode.folder.name for episode in learned]
            self._sets.append((table, MemoryCache(folder, len(table)), RowLosses(folder, names, len(table))))
        rows = np.array([len(table) for table, *_ in self._sets], np.float64)
        self._shares = rows / rows.sum()

    def _draw(self, step: int) -> np.ndarray:
        table, settings = self._sets[self._set_of(step)][0], self.config
        return table.draw(self._generator(step), settings.clips, settings.rows_per_clip, settings.hard_share)

    def _read(self, step: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        return self._sets[self._set_of(step)][0].read(rows)

    def _learn(self, rows: np.ndarray, recorded: dict[str, np.ndarray]) -> dict[str, float]:
        self.training, self.cache, self.losses = self._sets[self._set_of(self.step)]
        return super()._learn(rows, recorded)

    def _set_of(self, step: int) -> int:
        return int(np.random.default_rng([self.config.seed, 7, step]).choice(len(self._sets), p=self._shares))


def _learned(episodes: Sequence[Episode], validation_share: float) -> list[Episode]:
    return split(episodes, validation_share)[0] or list(episodes)


def _groups(plan: NetworkPlan, drives: CollectConfig) -> list[list[Episode]]:
    """Finished episodes of a network, one list per number of patches."""
    groups = []
    for folder in sorted({episode_folder(drives, plan, variant) for variant in plan.variants}):
        found = [
            Episode(path.parent, json.loads(path.read_text(encoding="utf-8")))
            for path in sorted(folder.glob("*/episode.json"))
        ]
        if found:
            groups.append(found)
    if not groups:
        raise SystemExit(f"No drives to fine-tune `{plan.name}` on were found. Run the stage `collect` first.")
    return groups


def _initial(config: FineTuneConfig, plan: NetworkPlan, groups: Sequence[Sequence[Episode]]) -> Path:
    """Write the given weights, resized for the plan's base image, to a file for the trainer."""
    network, header = load_weights(config.weights)
    base = network.config.budget
    if (base.base_height_px, base.base_width_px) != (60, 80):
        raise SystemExit(
            f"{config.weights} has a base image of {base.base_width_px}x{base.base_height_px}; expected 80x60. "
            "Name the weights of a B100 network with --weights."
        )
    grown = resize_base(network, plan.budget)
    calibrate_batch_norm(grown, torch.from_numpy(_some_retinas(groups)))
    path = config.out / plan.name / "initial.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_weights(grown, path, trained=bool(header.trained), notes={"from": config.weights.name})
    return path


def _some_retinas(groups: Sequence[Sequence[Episode]]) -> np.ndarray:
    """(M, 6, h, w) base images of random ticks of the episodes."""
    episodes = [episode for group in groups for episode in group]
    rng = np.random.default_rng(5)
    rows = []
    for _ in range(STATISTICS_ROWS):
        episode = episodes[int(rng.integers(len(episodes)))]
        rows.append(np.load(episode.folder / "retina.npy", mmap_mode="r")[int(rng.integers(episode.ticks))])
    return np.concatenate(rows)
