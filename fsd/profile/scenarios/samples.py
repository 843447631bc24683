"""The samples of one scenario: every tick's times, in arrays that exist before the first tick.

Writing a row costs two microseconds and allocates nothing, so that measuring changes neither the latency nor the memory
that is being measured. `samples.parquet` holds all scenarios of a profile, one row a tick.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsd.data.files import replacing
from fsd.data.frames import CAMERAS

STAGES = ("queue", "decode", "synchronise", "compress", "bind", "infer", "post", "write")
"""Disjoint parts of a tick, in order. `queue` is the time from when the tick was due until somebody looked at it."""

SUM_TOLERANCE = 0.01
"""The stages must add up to the separately measured total within this share of it."""

_DUE, _PLANNED, _DONE = 0, 1, 2
_STAGE0 = 3
_AGE0 = _STAGE0 + len(STAGES)
_COLUMNS = _AGE0 + len(CAMERAS)


@dataclass(frozen=True, slots=True)
class StageCheck:
    """Do the stages add up? `worst` is the largest gap of a tick as a share of its total."""

    mean_gap: float
    worst_gap: float

    @property
    def is_ok(self) -> bool:
        """The sums agree with the totals over the whole run, within the tolerance."""
        return self.mean_gap <= SUM_TOLERANCE


class TickSamples:
    """Room for `ticks` rows. A row that is never written is a skipped tick; its values are NaN."""

    def __init__(self, ticks: int) -> None:
        # Written once here, so that the pages are there before memory growth is measured.
        self._rows = np.full((ticks, _COLUMNS), np.nan)

    @property
    def ticks(self) -> int:
        """How many ticks were intended."""
        return len(self._rows)

    def add(
        self,
        tick: int,
        due_ns: int,
        planned_ns: int,
        done_ns: int,
        stages_ms: tuple[float, ...],
        age_ms: np.ndarray,
    ) -> None:
        """Write a row.

        Args:
            due_ns, planned_ns, done_ns: when the tick was due, had its plan, and was written; one steady clock.
            stages_ms: in the order of `STAGES`.
            age_ms: (8,) from each camera's frame time to the plan; NaN without a frame.
        """
        row = self._rows[tick]
        row[_DUE], row[_PLANNED], row[_DONE] = due_ns, planned_ns, done_ns
        row[_STAGE0:_AGE0] = stages_ms
        row[_AGE0:] = age_ms

    def cut_after_last_plan(self) -> None:
        """Forget the room after the last plan: the run ended early."""
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

    def check_stages(self) -> StageCheck:
        """Compare the sum of the stages with the total, which was measured by clock readings of its own."""
        planned = self._rows[self.is_planned]
        if not len(planned):
            return StageCheck(0.0, 0.0)
        total_ms = (planned[:, _DONE] - planned[:, _DUE]) / 1e6
        gap_ms = np.abs(total_ms - planned[:, _STAGE0:_AGE0].sum(axis=1))
        return StageCheck(float(gap_ms.sum() / total_ms.sum()), float((gap_ms / total_ms).max()))

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
            # A missing value is null in the file, not NaN: readers know what to do with null.
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
    """(planned ticks,) latencies of one scenario of a `samples.parquet`; empty if it was not run."""
    table = pq.read_table(path, columns=["scenario", "latency_ms"])
    values = table["latency_ms"].filter(pa.compute.equal(table["scenario"], scenario))
    return values.drop_null().to_numpy().astype(np.float64)


def _column_names() -> list[str]:
    return [
        "due_ns",
        "planned_ns",
        "done_ns",
        *[f"{stage}_ms" for stage in STAGES],
        *[f"age_{name}_ms" for name in CAMERAS],
    ]
