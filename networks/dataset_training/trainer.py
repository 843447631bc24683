"""The training loop on chunks of several sources; several processes learn as one would with all of their clips."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from fsd.networks.dataset import LABEL_SHAPES
from fsd.networks.dataset_training.chunks import Chunk, ChunkSource
from fsd.networks.dataset_training.held_out import (
    NETWORK,
    ChunkSet,
    Plan,
    baselines,
    mean_plan,
    measures,
    plans_on,
    score_m,
)
from fsd.networks.dataset_training.loader import Batch, BatchReader, Loader, MixConfig
from fsd.networks.dataset_training.recorded_augmentation import RecordedAugmentation, augment_recorded
from fsd.networks.evaluation import network_inputs
from fsd.networks.memory_cache import MemoryCache
from fsd.networks.model import DrivingNetwork
from fsd.networks.shared_batch import of_all, share_batch_norm, shared_batch
from fsd.networks.training_loop import TrainConfig, TrainingLoop

VALUE_EVERY = 4
"""Steps between those that label gaze requests: these take a sixth more time."""

HELD_OUT, LEARNED = "held_out", "train"
"""Begin of the names of measures of what is held out, and of some of what is learned from."""

SCORE = f"{HELD_OUT}_score_m"

Chosen = Sequence[tuple[ChunkSource, Chunk]]


@dataclass(frozen=True)
class Material:
    """What a training learns from and is scored on.

    Attributes:
        sources: to learn from, with the weights of `MixConfig`; held_out: chunks; seen: chunks of `sources`, scored in
            the same way to show the difference.
        trained_on: as `ModelMetadata.trained_on`.
    """

    sources: tuple[ChunkSource, ...]
    mix: MixConfig
    held_out: Chosen
    seen: Chosen
    trained_on: str

    @property
    def settings(self) -> dict[str, str]:
        """What of it makes a run what it is."""
        text = "\n".join(f"{source.name} {chunk}" for source in self.sources for chunk in source.chunks)
        return {
            "mix": str(self.mix),
            "data": f"{sum(len(source.chunks) for source in self.sources)} chunks {_digest(text)}",
        }

    @property
    def held_out_digest(self) -> str:
        return _digest("\n".join(f"{source.name} {chunk}" for source, chunk in self.held_out))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class DatasetTrainer(TrainingLoop):
    """One process of a training; `config.augmentation` is a `RecordedAugmentation`, `config.clips` are its own."""

    def __init__(self, config: TrainConfig, material: Material) -> None:
        super().__init__(config, material.held_out_digest, material.settings)
        self.facts["trained_on"] = material.trained_on
        self._augmentation = cast(RecordedAugmentation, config.augmentation)
        if self.process.world > 1:
            share_batch_norm(self.network)
        reader = BatchReader(material.sources, material.mix, self.step, self.process.rank, self.process.world)
        self.cache = MemoryCache(config.out / f"cache-{self.process.rank}", reader.cache_rows, self.step)
        self._loader = Loader(reader)
        self._material = material
        self._scored: tuple[ChunkSet, ChunkSet, Plan] | None = None
        self._since_s, self._waited_s = time.perf_counter(), 0.0

    def _batches(self, last: int) -> Iterator[tuple[Batch]]:
        self._since_s, self._waited_s = time.perf_counter(), self._loader.waited_s
        for batch in self._loader.batches(self.step, last):
            yield (batch,)

    def _learn(self, batch: Batch) -> dict[str, float]:
        device = self.config.device
        self.cache.forget(batch.forgotten)
        live = np.full(batch.slot_row.shape, -1, np.int64)
        for earlier in range(batch.rows.shape[1]):
            live[:, earlier + 1 :][batch.slot_row[:, earlier + 1 :] == batch.rows[:, earlier, None, None]] = earlier
        keys, values, known = self.cache.read(batch.slot_row)
        inputs = network_inputs(self.network, batch.recorded, device)
        inputs["memory_k"] = torch.from_numpy(keys).to(device).float()
        inputs["memory_v"] = torch.from_numpy(values).to(device).float()
        inputs["memory_valid"] = inputs["memory_valid"] * torch.from_numpy(known | (live >= 0)).to(device)
        labels = {
            name: torch.from_numpy(batch.recorded[name]).to(device)
            for name in (*LABEL_SHAPES, "patch_cell")
            if name in batch.recorded
        }
        augmented = augment_recorded(inputs, self._augmentation, self._generators(batch))
        with shared_batch(self.process.world > 1):
            results, norm = self._optimise(
                augmented, torch.from_numpy(live).to(device), labels, batch.step % VALUE_EVERY == 0
            )
            new = (of_all(results.pop(name).flatten(0, 1).half()).cpu().numpy() for name in ("new_k", "new_v"))
            self.cache.write(batch.all_rows.ravel(), *new)
        del results["loss_rows"]
        return {name: float(value.detach()) for name, value in results.items()} | {"gradient_norm": norm}

    def _generators(self, batch: Batch) -> list[torch.Generator]:
        """One per clip, the same whichever process has the clip."""
        seeds = [
            int(np.random.default_rng([self.config.seed, 17, batch.step, batch.first_clip + index]).integers(2**62))
            for index in range(len(batch.rows))
        ]
        return [torch.Generator(self.config.device).manual_seed(seed) for seed in seeds]

    def _measures(self) -> dict[str, float]:
        now_s, waited_s = time.perf_counter(), self._loader.waited_s
        share = (waited_s - self._waited_s) / max(now_s - self._since_s, 1e-9)
        self._since_s, self._waited_s = now_s, waited_s
        return {"loader_share": share}

    def _score(self) -> tuple[float, dict[str, float]] | None:
        if not self._material.held_out:
            return None
        found = self.measure(self.average)
        self._since_s = time.perf_counter()  # scoring is no time of steps
        return found[SCORE], found

    def measure(self, network: DrivingNetwork) -> dict[str, float]:
        """All measures of a network, on what is held out and on some of what is learned."""
        held_out, seen, _ = self._sets()
        return self._measured(HELD_OUT, network, held_out) | self._measured(LEARNED, network, seen)

    def score_with(self, network: DrivingNetwork, cameras: Sequence[int]) -> float:
        """The held-out score in metres with all cameras masked but these, by their indices."""
        return self._measured(HELD_OUT, network, self._sets()[0].with_cameras(cameras))[SCORE]

    def _measured(self, name: str, network: DrivingNetwork, chunks: ChunkSet) -> dict[str, float]:
        plan, labels = plans_on(network, chunks, self.config.device)
        errors = measures({NETWORK: plan, **baselines(labels, self._sets()[2])}, labels)
        named = {f"{name}_{measure}": value for measure, value in errors.items()}
        return {f"{name}_score_m": score_m(errors), **named}

    def _sets(self) -> tuple[ChunkSet, ChunkSet, Plan]:
        """What is scored, and the mean path of what is learned; opened when first asked for."""
        if self._scored is None:
            seen = ChunkSet(self._material.seen)
            self._scored = ChunkSet(self._material.held_out), seen, mean_plan(seen.labels())
        return self._scored

    @property
    def has_held_out(self) -> bool:
        """Whether anything is held out."""
        return bool(self._material.held_out)

    def held_out_cameras(self) -> set[int]:
        """Indices of the cameras that any held-out chunk has."""
        found: set[int] = set()
        for source, chunk in self._material.held_out:
            found |= set(np.flatnonzero(source.read(chunk, [len(chunk) // 2])["camera_valid"][0]).tolist())
        return found

    def _prepare(self) -> None:
        self.cache.prepare(self.step)

    def _commit(self) -> None:
        self.cache.commit(self.step)
