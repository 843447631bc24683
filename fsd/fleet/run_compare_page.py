"""The page of `fsd compare` of two whole runs: changes of means with their intervals, and the clips behind them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from fsd.compare.config import RUN_UNITS, UNITS
from fsd.compare.page import PAGE_COMMAND
from fsd.data.counted import counted
from fsd.data.errors import few
from fsd.html.axes import Axis
from fsd.html.charts import Chart
from fsd.html.page import Banner, Page, Tone, write_page
from fsd.html.parts import caption, prose, section, stat_tile, table, toned
from fsd.outputs.compare_summary import ComparedWhole, MeanChange, RunCompareSummary

_TONES: dict[str, Tone] = {"better": "good", "worse": "bad", "within noise": "", "one clip": ""}
_SHOWN_CLIPS = 20


def write_run_comparison_page(
    path: Path, result: RunCompareSummary, clips: Sequence[str], per_clip: Mapping[str, np.ndarray]
) -> None:
    """Write the page.

    Args:
        result: what `compare_whole_runs` returns; clips: (C) names of the common clips.
        per_clip: name of `RUN_UNITS` -> (C, 2) values in A and B, NaN where unknown.
    """
    page = Page(
        command=PAGE_COMMAND,
        heading=f"{_label(result.a)} / {_label(result.b)}",
        facts=[
            f"{counted(result.common_clips, 'recording')} in common",
            f"{result.a.hours:.3g} h and {result.b.hours:.3g} h",
        ],
        banners=_banners(result),
        tiles=_tiles(result),
        sections=[_changes(result), _clips(result, clips, per_clip), _plans(result), _runs(result.a, result.b)],
        footer=["Metrics are defined in docs/metrics.md, whole runs in docs/fleet.md."],
    )
    write_page(path, page)


def _label(run: ComparedWhole) -> str:
    return f"{Path(run.folder).absolute().name} {run.run}"


def _banners(result: RunCompareSummary) -> list[Banner]:
    found = []
    if result.over:
        found.append(Banner("Over tolerance.", f"{', '.join(result.over)}."))
    for label, only in (("A", result.clips_only_in_a), ("B", result.clips_only_in_b)):
        if only:
            found.append(Banner(f"{counted(len(only), 'recording')} complete in {label} only.", f"{few(only)}."))
    return found


def _interval(change: MeanChange) -> str:
    """The interval of a change, or that one clip has none."""
    if change.low_95 is None or change.high_95 is None:
        return "one clip: no interval"
    return f"95% [{change.low_95:+.3g}, {change.high_95:+.3g}]"


def _tiles(result: RunCompareSummary) -> list[Markup]:
    tiles = []
    for name in ("ade_3s_m", "ade_1s_m", "plan_p50_ms", "plan_p99_ms"):
        if (change := result.changes.get(name)) is not None:
            note = f"A {change.mean_a:.3g}, B {change.mean_b:.3g}; {_interval(change)}"
            value = f"{change.change:+.3g}"
            tiles.append(stat_tile(f"change of {name}", value, RUN_UNITS[name], note, _TONES[change.verdict]))
    return tiles


def _changes(result: RunCompareSummary) -> Markup:
    rows = []
    for name, change in result.changes.items():
        numbers = [f"{value:.4g}" for value in (change.mean_a, change.mean_b)]
        ends = (change.low_95, change.high_95)
        signed = [f"{change.change:+.3g}", *("" if end is None else f"{end:+.3g}" for end in ends)]
        limit = result.tolerance.get(name)
        bound = "–" if limit is None else f"{limit:g}"
        verdict = toned(change.verdict, _TONES[change.verdict])
        rows.append([f"{name}, {RUN_UNITS[name]}", change.clips, *numbers, *signed, verdict, bound])
    head = ["mean over clips", "clips", "A", "B", "B - A", "95% from", "to", "", "tolerance"]
    intro = (
        "Less is better. Intervals resample the recordings, each of which counts the same. They do not hold the drift "
        "of a machine's own speed: times of two runs on a shared machine differ by more."
    )
    return section("Changes", table(head, rows), intro=intro)


def _clips(result: RunCompareSummary, clips: Sequence[str], per_clip: Mapping[str, np.ndarray]) -> Markup:
    """Scatter of A against B, and the clips that changed most."""
    name = next((each for each in ("ade_3s_m", "ade_1s_m", "plan_p50_ms") if each in result.changes), None)
    if name is None:
        return Markup()
    values = per_clip[name]
    known = np.isfinite(values).all(axis=1)
    top = float(values[known].max()) * 1.02 or 1.0
    unit = RUN_UNITS[name]
    chart = Chart(Axis.from_zero(f"A, {unit}", top), Axis.from_zero(f"B, {unit}", top), f"{name} of every clip", 260)
    chart.points(values[known, 0], values[known, 1], "blue", 2.5)
    order = sorted(map(int, np.flatnonzero(known)), key=lambda row: -abs(values[row, 1] - values[row, 0]))[
        :_SHOWN_CLIPS
    ]
    rows = [
        [prose(clips[row]), f"{values[row, 0]:.3g}", f"{values[row, 1]:.3g}", f"{values[row, 1] - values[row, 0]:+.3g}"]
        for row in order
    ]
    changed = table([f"most changed, {name} in {unit}", "A", "B", "B - A"], rows)
    return section("Recordings", chart.html(), caption(f"{name} of every recording, A to the right, B up."), changed)


def _plans(result: RunCompareSummary) -> Markup:
    if not result.differences:
        return Markup()
    rows = []
    for name, found in result.differences.items():
        limit = result.tolerance.get(name)
        values = [f"{value:.4g}" for value in (found.median, found.p99, found.max)]
        bound = "–" if limit is None else f"{limit:g}"
        rows.append([f"{name}, {UNITS[name]}", *values, prose(found.max_clip), found.max_tick, bound])
    head = ["largest of every recording", "median", "p99", "max", "of", "at tick", "tolerance"]
    return section("Differences of plans", table(head, rows), intro="Absolute, over the ticks that both runs have.")


def _runs(a: ComparedWhole, b: ComparedWhole) -> Markup:
    columns = [
        {
            "folder": run.folder,
            "run": run.run,
            "recordings": run.clips,
            "hours": f"{run.hours:.4g}",
            "model": ", ".join(run.models),
            "budget": ", ".join(run.budgets),
            "fsd": ", ".join(run.fsd_versions),
        }
        for run in (a, b)
    ]
    rows = [[name, *(prose(str(run[name])) for run in columns)] for name in columns[0]]
    return section("What was compared", table(["", "A", "B"], rows))
