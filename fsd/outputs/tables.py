"""The tables a replay writes, one row per tick: `plan.parquet` and `ticks.parquet`.

docs/outputs.md describes every column for people; a test holds the two together.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fsd.compression.tick import CompressedTick
from fsd.data.frames import CAMERAS
from fsd.networks.contract import LIGHTS, WAYPOINTS
from fsd.outputs.journal import TableJournal
from fsd.runtime.divergence import UNITS, TickDivergence
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.version import __version__

TRAJECTORY_COLUMNS = ("x_m", "y_m", "yaw_rad", "v_mps")
STAGES = ("wait", "compress", "infer", "post", "write")
"""Disjoint parts of a tick in this order; `write` is of the tick before, since a row cannot time its own writing."""

_PLAN_FIELDS = {
    "curvature_per_m": pa.float32(),
    "curvature_scale_per_m": pa.float32(),
    "acceleration_mps2": pa.float32(),
    "acceleration_scale_mps2": pa.float32(),
    "lead_distance_m": pa.float32(),
    "lead_probability": pa.float32(),
    "light_probabilities": pa.list_(pa.float32(), len(LIGHTS)),
    "health": pa.string(),
}
"""Columns of `plan.parquet` that are fields of `Plan`."""


def plan_schema(trained: bool, hypotheses: int = 0) -> pa.Schema:
    """Columns of `plan.parquet`; the file's own metadata repeats whether the network was trained.

    Args:
        hypotheses: how many the network has; without any, the two columns about them are absent. They hold NaN where
            the plan has none.
    """
    waypoints = pa.list_(pa.float32(), WAYPOINTS)
    of_hypotheses = [
        ("hypothesis", pa.list_(pa.float32(), hypotheses)),
        ("hypothesis_speed_mps", pa.list_(pa.float32(), hypotheses * (WAYPOINTS + 1))),
    ]
    return pa.schema(
        [
            ("tick", pa.int32()),
            ("t_ns", pa.int64()),
            *[(name, waypoints) for name in TRAJECTORY_COLUMNS],
            *[(f"{name}_scale", waypoints) for name in TRAJECTORY_COLUMNS],
            *_PLAN_FIELDS.items(),
            *(of_hypotheses if hypotheses else ()),
            ("plan_hash", pa.string()),
        ],
        metadata=_file_metadata(trained),
    )


def ticks_schema(
    trained: bool,
    patch_count: int | None,
    has_cross_check: bool = False,
    has_plan_age: bool = False,
    has_fovea: bool = False,
) -> pa.Schema:
    """Columns of `ticks.parquet`; without a compressor (`patch_count` None) its columns are absent."""
    cameras = len(CAMERAS)
    compressor = [
        ("is_keyframe", pa.list_(pa.uint8(), cameras)),
        ("memory_slots", pa.int16()),
        ("commits", pa.int8()),
        ("patch_camera", pa.list_(pa.int16(), patch_count or 0)),
        ("patch_block", pa.list_(pa.int16(), patch_count or 0)),
        *([("patch_quarter", pa.list_(pa.int16(), patch_count or 0))] if has_fovea else ()),
    ]
    cross_check = [
        *[(f"cross_check_{name}", pa.float32()) for name in UNITS],
        ("cross_check_alarms", pa.list_(pa.string())),
        ("cross_check_ms", pa.float32()),
    ]
    return pa.schema(
        [
            ("tick", pa.int32()),
            ("t_ns", pa.int64()),
            ("run", pa.int16()),
            ("frame_index", pa.list_(pa.int64(), cameras)),
            ("age_ns", pa.list_(pa.int64(), cameras)),
            ("is_valid", pa.list_(pa.uint8(), cameras)),
            ("is_new", pa.list_(pa.uint8(), cameras)),
            *(compressor if patch_count is not None else ()),
            *[(f"{stage}_ms", pa.float32()) for stage in STAGES],
            ("driving_mode", pa.string()),
            ("input_hash", pa.string()),
            *([("plan_age_ticks", pa.int32())] if has_plan_age else ()),
            *(cross_check if has_cross_check else ()),
        ],
        metadata=_file_metadata(trained),
    )


class ResultTables:
    """Both tables of one run; `with` closes them whatever happened inside."""

    def __init__(self, folder: Path, metadata: PlannerMetadata) -> None:
        budget = metadata.budget
        patch_count = None if budget is None else budget.patch_slots
        has_fovea = budget is not None and budget.fovea is not None
        self._hypotheses = len(metadata.hypotheses_mps2)
        self._plan = TableJournal(folder / "plan.parquet", plan_schema(metadata.trained, self._hypotheses))
        has_cross_check = metadata.cross_check is not None
        self._has_plan_age = metadata.step_rate_hz is not None
        schema = ticks_schema(metadata.trained, patch_count, has_cross_check, self._has_plan_age, has_fovea)
        self._ticks = TableJournal(folder / "ticks.parquet", schema)

    def append(self, result: StepResult, wait_ms: float, write_ms: float, driving_mode: str | None = None) -> None:
        """Add the row of one tick to both tables."""
        self._plan.append(plan_row(result.plan, result.plan_hash, self._hypotheses))
        row = {**_tick_row(result, wait_ms, write_ms), "driving_mode": driving_mode}
        if self._has_plan_age:
            row["plan_age_ticks"] = result.plan_age_ticks
        self._ticks.append(row)

    def flush(self) -> None:
        """Write the rows that are still in memory."""
        try:
            self._plan.flush()
        finally:
            self._ticks.flush()

    def close(self) -> None:
        """Turn both journals into Parquet."""
        try:
            self._plan.close()
        finally:
            self._ticks.close()


def _file_metadata(trained: bool) -> dict[str, str]:
    return {"fsd_version": __version__, "network": "trained" if trained else "untrained"}


def plan_row(plan: Plan, plan_hash: bytes, hypotheses: int) -> dict[str, Any]:
    """A plan as a row of `plan_schema`."""
    row: dict[str, Any] = {"tick": plan.tick, "t_ns": plan.timestamp_ns}
    for column, name in enumerate(TRAJECTORY_COLUMNS):
        row[name] = plan.trajectory[:, column]
        row[f"{name}_scale"] = plan.trajectory_scale[:, column]
    if hypotheses:
        unknown = np.full((hypotheses, WAYPOINTS + 1), np.nan, np.float32)
        row["hypothesis"] = unknown[:, 0] if plan.hypothesis is None else plan.hypothesis
        row["hypothesis_speed_mps"] = unknown if plan.hypothesis_speed_mps is None else plan.hypothesis_speed_mps
    return {**row, **{name: getattr(plan, name) for name in _PLAN_FIELDS}, "plan_hash": plan_hash.hex()}


def _tick_row(result: StepResult, wait_ms: float, write_ms: float) -> dict[str, Any]:
    frame_set = result.frame_set
    return {
        "tick": frame_set.tick,
        "t_ns": frame_set.timestamp_ns,
        "run": frame_set.run,
        "frame_index": frame_set.frame_index,
        "age_ns": frame_set.age_ns,
        "is_valid": frame_set.is_valid.astype(np.uint8),
        "is_new": frame_set.is_new.astype(np.uint8),
        **({} if result.compressed is None else _compressor_columns(result.compressed)),
        "wait_ms": wait_ms,
        "compress_ms": result.compress_ms,
        "infer_ms": result.infer_ms,
        "post_ms": result.post_ms,
        "write_ms": write_ms,
        "input_hash": result.input_hash.hex(),
        **({} if result.divergence is None else _cross_check_columns(result.divergence)),
    }


def _compressor_columns(compressed: CompressedTick) -> dict[str, Any]:
    return {
        "is_keyframe": compressed.is_keyframe.astype(np.uint8),
        "memory_slots": int(compressed.memory_valid.sum()),
        "commits": int((compressed.commit_slots >= 0).sum()),
        "patch_camera": compressed.patch_camera.copy(),
        "patch_block": compressed.patch_block.copy(),
        **({} if compressed.patch_quarter is None else {"patch_quarter": compressed.patch_quarter.copy()}),
    }


def _cross_check_columns(divergence: TickDivergence) -> dict[str, Any]:
    return {
        **{f"cross_check_{name}": value for name, value in divergence.values.items()},
        "cross_check_alarms": [str(alarm) for alarm in divergence.alarms],
        "cross_check_ms": divergence.check_ms,
    }
