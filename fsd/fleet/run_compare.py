"""Compare two whole runs: paired by recording, with bootstrap intervals over the recordings.

Plans are compared as `fsd compare` compares two replays, where both results of a recording are on this machine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from fsd.compare.compare import check_page, matched
from fsd.compare.config import RUN_UNITS, SCORE_UNITS, UNITS, CompareConfig
from fsd.data.errors import UsageError, few
from fsd.data.files import writing_to
from fsd.fleet.run_compare_page import write_run_comparison_page
from fsd.fleet.table_schemas import RUN_COLUMN
from fsd.fleet.tables import TABLES_FOLDER, read_table, results_in, runs_in
from fsd.outputs.compare_summary import ComparedWhole, LargestDifference, MeanChange, RunCompareSummary
from fsd.outputs.run_folder import load_run
from fsd.scoring.bootstrap import bootstrap

_COLUMNS = (
    *("key", "clip", "clip_digest", "folder", "model", "precision", "budget", "fsd_version"),
    *("ticks", "drive_s", "plan_p50_ms", "plan_p99_ms", "deadline_misses"),
    *(f"network_{name}" for name in SCORE_UNITS),
)
_BATCH_FILES = ("batch.json", "runs")
"""In a folder of results that has no tables yet."""


@dataclass(frozen=True)
class WholeRun:
    """A run in the tables of the folder `out`; `clips` has one row per recording."""

    out: Path
    name: str
    clips: pa.Table

    def rows(self) -> dict[str, int]:
        """Digest of a recording -> its row."""
        return {digest: row for row, digest in enumerate(self.clips["clip_digest"].to_pylist())}

    def value(self, name: str) -> np.ndarray:
        """(C,) value of every clip by a name of `RUN_UNITS`; NaN where it has none."""
        if name == "deadline_miss_share":
            with np.errstate(invalid="ignore", divide="ignore"):
                return self._column("deadline_misses") / self._column("ticks")
        return self._column(f"network_{name}" if name in SCORE_UNITS else name)

    def _column(self, name: str) -> np.ndarray:
        return np.asarray(self.clips[name].cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def is_whole_run(path: Path) -> bool:
    """Whether a folder is that of a run over many recordings, or of one run in the tables of such a folder."""
    if path.name.startswith(f"{RUN_COLUMN}="):
        return path.is_dir()
    return any((path / name).exists() for name in (TABLES_FOLDER, *_BATCH_FILES))


def load_whole_run(path: Path) -> WholeRun:
    """The run in a folder of results, or the one at `OUT/tables/clips/run=NAME`.

    Raises:
        UsageError: there is none, or there are several.
    """
    if path.name.startswith(f"{RUN_COLUMN}="):
        path = path.absolute()
        out, name = path.parents[2], unquote(path.name.partition("=")[2])
    else:
        out, names = path, runs_in(results_in(path))
        if not names:
            raise UsageError(f"{path} has no tables. Make them with `fsd collect {path}`.")
        if len(names) > 1:
            example = path / TABLES_FOLDER / "clips" / f"{RUN_COLUMN}={names[0]}"
            raise UsageError(f"{path} has several runs: {few(names)}. Name one of them as {example}.")
        name = names[0]
    clips = read_table(results_in(out), "clips", name, list(_COLUMNS))
    if not clips.num_rows:
        raise UsageError(f"{path} holds no recording. Make the tables again with `fsd collect {out}`.")
    return WholeRun(out, name, clips)


def compare_whole_runs(config: CompareConfig) -> RunCompareSummary:
    """Compare two whole runs.

    Raises:
        UsageError: a folder holds no tables, or the runs have no recording in common.
        OutputError: the page cannot be written, or would replace a file that is no such page.
    """
    check_page(config.page)
    a, b = load_whole_run(config.run_a), load_whole_run(config.run_b)
    rows_a, rows_b = a.rows(), b.rows()
    common = sorted(rows_a.keys() & rows_b.keys())
    if not common:
        raise UsageError(
            f"{config.run_a} and {config.run_b} have no recording in common ({len(rows_a)} and {len(rows_b)} "
            "recordings). Replay the same recordings, from the same place, in both runs."
        )
    pairs = [(rows_a[digest], rows_b[digest]) for digest in common]
    clips = [a.clips["clip"][row].as_py() for row, _ in pairs]
    per_clip = {name: _paired(a, b, name, pairs) for name in RUN_UNITS}
    changes = {name: change for name, values in per_clip.items() if (change := _change(values, clips)) is not None}
    differences = _plan_differences(a, b, pairs)
    only_a, only_b = (
        tuple(sorted(run.clips["clip"][rows[digest]].as_py() for digest in rows.keys() - set(common)))
        for run, rows in ((a, rows_a), (b, rows_b))
    )
    over = _over(config.tolerance, changes, differences)
    result = RunCompareSummary(
        a=_about(a),
        b=_about(b),
        common_clips=len(common),
        clips_only_in_a=only_a,
        clips_only_in_b=only_b,
        changes=changes,
        differences=differences,
        tolerance=dict(config.tolerance),
        over=over,
        within_tolerance=not (over or only_a or only_b) if config.tolerance else None,
    )
    if config.page is not None:
        with writing_to(config.page.parent):
            write_run_comparison_page(config.page, result, clips, per_clip)
    return result


def _paired(a: WholeRun, b: WholeRun, name: str, pairs: list[tuple[int, int]]) -> np.ndarray:
    """(C, 2) values of the common clips in A and B."""
    rows_a, rows_b = np.array(pairs).T
    return np.stack([a.value(name)[rows_a], b.value(name)[rows_b]], axis=1)


def _change(values: np.ndarray, clips: list[str]) -> MeanChange | None:
    known = np.isfinite(values).all(axis=1)
    if not known.any():
        return None
    rise = values[known, 1] - values[known, 0]
    interval, worst = bootstrap(rise.tolist()), int(np.argmax(rise))
    is_one = interval.count == 1
    verdict = "better" if interval.high < 0 else "worse" if interval.low > 0 else "within noise"
    mean_a, mean_b = map(float, values[known].mean(axis=0))
    return MeanChange(
        clips=interval.count,
        mean_a=mean_a,
        mean_b=mean_b,
        change=interval.mean,
        low_95=None if is_one else interval.low,
        high_95=None if is_one else interval.high,
        worst_clip=clips[int(np.flatnonzero(known)[worst])],
        worst_change=float(rise[worst]),
        verdict="one clip" if is_one else verdict,
    )


def _plan_differences(a: WholeRun, b: WholeRun, pairs: list[tuple[int, int]]) -> dict[str, LargestDifference]:
    """Largest differences of plans, over the pairs whose own results are both on this machine; one pair in memory."""
    largest: list[list[float]] = []
    at: list[tuple[str, list[int]]] = []
    for clip, comparison in _comparisons(a, b, pairs):
        worst = [int(np.argmax(values)) for values in comparison.values()]
        largest.append([float(values[row]) for values, row in zip(comparison.values(), worst, strict=True)])
        at.append((clip, worst))
    if not largest:
        return {}
    found = {}
    for column, (name, values) in enumerate(zip(UNITS, np.array(largest).T, strict=True)):
        worst_clip, ticks = at[int(np.argmax(values))]
        found[name] = LargestDifference(
            median=float(np.median(values)),
            p99=float(np.percentile(values, 99)),
            max=float(values.max()),
            max_clip=worst_clip,
            max_tick=ticks[column],
        )
    return found


def _comparisons(
    a: WholeRun, b: WholeRun, pairs: list[tuple[int, int]]
) -> Iterator[tuple[str, Mapping[str, np.ndarray]]]:
    for row_a, row_b in pairs:
        folders = [run.out / run.clips["folder"][row].as_py() for run, row in ((a, row_a), (b, row_b))]
        if all((folder / "plan.parquet").exists() for folder in folders):
            comparison = matched(load_run(folders[0]), load_run(folders[1]))
            yield a.clips["clip"][row_a].as_py(), comparison.differences


def _over(
    tolerance: Mapping[str, float], changes: Mapping[str, MeanChange], differences: Mapping[str, LargestDifference]
) -> tuple[str, ...]:
    """Names over their limit; one that nothing is known of is over every limit. One clip counts as it is."""
    highest = {name: change.change if change.high_95 is None else change.high_95 for name, change in changes.items()}
    highest |= {name: difference.max for name, difference in differences.items()}
    return tuple(name for name, limit in tolerance.items() if not highest.get(name, float("inf")) <= limit)


def _about(run: WholeRun) -> ComparedWhole:
    clips = run.clips.select(["model", "precision", "budget", "fsd_version", "drive_s"]).to_pylist()
    return ComparedWhole(
        folder=str(run.out),
        run=run.name,
        clips=len(clips),
        hours=sum(clip["drive_s"] for clip in clips) / 3600,
        models=tuple(sorted({f"{clip['model']} {clip['precision']}".strip() for clip in clips})),
        budgets=tuple(sorted({clip["budget"] or "no compressor" for clip in clips})),
        fsd_versions=tuple(sorted({clip["fsd_version"] for clip in clips})),
    )
