"""The page of `fsd compare`: two runs beside each other, and their differences over the drive."""

from pathlib import Path
from typing import Any

import numpy as np

from fsd.compare.compare import Comparison
from fsd.compare.config import UNITS
from fsd.html.charts import Series, line_chart
from fsd.html.page import page, section, table, text, write_page
from fsd.replay.replay_sections import headline

NAMES = {
    "path_m": "path",
    "heading_rad": "heading",
    "speed_mps": "speed",
    "curvature_per_m": "curvature",
    "acceleration_mps2": "acceleration",
}


def write_comparison_page(path: Path, comparison: Comparison, result: dict[str, Any]) -> None:
    """Write the page; `result` is what `fsd.compare.compare.compare` returns."""
    a, b = result["runs"]["a"], result["runs"]["b"]
    body = [
        f"<header><p class=eyebrow>fsd compare</p><h1>{text(_label(a))} / {text(_label(b))}</h1>"
        f"<p class=facts><span>{text(a['clip'])}</span><span>{result['common_ticks']} ticks in common</span></p>",
        "</header>",
        _verdict(result),
        _tiles(result),
        _curves(comparison, result),
        _differences(result),
        _runs(a, b),
    ]
    write_page(path, page(f"{_label(a)} / {_label(b)} · fsd compare", "\n".join(body)))


def _label(run: dict[str, Any]) -> str:
    return Path(run["folder"]).name or str(run["folder"])


def _verdict(result: dict[str, Any]) -> str:
    words = []
    if result["within_tolerance"] is False:
        words.append(
            f"<b>Over tolerance</b> at {result['ticks_over_tolerance']} of {result['common_ticks']} ticks"
            + (f", first at tick {result['first_tick_over_tolerance']}." if result["ticks_over_tolerance"] else ".")
        )
    only = result["ticks_only_in_a"] + result["ticks_only_in_b"]
    if only:
        words.append(f"{only} ticks are in one run only.")
    if not result["same_frames"]:
        words.append("The runs were not shown the same pictures.")
    untrained = [run for run in result["runs"].values() if str(run["network"]).startswith("untrained")]
    words += [f"<b>{text(_label(run))} is untrained</b>: its plans mean nothing." for run in untrained]
    if words:
        return f"<p class=banner role=alert>{' '.join(words)}</p>"
    return ""


def _tiles(result: dict[str, Any]) -> str:
    a, b = result["runs"]["a"], result["runs"]["b"]
    path = result["differences"]["path_m"]
    diverges = result["first_different_plan_tick"]
    tone = {True: "good", False: "bad", None: ""}[result["within_tolerance"]]
    tiles = [
        headline("largest path difference", f"{path['max']:.3g}<small> m</small>", f"at tick {path['max_tick']}", tone),
        headline("usual path difference", f"{path['median']:.3g}<small> m median</small>", f"p99 {path['p99']:.3g} m"),
        headline(
            "first divergence",
            "none" if diverges is None else f"<small>tick </small>{diverges}",
            "the same bytes at every tick" if diverges is None else "first tick whose plans are not the same bytes",
        ),
        _both("plan latency, median", a, b, lambda run: run["plan_ms"]["p50"], "ms"),
    ]
    for horizon in ("3s", "2s", "1s"):
        key = f"ade_{horizon}_m"
        if all(key in (run["scores"] or {}) for run in (a, b)):
            tiles.append(_both(f"plan error, ADE@{horizon}", a, b, lambda run, key=key: run["scores"][key], "m"))
            break
    return f"<div class=tiles>{''.join(tiles)}</div>"


def _both(name: str, a: dict[str, Any], b: dict[str, Any], value: Any, unit: str) -> str:
    figures = "".join(f"<span><small>{label}</small>{value(run):.2f}</span>" for label, run in (("A", a), ("B", b)))
    return headline(name, f"<span class=three>{figures}<small>{unit}</small></span>", "over each run's own ticks")


def _curves(comparison: Comparison, result: dict[str, Any]) -> str:
    times_ns = comparison.a.timestamp_ns[comparison.rows_a]
    time_s = (times_ns - times_ns[0]) * 1e-9
    parts, same = [], []
    for name, values in comparison.differences.items():
        limit = result["tolerance"].get(name)
        if limit is None and not np.any(values):
            same.append(NAMES[name])
            continue
        bound = None if limit is None else (float(limit), f"tolerance {limit:g}")
        series = [Series(NAMES[name], "network", np.asarray(values))]
        parts.append(line_chart(time_s, series, UNITS[name], limit=bound, keep_peaks=True))
    if same:
        parts.append(f"<p class=caption>The same at every tick: {', '.join(same)}.</p>")
    return section("Differences over time", *parts, intro="Absolute differences of the two plans of each tick.")


def _differences(result: dict[str, Any]) -> str:
    rows = []
    for name, spread in result["differences"].items():
        limit = result["tolerance"].get(name)
        figures = [f"{spread[key]:.4g}" for key in ("median", "p99", "max")]
        rows.append(
            [
                f"{NAMES[name]}, {UNITS[name]}",
                *figures,
                str(spread["max_tick"]),
                f"{limit:g}" if limit is not None else "–",
            ]
        )
    return section("Differences", table(["", "median", "p99", "max", "at tick", "tolerance"], rows))


def _runs(a: dict[str, Any], b: dict[str, Any]) -> str:
    def row(name: str, value: Any) -> list[str]:
        return [name, text(value(a)), text(value(b))]

    rows = [
        row("folder", lambda run: run["folder"]),
        row("clip", lambda run: run["clip"]),
        row("model", lambda run: f"{run['model'].get('name')} {run['model'].get('precision')}"),
        row("weights", lambda run: str(run["model"].get("weights_sha256", ""))[:16] or "–"),
        row("budget", lambda run: run["budget"] or "no compressor"),
        row("status", lambda run: run["status"]),
        row("ticks", lambda run: run["ticks"]),
        row("plan latency p99, ms", lambda run: f"{run['plan_ms']['p99']:.2f}"),
        row("fsd", lambda run: run["fsd_version"]),
    ]
    return section("What was compared", table(["", "A", "B"], rows))
