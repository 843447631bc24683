"""The page of `fsd compare`: two runs side by side, and their differences over the drive."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from fsd.compare.config import UNITS
from fsd.html.charts import Series, line_chart
from fsd.html.page import Banner, Page, Tone, write_page
from fsd.html.parts import caption, section, stat_tile, table

NAMES = {
    "path_m": "path",
    "heading_rad": "heading",
    "speed_mps": "speed",
    "curvature_per_m": "curvature",
    "acceleration_mps2": "acceleration",
}
Run = dict[str, Any]


def write_comparison_page(
    path: Path, timestamp_ns: np.ndarray, differences: Mapping[str, np.ndarray], result: dict[str, Any]
) -> None:
    """Write the page.

    Args:
        timestamp_ns: (M,) of the common ticks; differences: name of `UNITS` -> (M,) absolute difference.
        result: what `compare_replays` returns.
    """
    a, b = result["runs"]["a"], result["runs"]["b"]
    page = Page(
        command="fsd compare",
        heading=f"{_label(a)} / {_label(b)}",
        facts=[a["clip"], f"{result['common_ticks']} ticks in common"],
        banners=_banners(result),
        tiles=_tiles(result),
        sections=[_curves(timestamp_ns, differences, result), _differences(result), _runs(a, b)],
        footer=[f"fsd {a['fsd_version']} and {b['fsd_version']}", "Metrics are defined in docs/metrics.md."],
    )
    write_page(path, page)


def _label(run: Run) -> str:
    return Path(run["folder"]).name or str(run["folder"])


def _banners(result: dict[str, Any]) -> list[Banner]:
    found = []
    if result["within_tolerance"] is False:
        text = f"At {result['ticks_over_tolerance']} of {result['common_ticks']} ticks"
        if result["ticks_over_tolerance"]:
            text += f", first at tick {result['first_tick_over_tolerance']}"
        found.append(Banner("Over tolerance.", f"{text}."))
    only = result["ticks_only_in_a"] + result["ticks_only_in_b"]
    if only:
        found.append(Banner("Different ticks.", f"{only} ticks are in one run only."))
    if not result["same_frames"]:
        found.append(Banner("Different images.", "The two runs did not read the same images."))
    untrained = (run for run in result["runs"].values() if str(run["network"]).startswith("untrained"))
    return [*found, *(Banner(f"{_label(run)} is untrained.", "Its plans mean nothing.") for run in untrained)]


def _tiles(result: dict[str, Any]) -> list[Markup]:
    a, b = result["runs"]["a"], result["runs"]["b"]
    path, first = result["differences"]["path_m"], result["first_different_plan_tick"]
    tones: dict[bool | None, Tone] = {True: "good", False: "bad", None: ""}
    largest = f"at tick {path['max_tick']}"
    tiles = [
        stat_tile("largest path difference", f"{path['max']:.3g}", "m", largest, tones[result["within_tolerance"]]),
        stat_tile("typical path difference", f"{path['median']:.3g}", "m median", f"p99 {path['p99']:.3g} m"),
        stat_tile("first difference", "none", note="equal bytes at every tick")
        if first is None
        else stat_tile("first difference", f"tick {first}", note="the first tick whose plans differ in any byte"),
        _both("plan latency, median", a, b, lambda run: run["plan_ms"]["p50"], "ms"),
    ]
    for horizon in ("3s", "2s", "1s"):
        key = f"ade_{horizon}_m"
        if all(key in (run["scores"] or {}) for run in (a, b)):
            tiles.append(_both(f"plan error, ADE@{horizon}", a, b, lambda run, key=key: run["scores"][key], "m"))  # type: ignore[misc]
            break
    return tiles


def _both(name: str, a: Run, b: Run, value: Callable[[Run], float], unit: str) -> Markup:
    return stat_tile(name, [("A", f"{value(a):.2f}"), ("B", f"{value(b):.2f}")], unit, "over each run's own ticks")


def _curves(timestamp_ns: np.ndarray, differences: Mapping[str, np.ndarray], result: dict[str, Any]) -> Markup:
    time_s = (timestamp_ns - timestamp_ns[0]) * 1e-9
    parts, same = [], []
    for name, values in differences.items():
        limit = result["tolerance"].get(name)
        if limit is None and not np.any(values):
            same.append(NAMES[name])
            continue
        bound = None if limit is None else (float(limit), f"tolerance {limit:g}")
        line = Series(NAMES[name], "blue", np.asarray(values))
        parts.append(line_chart(time_s, [line], UNITS[name], limit=bound, keep_peaks=True))
    if same:
        parts.append(caption(f"Equal at every tick: {', '.join(same)}."))
    return section("Differences over time", *parts, intro="Absolute differences of the two plans of each tick.")


def _differences(result: dict[str, Any]) -> Markup:
    rows = []
    for name, spread in result["differences"].items():
        limit = result["tolerance"].get(name)
        values = [f"{spread[key]:.4g}" for key in ("median", "p99", "max")]
        bound = "–" if limit is None else f"{limit:g}"
        rows.append([f"{NAMES[name]}, {UNITS[name]}", *values, spread["max_tick"], bound])
    return section("Differences", table(["", "median", "p99", "max", "at tick", "tolerance"], rows))


def _runs(a: Run, b: Run) -> Markup:
    rows: dict[str, Callable[[Run], object]] = {
        "folder": lambda run: run["folder"],
        "clip": lambda run: run["clip"],
        "model": lambda run: f"{run['model'].get('name')} {run['model'].get('precision')}",
        "weights": lambda run: str(run["model"].get("weights_sha256", ""))[:16] or "–",
        "budget": lambda run: run["budget"] or "no compressor",
        "status": lambda run: run["status"],
        "ticks": lambda run: run["ticks"],
        "plan latency p99, ms": lambda run: f"{run['plan_ms']['p99']:.2f}",
        "fsd": lambda run: run["fsd_version"],
    }
    table_rows = [[name, value(a), value(b)] for name, value in rows.items()]
    return section("What was compared", table(["", "A", "B"], table_rows))
