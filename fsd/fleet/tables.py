"""The results of whole runs as one Parquet data set, partitioned by run: one file per recording and table.

    OUT/tables/clips/run=RUN/KEY.parquet       one row per recording, and likewise in
    OUT/tables/ticks/…  OUT/tables/plans/…  OUT/tables/worst_ticks/…

A file is replaced in one step and is named by its recording, so that no row is ever half there or there twice: whoever
adds a recording again writes the same files. Memory holds the tables of a few recordings.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsd.compare.config import SCORE_UNITS
from fsd.data.errors import UsageError
from fsd.data.frames import TICK_MS
from fsd.extras import install_line
from fsd.fleet.places import Place
from fsd.fleet.table_schemas import PLANNERS, RUN_COLUMN, TABLES, table_schema
from fsd.fleet.units import Unit
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.outputs.replay_summary import ReplaySummary
from fsd.outputs.run_folder import Run, list_column, load_run
from fsd.outputs.tables import STAGES
from fsd.replay.config import ERRORS_FILE, WORST_TICKS_FILE
from fsd.scoring.plan_errors import HORIZONS_S
from fsd.scoring.tick_errors import ERROR_UNITS

TABLES_FOLDER = "tables"
_SUFFIX = ".parquet"
_ROW_GROUP_TICKS = 1 << 15
_JOINED_AT_ONCE = 256
_READERS, _READ_AT_ONCE = 8, 64
"""Threads that read files, since object stores answer late, and files whose rows may wait in memory."""


def results_in(path: str | Path) -> Place:
    """A folder of results as a place: the only way from a path or URL to the tables.

    Raises:
        UsageError: fsspec or the package of the URL's protocol is not installed.
    """
    try:
        return Place.of(path)
    except ImportError as error:
        raise UsageError(f"Results of whole runs need the package fsspec:\n  {install_line('ray')}") from error


def table_folder(out: Place, table: str, run: str) -> Place:
    """The folder with the files of one table of a run."""
    return out / TABLES_FOLDER / table / f"{RUN_COLUMN}={quote(run, safe='')}"


def add_unit(out: Place, unit: Unit, folder: Path, folder_in_out: str) -> None:
    """Add a recording to all tables, or replace its rows.

    Args:
        out: folder of all results; unit: the recording.
        folder: the complete results of its replay, on this machine; folder_in_out: the same, relative to `out`.

    Raises:
        UsageError: the folder holds no replay.
    """
    run = load_run(folder)
    made = {
        "plans": _plans(unit, run),
        "ticks": _ticks(unit, run),
        "worst_ticks": _worst_ticks(unit, folder),
        "clips": _clip(unit, run.summary, folder_in_out),
    }
    for name in TABLES:  # the row in `clips` is the last: a recording that has it is whole
        _write(table_folder(out, name, unit.run) / f"{unit.key}{_SUFFIX}", made[name])


def remove_unit(out: Place, run: str, key: str) -> None:
    """Remove a recording from all tables; its row in `clips` is the first to go."""
    for name in reversed(TABLES):
        (table_folder(out, name, run) / f"{key}{_SUFFIX}").remove()


def runs_in(out: Place) -> list[str]:
    """The runs that have tables."""
    begin = f"{RUN_COLUMN}="
    names = (out / TABLES_FOLDER / "clips").names()
    return [unquote(name.removeprefix(begin)) for name in names if name.startswith(begin)]


def keys_in(out: Place, table: str, run: str) -> set[str]:
    """The recordings that a table of a run has."""
    names = table_folder(out, table, run).names()
    return {name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)}


def read_rows(out: Place, table: str, run: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The rows of a table, one recording at a time, by key; several files are read at the same time.

    Raises:
        UsageError: a file is damaged.
    """
    keys = sorted(keys_in(out, table, run))
    with ThreadPoolExecutor(_READERS) as readers:
        for first in range(0, len(keys), _READ_AT_ONCE):
            some = keys[first : first + _READ_AT_ONCE]
            for rows in readers.map(lambda key: list(read_unit_rows(out, table, run, key, columns)), some):
                yield from rows


def read_table(out: Place, table: str, run: str, columns: list[str]) -> pa.Table:
    """The rows of all recordings; empty without any. Not for tables with a row per tick."""
    whole: list[pa.Table] = []
    parts: list[pa.Table] = []
    for rows in read_rows(out, table, run, columns):
        parts.append(rows)
        if len(parts) == _JOINED_AT_ONCE:  # a table of one row takes much more memory than its row
            whole.append(pa.concat_tables(parts).combine_chunks())
            parts.clear()
    joined = [*whole, *parts]
    return pa.concat_tables(joined).combine_chunks() if joined else table_schema(table).empty_table().select(columns)


