"""The page of `fsd compare`: two runs side by side, and their differences over the drive."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from markupsafe import Markup

from fsd.compare.config import UNITS
from fsd.html.charts import Series, line_chart
from fsd.html.page import Banner, Page, Tone, write_page
from fsd.html.parts import caption, section, stat_tile, table
from fsd.outputs.compare_summary import ComparedRun, CompareSummary
from fsd.runtime.planner import SIMULATION_TRAINED

PAGE_COMMAND = "fsd compare"


def write_comparison_page(
    path: Path, timestamp_ns: np.ndarray, differences: Mapping[str, np.ndarray], result: CompareSummary
) -> None:
    """Write the page.

    Args:
        timestamp_ns: (M,) of the common ticks; differences: name of `UNITS` -> (M,) absolute difference.
        result: what `compare_replays` returns.
    """
    a, b = result.runs.a, result.runs.b
    page = Page(
        command=PAGE_COMMAND,
        heading=f"{_label(a)} / {_label(b)}",
        facts=[a.clip, f"{result.common_ticks} ticks in common"],
        banners=_banners(result),
        tiles=_tiles(result),
        sections=[_curves(timestamp_ns, differences, result), _differences(result), _runs(a, b)],
        footer=[f"fsd {a.fsd_version} and {b.fsd_version}", "Metrics are defined in docs/metrics.md."],
    )
    write_page(path, page)


def _label(run: ComparedRun) -> str:
    return Path(run.folder).name or run.folder


def _banners(result: CompareSummary) -> list[Banner]:
    found = []
    if result.within_tolerance is False:
        text = f"At {result.ticks_over_tolerance} of {result.common_ticks} ticks"
        if result.ticks_over_tolerance:
            text += f", first at tick {result.first_tick_over_tolerance}"
        found.append(Banner("Over tolerance.", f"{text}."))
    only = result.ticks_only_in_a + result.ticks_only_in_b
    if only:
        found.append(Banner("Different ticks.", f"{only} ticks are in one run only."))
    if not result.same_frames:
        found.append(Banner("Different images.", "The two runs did not read the same images."))
    runs = (result.runs.a, result.runs.b)
    untrained = (run for run in runs if run.network.startswith("untrained"))
    simulated = (run for run in runs if run.network == SIMULATION_TRAINED)
    return [
        *found,
        *(Banner(f"{_label(run)} is untrained.", "Its plans mean nothing.") for run in untrained),
        *(Banner(f"{_label(run)}: {SIMULATION_TRAINED}.", "The recording is real video.") for run in simulated),
    ]


def _tiles(result: CompareSummary) -> list[Markup]:
    a, b = result.runs.a, result.runs.b
    path, first = result.differences["path_m"], result.first_different_plan_tick
    tones: dict[bool | None, Tone] = {True: "good", False: "bad", None: ""}
    largest = f"at tick {path.max_tick}"
    tiles = [
        stat_tile("largest path difference", f"{path.max:.3g}", "m", largest, tones[result.within_tolerance]),
        stat_tile("typical path difference", f"{path.median:.3g}", "m median", f"p99 {path.p99:.3g} m"),
        stat_tile("first difference", "none", note="equal bytes at every tick")
        if first is None
        else stat_tile("first difference", f"tick {first}", note="the first tick whose plans differ in any byte"),
        _both("plan latency, median", a.plan_ms.p50, b.plan_ms.p50, "ms"),
    ]
    for horizon in ("3s", "2s", "1s"):
        key = f"ade_{horizon}_m"
        if a.scores and b.scores and key in a.scores and key in b.scores:
            tiles.append(_both(f"plan error, ADE@{horizon}", a.scores[key], b.scores[key], "m"))
            break
    return tiles


def _both(name: str, a: float, b: float, unit: str) -> Markup:
    return stat_tile(name, [("A", f"{a:.2f}"), ("B", f"{b:.2f}")], unit, "over each run's own ticks")


def _curves(timestamp_ns: np.ndarray, differences: Mapping[str, np.ndarray], result: CompareSummary) -> Markup:
    time_s = (timestamp_ns - timestamp_ns[0]) * 1e-9
    parts, same = [], []
    for name, values in differences.items():
        limit = result.tolerance.get(name)
        if limit is None and not np.any(values):
            same.append(_title(name))
            continue
        bound = None if limit is None else (float(limit), f"tolerance {limit:g}")
        line = Series(_title(name), "blue", np.asarray(values))
        parts.append(line_chart(time_s, [line], UNITS[name], limit=bound, keep_peaks=True))
    if same:
        parts.append(caption(f"Equal at every tick: {', '.join(same)}."))
    return section("Differences over time", *parts, intro="Absolute differences of the two plans of each tick.")


def _differences(result: CompareSummary) -> Markup:
    rows = []
    for name, spread in result.differences.items():
        limit = result.tolerance.get(name)
        values = [f"{value:.4g}" for value in (spread.median, spread.p99, spread.max)]
        bound = "–" if limit is None else f"{limit:g}"
        rows.append([f"{_title(name)}, {UNITS[name]}", *values, spread.max_tick, bound])
    return section("Differences", table(["", "median", "p99", "max", "at tick", "tolerance"], rows))


def _title(name: str) -> str:
    """`path` of `path_m`: the name of a difference without its unit."""
    return name.partition("_")[0]


def _runs(a: ComparedRun, b: ComparedRun) -> Markup:
    columns = [
        {
            "folder": run.folder,
            "clip": run.clip,
            "model": f"{run.model.name} {run.model.precision}",
            "weights": run.model.weights_sha256[:16] or "–",
            "budget": run.budget or "no compressor",
            "status": run.status,
            "ticks": run.ticks,
            "plan latency p99, ms": f"{run.plan_ms.p99:.2f}",
            "fsd": run.fsd_version,
        }
        for run in (a, b)
    ]
    return section(
        "What was compared", table(["", "A", "B"], [[name, *(run[name] for run in columns)] for name in columns[0]])
    )
