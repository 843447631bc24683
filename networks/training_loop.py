"""The loop of a training run: optimiser, running average, reports, checkpoints, and the best weights.

One process on a CPU, or one per device under `torchrun`. It does not know where batches come from, and does not drive.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fsd.data.options import OptionError, option
from fsd.data.result_folder import result_folder
from fsd.networks.augmentation import AugmentationConfig
from fsd.networks.bfloat16 import has_bfloat16
from fsd.networks.checkpoint import check_settings, load_checkpoint, read_checkpoint_header, save_checkpoint
from fsd.networks.clip_module import ClipModule
from fsd.networks.distillation import DistillationWeights, load_teacher
from fsd.networks.losses import LossWeights
from fsd.networks.model import DrivingNetwork
from fsd.networks.processes import Process, is_first_process
from fsd.networks.starting_weights import first_network, inherit
from fsd.networks.train_options import TrainOptions
from fsd.networks.training_log import CURVES, TrainingLog
from fsd.networks.validation import Best
from fsd.networks.weights import load_weights, save_weights, untrained, weights_sha256

CHECKPOINT, WEIGHTS, BEST = "checkpoint.safetensors", "weights.safetensors", "best.safetensors"
FIRST_REPORTS = (1, 10)
"""Steps of the first reports, before `report_every`."""

MAY_CHANGE = ("out", "threads", "device", "bf16", "report_every", "checkpoint_every", "checkpoint_every_s")
"""Settings that may differ when a run is continued."""

Progress = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True, kw_only=True)
class TrainConfig(TrainOptions):
    """Settings of `train`; `out` holds checkpoint, weights and progress, a batch is per process under `torchrun`.

    Attributes:
        initial: weights to start from instead of random ones, see `first_network`.
        steps: optimiser steps of the whole run.
        teacher: weights of a trained network to imitate as well; without `initial`, those that fit are the start.
        hard_share: share of clips that end in a row of `hard_examples`, every kind equally often.
        loss_share: share of clips that end in a row drawn in proportion to its last known loss.
        learning_rate: peak rate; warm_up_steps: linear rise to it; then a cosine to `final_rate` of it.
        average_decay: decay of the running average of the weights; the average is the result.
        bf16: encode images and attend in bfloat16, by default where the processor has instructions for it; plan and
            memory are always float32.
        freeze_statistics: final share of the steps with fixed BatchNorm statistics.
        validation_share: share of the worlds held out for validation; validation_episodes: at most so many of their
            episodes are scored.
        best_margin: the result is the weights of the best held-out score if that of the last ones is worse by more than
            this share, else the last ones.
        report_every, evaluate_every, checkpoint_every: in steps; checkpoint_every_s: at most this long between two.
    """

    teacher: Path | None = None
    steps: int = option(10_000, at_least=1)
    clips: int = 15
    rows_per_clip: int = 2
    hard_share: float = option(0.4, at_least=0, at_most=1)
    loss_share: float = option(0.3, at_least=0, at_most=1)
    learning_rate: float = 1e-3
    final_rate: float = option(0.01, at_least=0, below=1)
    warm_up_steps: int = 200
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    average_decay: float = 0.999
    bf16: bool | None = None
    freeze_statistics: float = option(0.1, at_least=0, below=1)
    validation_share: float = option(0.05, at_least=0, below=1)
    validation_episodes: int = option(16, at_least=1)
    best_margin: float = option(0.02, at_least=0)
    report_every: int = option(50, at_least=1)
    evaluate_every: int = option(500, at_least=1)
    checkpoint_every: int = option(500, at_least=1)
    checkpoint_every_s: float = option(180.0, above=0)
    loss: LossWeights = field(default_factory=LossWeights)
    distillation: DistillationWeights = field(default_factory=DistillationWeights)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hard_share + self.loss_share > 1.0:
            raise OptionError(
                "loss_share", f"and hard_share may be 1 together, got {self.loss_share} and {self.hard_share}"
            )

    def rate_at(self, step: int) -> float:
        warm = min(1.0, (step + 1) / max(self.warm_up_steps, 1))
        wave = 0.5 * (1.0 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * warm * (self.final_rate + (1.0 - self.final_rate) * wave)


class TrainingLoop(ABC):
    """One process of a training run; a subclass makes the batches and learns from them.

    Attributes:
        step: steps done; best: the best held-out score so far; score_m: the newest one.
        held_out: digest of what is held out; scores compare only on the same.
    """

    def __init__(self, config: TrainConfig, held_out: str, more_settings: Mapping[str, str] | None = None) -> None:
        self.config, self.process, self.held_out = config, Process.join(config.device), held_out
        torch.set_num_threads(config.threads)
        config.out.mkdir(parents=True, exist_ok=True)
        student, teacher = first_network(config.network, config.seed, config.initial), None
        self.network = student
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
        self.settings = {**settings_of(config, MAY_CHANGE, self.process.world), **(more_settings or {})}
        self.step = 0
        self.best: Best | None = None
        self.score_m = math.nan
        checkpoint = config.out / CHECKPOINT
        if checkpoint.exists():
            header = read_checkpoint_header(checkpoint)
            check_settings(config.out, header.settings, self.settings)
            self.step = load_checkpoint(checkpoint, self.network, self.average, self.optimiser)
            if header.best is not None and header.best.episodes == self.held_out:
                self.best = header.best
        self.log = TrainingLog(config.out, self.step)

    @abstractmethod
    def _batches(self, last: int) -> Iterator[tuple[Any, ...]]:
        """What `_learn` takes, for each step from the present one to `last`."""

    @abstractmethod
    def _learn(self, *batch: Any) -> dict[str, float]:
        """One optimiser step; returns what to report."""

    @abstractmethod
    def _score(self) -> tuple[float, dict[str, float]] | None:
        """Held-out score of the running average in metres, and all measures; None if nothing is held out."""

    @abstractmethod
    def _prepare(self) -> None:
        """Before the checkpoint of the present step is written, in every process."""

    @abstractmethod
    def _commit(self) -> None:
        """Once that checkpoint is there."""

    def _measures(self) -> dict[str, float]:
        """More to report, of the steps since the last report."""
        return {}

    def run(self, progress: Progress | None = None, until: int | None = None) -> Path:
        """Train to the step `until`, by default the last one, from the checkpoint if there is one.

        Returns:
            The weights file: the running average of the weights, at the last step perhaps that of the best score.
        """
        config = self.config
        last = config.steps if until is None else min(until, config.steps)
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        started, first, saved, saved_s = time.perf_counter(), self.step, self.step, time.monotonic()
        rows_per_step = config.clips * config.rows_per_clip * self.process.world
        for batch in self._batches(last):
            for name, value in self._learn(*batch).items():
                sums[name], counts[name] = sums.get(name, 0.0) + value, counts.get(name, 0) + 1
            self.step += 1
            is_last = self.step == last
            if not (is_last or self.step in FIRST_REPORTS or self.step % config.report_every == 0):
                continue
            report = {name: value / counts[name] for name, value in sums.items()}
            report["rate"] = config.rate_at(self.step)
            report["rows_per_s"] = (self.step - first) * rows_per_step / (time.perf_counter() - started)
            report |= self._measures()
            # Sums are empty at a checkpoint, which is why there is one at reports only.
            sums, counts = {}, {}
            self._report(report, is_last)
            is_due = self.step // config.checkpoint_every > saved // config.checkpoint_every
            is_late = self.process.agree(time.monotonic() - saved_s >= config.checkpoint_every_s)
            if is_last or is_due or is_late:
                self._save()
                saved, saved_s = self.step, time.monotonic()
            if progress is not None and self.process.is_first:
                progress(self.step, report)
        return config.out / WEIGHTS

    def _optimise(
        self, inputs: dict[str, Tensor], live: Tensor, labels: dict[str, Tensor], values_patches: bool
    ) -> tuple[dict[str, Tensor], float]:
        """One step on a batch, as of `ClipModule.forward`; returns its results and the norm of the gradient."""
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = config.rate_at(self.step)
        self.module.train()
        if self.step >= (1.0 - config.freeze_statistics) * config.steps:
            for part in self.network.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.eval()
        results = self.module(inputs, live, labels, values_patches)
        self.optimiser.zero_grad(set_to_none=True)
        results["loss"].backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        if torch.isfinite(norm):
            self.optimiser.step()
        self._update_average()
        return results, float(norm)

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

    def _report(self, report: dict[str, float], is_last: bool) -> None:
        """Add the measures of what is held out to a report, and log it."""
        if not self.process.is_first:
            return
        if is_last or self.step % self.config.evaluate_every == 0:
            scored = self._score()
            if scored is not None:
                self.score_m, measures = scored
                self._keep_if_best()
                report |= measures
        self.log.add(self.step, report)

    def _keep_if_best(self) -> None:
        if math.isfinite(self.score_m) and (self.best is None or self.score_m < self.best.score_m):
            self.best = Best(self.score_m, self.step, self.held_out)
            notes = {"step": self.step, "held_out_score_m": self.score_m, "settings": self.settings, **self.facts}
            save_weights(self.average, self.config.out / BEST, trained=True, notes=notes)

    def _save(self) -> None:
        """Write weights and checkpoint. A run that is killed at any moment of this resumes exactly."""
        config = self.config
        self._prepare()
        self.process.wait_for_all()
        if self.process.is_first:
            network, chosen = self._choose()
            notes = {"step": self.step, **chosen, "settings": self.settings, **self.facts, "metrics": self.log.latest}
            # The weights first: a run whose checkpoint is of its last step has nothing left to do.
            save_weights(network, config.out / WEIGHTS, trained=True, notes=notes)
            path = config.out / CHECKPOINT
            save_checkpoint(path, self.network, self.average, self.optimiser, self.step, self.settings, self.best)
        self.process.wait_for_all()
        self._commit()

    def _choose(self) -> tuple[DrivingNetwork, dict[str, Any]]:
        """The weights that are the result so far, and what to note: the last ones, at the end perhaps the best ones."""
        best = self.best
        is_best = (
            best is not None
            and self.step == self.config.steps
            and self.score_m > (1.0 + self.config.best_margin) * best.score_m
        )
        notes = {
            "weights": "best" if is_best else "last",
            "weights_step": best.step if is_best and best is not None else self.step,
            "last_score_m": self.score_m if math.isfinite(self.score_m) else None,
            "best": msgspec.to_builtins(best),
        }
        return load_weights(self.config.out / BEST)[0] if is_best else self.average, notes


def settings_of(config: TrainOptions, skip: Collection[str], processes: int) -> dict[str, str]:
    """Settings that make a run what it is, as texts: those inside others as `loss.x`, weights files by their SHA-256.

    Without paths: a weights file may be published, and paths are private.
    """
    found: dict[str, str] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, Path):
            found[f"{prefix}_sha256"] = weights_sha256(value)
        elif isinstance(value, dict):
            for name, inside in value.items():
                add(f"{prefix}.{name}", inside)
        elif value is not None:
            found[prefix] = str(value)

    for each in fields(config):
        if each.name not in skip:
            value = getattr(config, each.name)
            add(each.name, asdict(value) if hasattr(value, "__dataclass_fields__") else value)
    return found | {"processes": str(processes)}


@contextmanager
def run_folder(path: Path, command: str, names: Collection[str], inputs: Iterable[Path] = ()) -> Iterator[None]:
    """Hold the folder of a run, which continues there if it was interrupted; under `torchrun`, for all processes.

    Raises:
        OutputError, UsageError: as those of `result_folder`.
    """
    if not is_first_process():
        yield
        return
    with result_folder(path, command, (*names, CURVES), inputs) as folder:
        folder.begin()
        yield


def _optimiser(network: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW; only matrices and kernels decay, not gains, biases and learned tokens."""
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