def read_unit_rows(out: Place, table: str, run: str, key: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The rows of one recording; nothing where it was removed meanwhile.

    Raises:
        UsageError: the file is damaged.
    """
    path = table_folder(out, table, run) / f"{key}{_SUFFIX}"
    try:
        with path.fs.open(path.path, "rb") as file:
            yield pq.ParquetFile(file).read(columns)
    except FileNotFoundError:
        return
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read ({error}). Remove it, and run `fsd collect` again.") from error


def _write(path: Place, table: pa.Table) -> None:
    buffer = pa.BufferOutputStream()
    # Without the Arrow schema, which repeats what the Parquet schema says: a third of a file of one row.
    with pq.ParquetWriter(buffer, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table, _ROW_GROUP_TICKS)
        writer.add_key_value_metadata(table.schema.metadata)
    path.write(buffer.getvalue().to_pybytes())


def _clip(unit: Unit, summary: ReplaySummary, folder_in_out: str) -> pa.Table:
    plan_ms, joules = summary.stages_ms.get("plan"), summary.joules_per_tick
    row: dict[str, Any] = {
        **{name: getattr(unit, name) for name in ("key", "clip", "clip_digest", "model_digest", "options_digest")},
        **{name: getattr(unit, name) for name in ("wall_s", "cpu_s", "attempts")},
        "folder": folder_in_out,
        **{name: getattr(summary, name) for name in ("fsd_version", "started_unix_s", "ticks", "drive_s")},
        **{name: getattr(summary.clip, name) for name in ("format", "cameras", "rig")},
        "model": summary.model.name,
        "precision": summary.model.precision,
        "trained": not summary.network.startswith("untrained"),
        "budget": summary.compression and summary.compression.budget,
        "plan_p50_ms": plan_ms and plan_ms.p50,
        "plan_p99_ms": plan_ms and plan_ms.p99,
        "deadline_misses": summary.deadline.ticks_over,
        "faults": [_fault(flag, ticks) for flag, ticks in sorted(summary.health.items()) if flag != "ok"],
        "disengagements": summary.driving_modes and summary.driving_modes.disengagements,
        "alarm_ticks": summary.cross_check and summary.cross_check.alarm_ticks,
        "joules_per_tick": joules.value if joules.tag == "measured" else None,
        "input_hash": summary.input_hash,
        "plan_hash": summary.plan_hash,
    }
    for planner in PLANNERS if summary.scores else ():
        scores = getattr(summary.scores, planner)
        row |= {f"{planner}_{name}": scores.get(name) for name in SCORE_UNITS}
    return pa.Table.from_pylist([row], table_schema("clips"))


def _fault(flag: str, ticks: int) -> dict[str, Any]:
    kind, _, cameras = flag.partition("=")
    return {"kind": kind, "cameras": cameras, "ticks": ticks}


def _ticks(unit: Unit, run: Run) -> pa.Table:
    plan, ticks = run.plan, run.ticks
    steps = round(HORIZONS_S[-1] / WAYPOINT_STEP_S)
    age_ms, is_valid = list_column(ticks, "age_ns") / 1e6, list_column(ticks, "is_valid") > 0
    scale = np.stack([list_column(plan, name)[:, :steps] for name in ("x_m_scale", "y_m_scale")])
    plan_ms = run.plan_ms
    columns: dict[str, Any] = {
        **_tick_columns(unit, run),
        "time_s": (run.timestamp_ns - run.timestamp_ns[:1]) * 1e-9,
        "cameras": is_valid.sum(axis=1),
        "max_age_ms": pa.array(np.where(is_valid, age_ms, -1).max(axis=1, initial=-1), mask=~is_valid.any(axis=1)),
        **{f"{stage}_ms": ticks[f"{stage}_ms"] for stage in STAGES},
        "plan_ms": plan_ms,
        "deadline_missed": plan_ms > TICK_MS,
        "uncertainty_m": scale.mean(axis=(0, 2)),
        "health": plan["health"],
        "input_hash": ticks["input_hash"],
    }
    named = {"run": "stretch", **{name: name for name in ("driving_mode", "memory_slots", "cross_check_waypoints_m")}}
    columns |= {new: ticks[old] for old, new in named.items() if old in ticks.column_names}
    if "is_keyframe" in ticks.column_names:
        columns["keyframes"] = (list_column(ticks, "is_keyframe") > 0).sum(axis=1)
    if (path := run.folder / ERRORS_FILE).exists():
        errors = pq.read_table(path)
        if errors["t_ns"].equals(plan["t_ns"]):
            columns |= {name: errors[name] for name in ERROR_UNITS}
    return _table("ticks", columns, len(run.tick))


def _plans(unit: Unit, run: Run) -> pa.Table:
    mine = table_schema("plans").names
    columns = _tick_columns(unit, run) | {name: run.plan[name] for name in run.plan.column_names if name in mine}
    return _table("plans", columns, len(run.tick))


def _tick_columns(unit: Unit, run: Run) -> dict[str, Any]:
    return {"key": pa.repeat(unit.key, len(run.tick)), "tick": run.tick, "t_ns": run.timestamp_ns}


def _worst_ticks(unit: Unit, folder: Path) -> pa.Table:
    path = folder / WORST_TICKS_FILE
    if not path.exists():
        return table_schema("worst_ticks").empty_table()
    worst = pq.read_table(path)
    columns = {name: worst[name] for name in worst.column_names}
    return _table("worst_ticks", {"key": pa.repeat(unit.key, worst.num_rows), **columns}, worst.num_rows)


def _table(name: str, columns: dict[str, Any], rows: int) -> pa.Table:
    """A table with all columns of its schema; those that are not given are null."""
    schema = table_schema(name)
    arrays = []
    for field in schema:
        values = columns.get(field.name)
        if values is None:
            arrays.append(pa.nulls(rows, field.type))
        else:
            given = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
            arrays.append(given.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)
