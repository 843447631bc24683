"""Train the network by imitation on recorded episodes: random rows, each with its memory populated.

One process on a CPU, or one per device under `torchrun`. It does not know where episodes come from, and does not drive.
"""

import hashlib
import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fsd.data.options import option
from fsd.data.result_folder import result_folder
from fsd.networks.augmentation import AugmentationConfig, augment
from fsd.networks.bfloat16 import has_bfloat16
from fsd.networks.checkpoint import load_checkpoint, save_checkpoint
from fsd.networks.clip_module import ClipModule
from fsd.networks.dataset import LABEL_SHAPES, Episode
from fsd.networks.distillation import DistillationWeights, inherit, load_teacher
from fsd.networks.evaluation import evaluate, network_inputs
from fsd.networks.losses import LossWeights
from fsd.networks.memory_cache import MemoryCache
from fsd.networks.train_options import TrainOptions
from fsd.networks.training_log import CURVES, TrainingLog
from fsd.networks.training_set import TrainingSet
from fsd.networks.weights import load_weights, save_weights, untrained, weights_sha256

VALUE_EVERY = 4
"""Steps between those that label gaze requests: these take a sixth more time."""

CHECKPOINT, WEIGHTS = "checkpoint.safetensors", "weights.safetensors"


@dataclass(frozen=True, kw_only=True)
class TrainConfig(TrainOptions):
    """Settings of `train`; `out` holds checkpoint, weights and progress, a batch is per process under `torchrun`.

    Attributes:
        initial: weights to start from instead of random ones; steps: optimiser steps.
        teacher: weights of a trained network to imitate as well; without `initial`, those that fit are the start.
        hard_share: share of clips that end in a row of `hard_examples`, every kind equally often.
        learning_rate: peak rate; warm_up_steps: linear rise to it; then a cosine to `final_rate` of it.
        average_decay: decay of the running average of the weights; the average is the result.
        bf16: encode images and attend in bfloat16, by default where the processor has instructions for it; plan and
            memory are always float32.
        freeze_statistics: final share of the steps with fixed BatchNorm statistics.
        validation_share: share of the episodes held out for validation.
        report_every, evaluate_every, checkpoint_every: in steps.
    """

    initial: Path | None = None
    teacher: Path | None = None
    steps: int = option(10_000, at_least=1)
    clips: int = 15
    rows_per_clip: int = 2
    hard_share: float = option(0.6, at_least=0, below=1)
    learning_rate: float = 1e-3
    final_rate: float = option(0.01, at_least=0, below=1)
    warm_up_steps: int = 200
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    average_decay: float = 0.999
    bf16: bool | None = None
    freeze_statistics: float = option(0.1, at_least=0, below=1)
    validation_share: float = option(0.05, at_least=0, below=1)
    report_every: int = option(50, at_least=1)
    evaluate_every: int = option(1000, at_least=1)
    checkpoint_every: int = option(500, at_least=1)
    loss: LossWeights = field(default_factory=LossWeights)
    distillation: DistillationWeights = field(default_factory=DistillationWeights)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def rate_at(self, step: int) -> float:
        warm = min(1.0, (step + 1) / max(self.warm_up_steps, 1))
        wave = 0.5 * (1.0 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * warm * (self.final_rate + (1.0 - self.final_rate) * wave)


@dataclass(frozen=True)
class _Process:
    """Rank of this process and number of processes under `torchrun`."""

    rank: int
    world: int

    @classmethod
    def join(cls, device: str) -> "_Process":
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        return cls(int(os.environ.get("RANK", "0")), world)

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def wait_for_all(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            torch.distributed.barrier()


class Trainer:
    """One process of a training run."""

    def __init__(self, config: TrainConfig, episodes: Sequence[Episode]) -> None:
        self.config, self.process = config, _Process.join(config.device)
        torch.set_num_threads(config.threads)
        config.out.mkdir(parents=True, exist_ok=True)
        learned, held_out = split(episodes, config.validation_share)
        mine = learned[self.process.rank :: self.process.world]
        self.training = TrainingSet(mine)
        self.validation = TrainingSet(held_out) if held_out and self.process.is_first else None
        student = untrained(config.network, config.seed) if config.initial is None else load_weights(config.initial)[0]
        self.network, teacher = student, None
        if config.teacher is not None:
            teacher = load_teacher(config.teacher, student.config)
            if config.initial is None:
                inherit(student, teacher)
            teacher.to(config.device)
        self.network.to(config.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = untrained(self.network.config, config.seed).to(config.device)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = _optimiser(self.network, config)
        bf16 = has_bfloat16(config.device) if config.bf16 is None else config.bf16
        self.facts = {"bf16": bf16, "teacher_sha256": config.teacher and weights_sha256(config.teacher)}
        module = ClipModule(self.network, config.loss, bf16, teacher, config.distillation)
        self.module: nn.Module = module if self.process.world == 1 else DistributedDataParallel(module)
        self.step = 0
        checkpoint = config.out / CHECKPOINT
        if checkpoint.exists():
            self.step = load_checkpoint(checkpoint, self.network, self.average, self.optimiser)
        self.cache = MemoryCache(config.out / f"cache-{self.process.rank}", len(self.training), self.step)
        self.log = TrainingLog(config.out, self.step)

    def run(self, progress: Callable[[int, dict[str, float]], None] | None = None) -> Path:
        """Train to the last step, from the checkpoint if there is one; returns the weights file."""
        config = self.config
        sums: dict[str, float] = {}
        started, first = time.perf_counter(), self.step
        with ThreadPoolExecutor(1) as reader:
            upcoming = reader.submit(self._read, self.step)
            while self.step < config.steps:
                rows, recorded = upcoming.result()
                # Read the next rows from disk during this step.
                upcoming = reader.submit(self._read, self.step + 1)
                for name, value in self._learn(rows, recorded).items():
                    sums[name] = sums.get(name, 0.0) + value
                self.step += 1
                if self.step % config.report_every == 0 or self.step == config.steps:
                    done = self.step - first
                    report = {name: value / config.report_every for name, value in sums.items()}
                    report["rate"] = config.rate_at(self.step)
                    report["rows_per_s"] = done * rows.size / (time.perf_counter() - started)
                    sums.clear()
                    self._report(report)
                    if self.step % config.checkpoint_every == 0 or self.step == config.steps:
                        self._save()
                    if progress is not None and self.process.is_first:
                        progress(self.step, report)
        return config.out / WEIGHTS

    def _generator(self, step: int) -> np.random.Generator:
        """The same numbers for the same seed and step, so that a resumed run equals an uninterrupted one."""
        return np.random.default_rng([self.config.seed, self.process.rank, step])

    def _read(self, step: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Rows (B, T) of a step and the arrays recorded at them."""
        config = self.config
        rows = self.training.draw(self._generator(step), config.clips, config.rows_per_clip, config.hard_share)
        return rows, self.training.read(rows)

    def _learn(self, rows: np.ndarray, recorded: dict[str, np.ndarray]) -> dict[str, float]:
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = config.rate_at(self.step)
        self.module.train()
        if self.step >= (1.0 - config.freeze_statistics) * config.steps:
            for part in self.network.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.eval()
        inputs, live = self._with_memory(rows, recorded)
        generator = torch.Generator(config.device)
        generator.manual_seed(int(self._generator(self.step).integers(2**62)))
        names = (*LABEL_SHAPES, "patch_cell")
        labels = {name: torch.from_numpy(recorded[name]).to(config.device) for name in names if name in recorded}
        values_patches = self.step % VALUE_EVERY == 0
        results = self.module(augment(inputs, config.augmentation, generator), live, labels, values_patches)
        self.optimiser.zero_grad(set_to_none=True)
        results["loss"].backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        if torch.isfinite(norm):
            self.optimiser.step()
        self._update_average()
        results.pop("loss_rows")
        keys, values = (results.pop(name).flatten(0, 1).half().cpu().numpy() for name in ("new_k", "new_v"))
        self.cache.write(rows.ravel(), keys, values)
        return {name: float(value.detach()) for name, value in results.items()} | {"gradient_norm": float(norm)}

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

    def _update_average(self) -> None:
        # Early averages follow quickly: a fixed decay would keep the initial weights for thousands of steps.
        decay = min(self.config.average_decay, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            pairs = zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True)
            for kept, current in pairs:
                if kept.dtype.is_floating_point:
                    kept.lerp_(current, 1.0 - decay)
                else:
                    kept.copy_(current)

    def _report(self, report: dict[str, float]) -> None:
        """Add the measures of validation to a report, and log it."""
        config = self.config
        if not self.process.is_first:
            return
        is_due = self.step % config.evaluate_every == 0 or self.step == config.steps
        if self.validation is not None and is_due:
            measured = evaluate(self.average, self.validation, config.device)
            report |= {f"validation_{name}": float(value) for name, value in asdict(measured).items()}
        self.log.add(self.step, report)

    def _save(self) -> None:
        """Write weights and checkpoint. A run that is killed at any moment of this resumes exactly."""
        config = self.config
        self.cache.prepare(self.step)
        self.process.wait_for_all()
        if self.process.is_first:
            # Without paths: a weights file may be published, and paths are private.
            settings = {
                name: str(value) for name, value in asdict(config).items() if not isinstance(value, Path | None)
            }
            notes = {"step": self.step, "settings": settings, **self.facts, "metrics": self.log.latest}
            # The weights first: a run whose checkpoint is of its last step has nothing left to do.
            save_weights(self.average, config.out / WEIGHTS, trained=True, notes=notes)
            path = config.out / CHECKPOINT
            save_checkpoint(path, self.network, self.average, self.optimiser, self.step, settings)
        self.process.wait_for_all()
        self.cache.commit(self.step)


@contextmanager
def run_folder(path: Path, command: str, names: Collection[str], inputs: Iterable[Path] = ()) -> Iterator[None]:
    """Hold the folder of a run, which continues there if it was interrupted; under `torchrun`, for all processes.

    Raises:
        OutputError, UsageError: as those of `result_folder`.
    """
    if int(os.environ.get("RANK", "0")) != 0:
        yield
        return
    with result_folder(path, command, (*names, CURVES), inputs) as folder:
        folder.begin()
        yield


def train(
    config: TrainConfig, episodes: Sequence[Episode], progress: Callable[[int, dict[str, float]], None] | None = None
) -> Path:
    """Train a network on episodes; returns its weights file (the running average of the weights).

    An interrupted run resumes from its checkpoint. Under `torchrun` every process trains on its own share of the
    episodes, and gradients are averaged.

    Args:
        progress: called as progress(step, report) every `report_every` steps, in the first process only.
    """
    return Trainer(config, episodes).run(progress)


def split(episodes: Sequence[Episode], share: float) -> tuple[list[Episode], list[Episode]]:
    """Episodes for training and for validation.

    Only the name of the world decides (the folder's, without the collection round), so that a held-out world is held
    out in all rounds and processes, independent of the other episodes.
    """

    def is_held_out(episode: Episode) -> bool:
        world = episode.folder.name.rpartition("-r")[0] or episode.folder.name
        digest = hashlib.sha256(world.encode()).digest()
        return int.from_bytes(digest[:4], "big") < share * 2**32

    return (
        [episode for episode in episodes if not is_held_out(episode)],
        [episode for episode in episodes if is_held_out(episode)],
    )


def _optimiser(network: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW; only matrices and kernels decay, not gains, biases and learned tokens."""
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
