"""Compare two replays of one clip: how far their plans differ, in driving units, and from which tick on.

For two models, two budgets, FP32 and INT8, or two versions of this program. Reads result folders only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from fsd.compare.config import UNITS, CompareConfig
from fsd.compare.page import PAGE_COMMAND, write_comparison_page
from fsd.data.errors import OutputError, UsageError
from fsd.data.files import writing_to
from fsd.html.page import is_page_of
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.outputs.compare_summary import ComparedRun, ComparedRuns, CompareSummary, Spread
from fsd.outputs.run_folder import Run, load_run
from fsd.outputs.run_info import time_percentiles
from fsd.scoring.baseline_plans import wrapped

HORIZON_S = 3.0


@dataclass(frozen=True)
class Comparison:
    """Two runs, matched by time.

    Attributes:
        a, b: the runs; rows_a, rows_b: (M,) rows of the ticks that both have.
        differences: name of `UNITS` -> (M,) absolute difference at each of these ticks.
    """

    a: Run
    b: Run
    rows_a: np.ndarray
    rows_b: np.ndarray
    differences: dict[str, np.ndarray]

    def first(self, is_different: np.ndarray) -> int | None:
        """Tick number in run A of the first True of (M,) common ticks; None if there is none."""
        return int(self.a.tick[self.rows_a[int(np.argmax(is_different))]]) if is_different.any() else None


def matched(a: Run, b: Run) -> Comparison:
    """Match the ticks of two runs by time and take the differences of their plans."""
    _, rows_a, rows_b = np.intersect1d(a.timestamp_ns, b.timestamp_ns, return_indices=True)
    if len(rows_a) == 0:
        raise UsageError(
            f"{a.folder} and {b.folder} have no tick in common ({len(a.tick)} and {len(b.tick)} ticks of other times). "
            "Compare two replays of the same clip."
        )
    steps = round(HORIZON_S / WAYPOINT_STEP_S)
    one, other = a.trajectory[rows_a, :steps], b.trajectory[rows_b, :steps]
    differences = {
        "path_m": np.linalg.norm(one[..., :2] - other[..., :2], axis=-1).max(axis=1),
        "heading_rad": np.abs(wrapped(one[..., 2] - other[..., 2])).max(axis=1),
        "speed_mps": np.abs(one[..., 3] - other[..., 3]).max(axis=1),
    }
    for name in ("curvature_per_m", "acceleration_mps2"):
        differences[name] = np.abs(_column(a, name)[rows_a] - _column(b, name)[rows_b])
    return Comparison(a, b, rows_a, rows_b, differences)


def _column(run: Run, name: str) -> np.ndarray:
    return run.plan[name].to_numpy().astype(np.float64)


def compare_replays(config: CompareConfig) -> CompareSummary:
    """Compare two replays.

    Raises:
        UsageError: a folder holds no replay that this version reads, or the two have no tick in common.
        OutputError: the page cannot be written, or would replace a file that is no such page.
    """
    check_page(config.page)
    for name in config.tolerance.keys() - UNITS.keys():
        raise UsageError(f"{name} is a mean over the clips of a whole run. For two replays, use {', '.join(UNITS)}.")
    comparison = matched(load_run(config.run_a), load_run(config.run_b))
    result = _result(comparison, config.tolerance)
    if config.page is not None:
        timestamp_ns = comparison.a.timestamp_ns[comparison.rows_a]
        with writing_to(config.page.parent):
            write_comparison_page(config.page, timestamp_ns, comparison.differences, result)
    return result


def check_page(page: Path | None) -> None:
    """Raise OutputError where the page would replace a file that is no such page."""
    if page is not None and page.exists() and not is_page_of(PAGE_COMMAND, page):
        raise OutputError(
            f"{page} was not written by `{PAGE_COMMAND}`, and is not replaced. Name another file with --page."
        )


def _result(comparison: Comparison, tolerance: Mapping[str, float]) -> CompareSummary:
    a, b, rows_a, rows_b = comparison.a, comparison.b, comparison.rows_a, comparison.rows_b
    only_a, only_b = len(a.tick) - len(rows_a), len(b.tick) - len(rows_b)
    over = np.zeros(len(rows_a), bool)
    for name, limit in tolerance.items():
        over |= ~(comparison.differences[name] <= limit)  # NaN is over every limit
    return CompareSummary(
        runs=ComparedRuns(a=_about(a), b=_about(b)),
        common_ticks=len(rows_a),
        ticks_only_in_a=only_a,
        ticks_only_in_b=only_b,
        same_frames=bool(_same(a.ticks, b.ticks, "frame_index", rows_a, rows_b).all()),
        first_different_input_tick=comparison.first(~_same(a.ticks, b.ticks, "input_hash", rows_a, rows_b)),
        first_different_plan_tick=comparison.first(~_same(a.plan, b.plan, "plan_hash", rows_a, rows_b)),
        differences={name: _spread(comparison, values) for name, values in comparison.differences.items()},
        tolerance=dict(tolerance),
        ticks_over_tolerance=int(over.sum()) if tolerance else None,
        first_tick_over_tolerance=comparison.first(over),
        within_tolerance=not (over.any() or only_a or only_b) if tolerance else None,
    )


def _same(one: pa.Table, other: pa.Table, name: str, rows_a: np.ndarray, rows_b: np.ndarray) -> np.ndarray:
    left, right = one[name].to_pylist(), other[name].to_pylist()
    return np.array([left[i] == right[j] for i, j in zip(rows_a, rows_b, strict=True)])


def _spread(comparison: Comparison, values: np.ndarray) -> Spread:
    worst = int(np.argmax(np.nan_to_num(values, nan=np.inf)))
    return Spread(
        median=float(np.median(values)),
        p99=float(np.percentile(values, 99)),
        max=float(values[worst]),
        max_tick=int(comparison.a.tick[comparison.rows_a[worst]]),
    )


def _about(run: Run) -> ComparedRun:
    summary = run.summary
    return ComparedRun(
        folder=str(run.folder),
        fsd_version=summary.fsd_version,
        status=summary.status,
        clip=summary.clip.name,
        model=summary.model,
        network=summary.network,
        budget=summary.compression.budget if summary.compression else None,
        ticks=len(run.tick),
        plan_ms=time_percentiles(run.plan_ms),
        scores=summary.scores.network if summary.scores else None,
        health=summary.health,
    )
