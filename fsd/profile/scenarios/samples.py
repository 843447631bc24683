"""The times of every tick of one scenario, in an array that is allocated before the first tick.

Writing a row takes two microseconds and allocates nothing, so measuring changes neither latency nor memory.
`samples.parquet` contains all scenarios of a profile, one row per tick.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsd.data.errors import UsageError
from fsd.data.files import replacing
from fsd.data.frames import CAMERAS
from fsd.meters.machine_load import PLANNING
from fsd.outputs.profile_scenario import StageSum

STAGES = ("queue", "decode", "synchronise", "compress", "bind", "infer", "post", "write")
"""Disjoint parts of a tick, in order. `queue` is the time from when the tick was due until the loop started it."""

SUM_TOLERANCE = 0.01
"""The stages must add up to the separately measured total within this share of it."""

_DUE, _PLANNED, _DONE = 0, 1, 2
_STAGE0 = 3
_AGE0 = _STAGE0 + len(STAGES)
_COLUMNS = _AGE0 + len(CAMERAS)


NO_AGES = np.full(len(CAMERAS), np.nan)


class TickTimes(NamedTuple):
    """When a tick was due, planned and written (`time.perf_counter_ns`), and its stages in the order of `STAGES`.

    `cpu_ms` is the processor time of the planning thread in compress, infer (with bind) and post.
    """

    due_ns: int
    planned_ns: int
    done_ns: int
    stages_ms: tuple[float, ...]
    cpu_ms: tuple[float, float, float] = (0.0, 0.0, 0.0)


class TickSamples:
    """Samples of `ticks` ticks. A row that is never written is a skipped tick; its values are NaN."""

    def __init__(self, ticks: int) -> None:
        # Filled, so that the pages exist before memory growth is measured.
        self._rows = np.full((ticks, _COLUMNS), np.nan)
        self._cpu_ms = np.zeros(len(PLANNING))

    @property
    def ticks(self) -> int:
        """How many ticks were intended."""
        return len(self._rows)

    def add(self, tick: int, times: TickTimes, age_ms: np.ndarray = NO_AGES) -> None:
        """Write a row; `age_ms` (8,) is from each camera's frame time to the plan, NaN without a frame."""
        row = self._rows[tick]
        row[_DUE], row[_PLANNED], row[_DONE] = times.due_ns, times.planned_ns, times.done_ns
        row[_STAGE0:_AGE0] = times.stages_ms
        row[_AGE0:] = age_ms
        self._cpu_ms += times.cpu_ms

    def planning_s(self) -> dict[str, tuple[float, float]]:
        """Stage of planning -> its processor time and its wall time, over all ticks."""
        stages = (("compress",), ("bind", "infer"), ("post",))
        wall_ms = [sum(float(np.nansum(self.stage_ms(stage))) for stage in each) for each in stages]
        times = zip(PLANNING, self._cpu_ms.tolist(), wall_ms, strict=True)
        return {stage: (cpu_ms / 1e3, spent_ms / 1e3) for stage, cpu_ms, spent_ms in times}

    def cut_after_last_plan(self) -> None:
        """Remove the rows after the last plan: the run ended early."""
        planned = np.flatnonzero(self.is_planned)
        self._rows = self._rows[: int(planned[-1]) + 1 if len(planned) else 0]

    @property
    def is_planned(self) -> np.ndarray:
        """(T,) bool; False for ticks that a newer one overtook."""
        return ~np.isnan(self._rows[:, _DONE])

    @property
    def planned_ns(self) -> np.ndarray:
        """Times of the plans that were made, in order."""
        return self._rows[self.is_planned, _PLANNED]

    @property
    def latency_ms(self) -> np.ndarray:
        """(T,) from when the tick was due to its plan; NaN for skipped ticks."""
        return (self._rows[:, _PLANNED] - self._rows[:, _DUE]) / 1e6

    @property
    def total_ms(self) -> np.ndarray:
        """(T,) from when the tick was due until it was written; NaN for skipped ticks."""
        return (self._rows[:, _DONE] - self._rows[:, _DUE]) / 1e6

    def stage_ms(self, stage: str) -> np.ndarray:
        """(planned ticks,) of one stage."""
        return self._rows[self.is_planned, _STAGE0 + STAGES.index(stage)]

    def age_ms(self, camera: int) -> np.ndarray:
        """(ticks with a frame of this camera,) age of its information when the plan was ready."""
        ages = self._rows[self.is_planned, _AGE0 + camera]
        return ages[~np.isnan(ages)]

    def check_stages(self) -> StageSum:
        """Compare the sum of the stages with the total, which was measured by separate clock readings."""
        planned = self._rows[self.is_planned]
        if not len(planned):
            return StageSum(mean_gap=0.0, worst_gap=0.0, is_ok=True)
        total_ms = (planned[:, _DONE] - planned[:, _DUE]) / 1e6
        gap_ms = np.abs(total_ms - planned[:, _STAGE0:_AGE0].sum(axis=1))
        mean_gap = float(gap_ms.sum() / total_ms.sum())
        return StageSum(mean_gap=mean_gap, worst_gap=float((gap_ms / total_ms).max()), is_ok=mean_gap <= SUM_TOLERANCE)

    def row(self, tick: int) -> dict[str, float]:
        """One tick by column name, for drawing a trace."""
        return dict(zip(_column_names(), self._rows[tick], strict=True))

    def table(self, scenario: str) -> pa.Table:
        """The columns of `samples.parquet`, times in nanoseconds from the first tick."""
        rows = self._rows
        start_ns = rows[self.is_planned, _DUE].min() if self.is_planned.any() else 0.0
        columns: dict[str, pa.Array] = {
            "scenario": pa.array([scenario] * len(rows)),
            "tick": pa.array(np.arange(len(rows), dtype=np.int32)),
            "is_planned": pa.array(self.is_planned),
        }
        for name, values in zip(_column_names(), rows.T, strict=True):
            # A missing value is null in the file, not NaN: readers handle null.
            relative = values - start_ns if name.endswith("_ns") else values
            columns[name] = pa.array(relative, mask=np.isnan(relative))
        columns["latency_ms"] = pa.array(self.latency_ms, mask=~self.is_planned)
        columns["total_ms"] = pa.array(self.total_ms, mask=~self.is_planned)
        return pa.table(columns)


def write_samples(path: Path, scenarios: Mapping[str, TickSamples]) -> None:
    """Write `samples.parquet`."""
    with replacing(path) as unfinished:
        pq.write_table(pa.concat_tables([samples.table(name) for name, samples in scenarios.items()]), unfinished)


def read_latencies(path: Path, scenario: str) -> np.ndarray:
    """(planned ticks,) latencies of one scenario of a `samples.parquet`; empty if it was not run.

    Raises:
        UsageError: the file is damaged.
    """
    try:
        table = pq.read_table(path, columns=["scenario", "latency_ms"])
        values = table["latency_ms"].filter(pa.compute.equal(table["scenario"], scenario))
        latencies_ms = values.drop_null().cast(pa.float64()).to_numpy()
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read ({error}). Run `fsd profile` again.") from error
    if not (latencies_ms > 0).all() or np.isinf(latencies_ms).any():
        raise UsageError(f"{path} is damaged: a latency is not a number above 0. Run `fsd profile` again.")
    return np.asarray(latencies_ms)


def _column_names() -> list[str]:
    stages, ages = [f"{stage}_ms" for stage in STAGES], [f"age_{name}_ms" for name in CAMERAS]
    return ["due_ns", "planned_ns", "done_ns", *stages, *ages]
