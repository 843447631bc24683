"""One network over a part of a data set: runs the stretches, collects errors, and states how fast it was."""

import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.frames import CAMERAS, RATE_HZ
from fsd.evaluate.card import NETWORK, Card, CardTables
from fsd.evaluate.config import DatasetRunOptions
from fsd.evaluate.labels import Driven, baseline_plans
from fsd.evaluate.measures import Errors, errors_of, plans_of, stated_ratios
from fsd.evaluate.runner import Job, Lane, Rolled, roll
from fsd.evaluate.source import Source, mean_of_training
from fsd.meters.machine import describe_machine
from fsd.networks.drives.rolled_ticks import Withheld
from fsd.outputs.progress import progress_bar
from fsd.outputs.run_info import ModelInfo
from fsd.runtime.engine import Engine
from fsd.runtime.hash_chain import HashChain
from fsd.runtime.planner import caveat
from fsd.scoring.baseline_plans import Plans

Take = Callable[[Rolled, Driven], None]


@dataclass
class NetworkRun:
    """Runs a network, whole and without some inputs.

    Attributes:
        withheld: name -> what the further runs do not get.
    """

    options: DatasetRunOptions
    source: Source
    engine: Engine
    withheld: Mapping[str, Withheld] = field(default_factory=dict)
    card: Card = field(default_factory=Card)
    _health: Counter[str] = field(default_factory=Counter)
    _replaced: Counter[str] = field(default_factory=Counter)
    _camera_rows: np.ndarray = field(default_factory=lambda: np.zeros(len(CAMERAS), np.int64))
    _rows: int = 0
    _steps: int = 0
    _infer_ms: "array[float]" = field(default_factory=lambda: array("f"))
    _plan_chain: HashChain = field(default_factory=HashChain)
    _baselines: tuple[str, ...] = ()
    _started_s: float = field(default_factory=time.perf_counter)
    _ended_s: float | None = None
    _cpu_start_s: float = 0.0
    _cpu_s: float = 0.0

    @classmethod
    def open(cls, options: DatasetRunOptions, model: Path | None, dataset: Path, part: str | None) -> "NetworkRun":
        """Load the network and open the data set.

        Raises:
            ModelError, ClipError: one of them cannot be used, or they do not match.
        """
        engine = Engine(model, options.threads, options.device)
        return cls(options, Source.open(dataset, engine.budget, part), engine)

    def run(self, take: Take = lambda rolled, labels: None) -> None:
        """Run all stretches; `take` gets those of the whole network with their labels, in order."""
        mean = mean_of_training(self.source)
        data = self.source.open_data()
        runs = {NETWORK: Withheld(), **self.withheld}
        jobs = [Job(each, name, withheld) for each in self.source.stretches for name, withheld in runs.items()]
        total = self.source.rows * len(runs)
        self._started_s, self._cpu_start_s = time.perf_counter(), time.process_time()
        with progress_bar(total, "tick", "score", in_logs=True) as progress:
            for rolled in roll(jobs, self._lanes(), self.options.workers):
                labels = self.source.labels(data, rolled.job.stretch)
                if rolled.job.name == NETWORK:
                    self._add(rolled, labels, baseline_plans(labels, mean))
                    take(rolled, labels)
                else:
                    errors = errors_of(plans_of([each.plan for each in rolled.ticks]), labels)
                    self.card.add_withheld(rolled.job.name, _rows_of(errors, labels.is_used))
                self._steps += len(rolled.ticks)
                progress.update(len(rolled.ticks))
        self._ended_s, self._cpu_s = time.perf_counter(), time.process_time() - self._cpu_start_s

    def facts(self) -> dict[str, Any]:
        """The fields of `DatasetRun` that are known so far, but for the status."""
        tables, about = self.tables, self.engine.metadata
        wall_s = (time.perf_counter() if self._ended_s is None else self._ended_s) - self._started_s
        rate = self._steps / wall_s if self._steps and wall_s > 0 else None
        recorded_hz = float(RATE_HZ) / self.source.every_ticks
        return {
            "model": ModelInfo(
                name=about.name,
                precision=about.precision,
                weights_sha256=about.weights_sha256,
                integer_kernels=self.engine.integer_kernels,
                trained_on=about.trained_on,
                hypotheses_mps2=about.hypotheses_mps2,
            ),
            "network": caveat(about.trained, about.trained_on, self.source.is_simulated) or "trained",
            "data": self.source.about(self._camera_rows, self._rows),
            "approximate": tuple(self.source.approximations()),
            "planners": tables.planners,
            "gains": tables.gains,
            "health": dict(self._health),
            "replaced_outputs": dict(self._replaced),
            "runs": 1 + len(self.withheld),
            "workers": self.options.workers,
            "threads": self.options.threads,
            "wall_s": round(wall_s, 2),
            "ticks_per_s": None if rate is None else round(rate, 2),
            "times_real_time": None if rate is None else round(rate / recorded_hz, 3),
            "cpu_ms_per_tick": round(1e3 * self._cpu_s / self._steps, 3) if self._cpu_s and self._steps else None,
            "infer_ms_p50": round(float(np.median(self._infer_ms)), 3) if self._infer_ms else None,
            "plan_hash": self._plan_chain.digest.hex() if self._rows else None,
            "machine": describe_machine(),
        }

    @property
    def tables(self) -> CardTables:
        return self.card.tables(self._baselines)

    def _lanes(self) -> Callable[[], Lane]:
        """The first lane has the engine that is there already."""
        engines = [self.engine]

        def make() -> Lane:
            engine = engines.pop() if engines else Engine(self.engine.model, self.options.threads, self.options.device)
            return Lane(self.source.open_data(), engine)

        return make

    def _add(self, rolled: Rolled, labels: Driven, baselines: Mapping[str, Plans]) -> None:
        plans = [each.plan for each in rolled.ticks]
        planners = {NETWORK: plans_of(plans), **baselines}
        self._baselines = tuple(baselines)
        used = labels.is_used
        self.card.add(
            rolled.job.stretch.drive,
            labels.speed_mps[used],
            labels.curvature_per_m[used],
            {name: _rows_of(errors_of(each, labels), used) for name, each in planners.items()},
            _rows_of(stated_ratios(plans, labels), used),
        )
        for each in rolled.ticks:
            self._plan_chain.add_plan(each.plan)
            self._health.update(each.plan.health.split(";"))
            self._replaced.update([each.replaced] if each.replaced else [])
            self._camera_rows += each.camera_valid
            self._infer_ms.append(each.infer_ms)
        self._rows += len(rolled.ticks)


def _rows_of(errors: Errors, is_used: np.ndarray) -> Errors:
    return {name: values[is_used] for name, values in errors.items()}
