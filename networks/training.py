"""Train the network by imitation on recorded episodes: random rows, each with its memory populated.

It does not know where episodes come from, and does not drive.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fsd.networks.augmentation import augment
from fsd.networks.dataset import LABEL_SHAPES, Episode
from fsd.networks.evaluation import evaluate, network_inputs
from fsd.networks.memory_cache import MemoryCache
from fsd.networks.row_losses import RowLosses
from fsd.networks.training_loop import Progress, TrainConfig, TrainingLoop
from fsd.networks.training_set import TrainingSet
from fsd.networks.validation import digest_of, held_out_score_m, split, spread

VALUE_EVERY = 4
"""Steps between those that label gaze requests: these take a sixth more time."""


class Trainer(TrainingLoop):
    """One process of a training on episodes; it has its own share of them."""

    def __init__(self, config: TrainConfig, episodes: Sequence[Episode]) -> None:
        learned, held_out = split(episodes, config.validation_share)
        held_out = spread(held_out, config.validation_episodes)
        super().__init__(config, digest_of(held_out))
        mine = learned[self.process.rank :: self.process.world]
        self.training = TrainingSet(mine)
        self.validation = TrainingSet(held_out) if held_out and self.process.is_first else None
        cache = config.out / f"cache-{self.process.rank}"
        names = [episode.folder.name for episode in mine]
        self.losses = RowLosses(cache, names, len(self.training), self.step)
        kept = self.losses.kept_rows
        self.cache = MemoryCache(cache, len(self.training), self.step if kept else 0, kept)

    def _batches(self, last: int) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Rows (B, T) of each step and the arrays recorded at them; the next ones are read from disk meanwhile."""
        if self.step >= last:
            return
        rows = self._draw(self.step) if self.losses.upcoming is None else self.losses.upcoming
        with ThreadPoolExecutor(1) as reader:
            reading = reader.submit(self._read, self.step, rows)
            for step in range(self.step, last):
                now, recorded = rows, reading.result()
                self.losses.upcoming = None
                if step + 1 < last:
                    # Drawn by the losses before this step, so kept in the checkpoint.
                    rows = self.losses.upcoming = self._draw(step + 1)
                    reading = reader.submit(self._read, step + 1, rows)
                yield now, recorded

    def _generator(self, step: int) -> np.random.Generator:
        """The same numbers for the same seed and step, so that a resumed run equals an uninterrupted one."""
        return np.random.default_rng([self.config.seed, self.process.rank, step])

    def _draw(self, step: int) -> np.ndarray:
        """Rows (B, T) of a step."""
        config = self.config
        weights = self.losses.weights() if config.loss_share else None
        shares = (config.hard_share, config.loss_share)
        return self.training.draw(self._generator(step), config.clips, config.rows_per_clip, *shares, weights)

    def _read(self, step: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays recorded at the rows of a step; called in another thread."""
        return self.training.read(rows)

    def _learn(self, rows: np.ndarray, recorded: dict[str, np.ndarray]) -> dict[str, float]:
        config = self.config
        inputs, live = self._with_memory(rows, recorded)
        generator = torch.Generator(config.device)
        generator.manual_seed(int(self._generator(self.step).integers(2**62)))
        names = (*LABEL_SHAPES, "patch_cell")
        labels = {name: torch.from_numpy(recorded[name]).to(config.device) for name in names if name in recorded}
        augmented = augment(inputs, config.augmentation, generator)
        results, norm = self._optimise(augmented, live, labels, self.step % VALUE_EVERY == 0)
        keys, values = (results.pop(name).flatten(0, 1).half().cpu().numpy() for name in ("new_k", "new_v"))
        self.cache.write(rows.ravel(), keys, values)
        by_row = results.pop("loss_rows", results["loss"]).detach().float().cpu().numpy()
        self.losses.write(rows, np.broadcast_to(by_row, rows.shape))
        return {name: float(value.detach()) for name, value in results.items()} | {"gradient_norm": norm}

    def _with_memory(self, rows: np.ndarray, recorded: dict[str, np.ndarray]) -> tuple[dict[str, Tensor], Tensor]:
        """Inputs (B, T, …), memory from the cache, and the earlier row of the clip in each slot (B, T, 112)."""
        device = self.config.device
        slot_row = self.training.slot_row[rows]
        live = np.full(slot_row.shape, -1, np.int64)
        for earlier in range(rows.shape[1]):
            live[:, earlier + 1 :][slot_row[:, earlier + 1 :] == rows[:, earlier, None, None]] = earlier
        keys, values, known = self.cache.read(slot_row)
        inputs = network_inputs(self.network, recorded, device)
        inputs["memory_k"] = torch.from_numpy(keys).to(device).float()
        inputs["memory_v"] = torch.from_numpy(values).to(device).float()
        inputs["memory_valid"] = inputs["memory_valid"] * torch.from_numpy(known | (live >= 0)).to(device)
        return inputs, torch.from_numpy(live).to(device)

    def _score(self) -> tuple[float, dict[str, float]] | None:
        if self.validation is None:
            return None
        metrics = evaluate(self.average, self.validation, self.config.device)
        score_m = held_out_score_m(metrics)
        measures = {f"validation_{name}": float(value) for name, value in asdict(metrics).items()}
        return score_m, {"validation_score_m": score_m, **measures}

    def _prepare(self) -> None:
        self.losses.prepare(self.step)
        self.cache.prepare(self.step)

    def _commit(self) -> None:
        self.losses.commit(self.step)
        self.cache.commit(self.step)


def train(
    config: TrainConfig, episodes: Sequence[Episode], progress: Progress | None = None, until: int | None = None
) -> Path:
    """Train a network on episodes; returns its weights file.

    An interrupted run resumes from its checkpoint, also if episodes were appended since. Under `torchrun` every process
    trains on its own share of the episodes, and gradients are averaged.

    Args:
        progress: called as progress(step, report) after the steps 1 and 10 and every `report_every` steps, in the first
            process only.
        until: step at which to stop, as at the end of a round; by default the last one.

    Raises:
        OutputError: the folder holds a run with other settings.
    """
    return Trainer(config, episodes).run(progress, until)
