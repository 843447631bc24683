"""Read back what a replay wrote, finished or not."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from fsd.data.errors import UsageError
from fsd.data.result_record import SUMMARY_FILE
from fsd.outputs.journal import read_table
from fsd.outputs.replay_summary import ReplaySummary
from fsd.outputs.summary_file import load_summary
from fsd.outputs.tables import STAGES, TRAJECTORY_COLUMNS, plan_schema, ticks_schema

_PLAN_COLUMNS = ("tick", "t_ns", "plan_hash", *TRAJECTORY_COLUMNS, "curvature_per_m", "acceleration_mps2")
_TICKS_COLUMNS = ("frame_index", "input_hash", *(f"{stage}_ms" for stage in STAGES))
"""Columns that every reader of a run needs."""


@dataclass(frozen=True)
class Run:
    """One replay.

    Attributes:
        folder: where it was written; summary: of the run.
        plan, ticks: the two tables, row for row the same ticks.
    """

    folder: Path
    summary: ReplaySummary
    plan: pa.Table
    ticks: pa.Table

    @property
    def tick(self) -> np.ndarray:
        """(T,) int64 tick numbers."""
        return np.asarray(self.plan["tick"], np.int64)

    @property
    def timestamp_ns(self) -> np.ndarray:
        """(T,) int64 tick times."""
        return np.asarray(self.plan["t_ns"])

    @property
    def trajectory(self) -> np.ndarray:
        """(T, 16, 4) float64 x m, y m, yaw rad, v m/s."""
        return np.stack([list_column(self.plan, name) for name in TRAJECTORY_COLUMNS], axis=-1).astype(np.float64)

    @property
    def plan_ms(self) -> np.ndarray:
        """(T,) compressor + network + plan of each tick."""
        return np.asarray(np.sum([self.ticks[f"{stage}_ms"].to_numpy() for stage in STAGES[1:4]], axis=0))


def load_run(folder: Path) -> Run:
    """Read the output folder of a replay, also of one that was stopped or killed.

    Raises:
        UsageError: it is no such folder, or its files are damaged or of another version.
    """
    summary = load_summary(folder / SUMMARY_FILE, ReplaySummary)
    try:
        plan, ticks = read_table(folder / "plan.parquet"), read_table(folder / "ticks.parquet")
        for table in (plan, ticks):
            table.validate(full=True)
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else "its tables"
        raise UsageError(
            f"{folder} holds no replay: {missing} is missing. Name a folder that `fsd replay --out` has written."
        ) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UsageError(f"{folder} cannot be read ({error}). Replay again into it.") from error
    _check_columns(folder / "plan.parquet", plan, plan_schema(trained=True), _PLAN_COLUMNS)
    _check_columns(folder / "ticks.parquet", ticks, ticks_schema(trained=True, patch_count=None), _TICKS_COLUMNS)
    # A killed run may have got one table a batch further than the other.
    rows = min(plan.num_rows, ticks.num_rows)
    run = Run(folder, summary, plan.slice(0, rows), ticks.slice(0, rows))
    if (np.diff(run.timestamp_ns) <= 0).any() or (np.diff(run.tick) <= 0).any():
        raise UsageError(f"{folder}/plan.parquet is damaged: its ticks do not rise. Replay again into it.")
    numbers = [
        run.trajectory,
        run.plan_ms,
        *(plan[name].to_numpy() for name in ("curvature_per_m", "acceleration_mps2")),
    ]
    if not all(np.isfinite(each).all() for each in numbers):
        raise UsageError(f"{folder} is damaged: a plan or a time in it is not finite. Replay again into it.")
    return run


def _check_columns(path: Path, table: pa.Table, schema: pa.Schema, names: Collection[str]) -> None:
    """Refuse a table in which a column is missing, has another type, or has empty values."""
    for name in names:
        if name not in table.column_names:
            raise UsageError(f"{path} has no column {name}. Replay again into its folder.")
        column = table[name]
        empty = column.null_count
        if pa.types.is_fixed_size_list(column.type) and not empty:
            empty = sum(chunk.flatten().null_count for chunk in column.chunks)
        if column.type != schema.field(name).type or empty:
            raise UsageError(
                f"{path} is damaged: column {name} is {column.type} with {empty} empty values, "
                f"{schema.field(name).type} was expected. Replay again into its folder."
            )


def list_column(table: pa.Table, name: str) -> np.ndarray:
    """(T, n) array of a column of fixed-size lists."""
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # a table without rows has no chunk
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    size = column.type.list_size
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(-1, size)
