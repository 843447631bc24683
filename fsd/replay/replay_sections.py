"""The sections of a replay's report: each a function from figures to HTML, or to "" where there is nothing to say."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fsd.html.charts import Mark, Series, line_chart
from fsd.html.page import data_uri, section, text
from fsd.replay.path_picture import drive_picture, fan_picture
from fsd.replay.run_metrics import RunFigures
from fsd.replay.worst_ticks import Moment


def banner(summary: dict[str, Any]) -> str:
    """What a reader must know before any number."""
    warnings = []
    if str(summary["network"]).startswith("untrained"):
        warnings.append(
            "<b>Untrained network.</b> Its weights are random: plans and plan errors on this page mean nothing. "
            "Timing, compression, input handling and hashes are real."
        )
    if summary["status"] != "complete":
        words = f"<b>Run {text(summary['status'])}.</b> The page shows what was computed until then."
        if summary.get("error"):
            words += f" {text(summary['error'])}"
        warnings.append(words)
    if not summary["plan_is_finite"]:
        warnings.append("<b>Not finite.</b> Some plans hold numbers that are not finite.")
    return "".join(f"<p class=banner role=alert>{warning}</p>" for warning in warnings)


def tiles(summary: dict[str, Any]) -> str:
    """The headline figures."""
    plan_ms, deadline, compression = summary["stages_ms"]["plan"], summary["deadline"], summary["compression"]
    joules = summary["joules_per_tick"]
    found = [_plan_error_tile(summary)]
    missed = deadline["ticks_over"]
    found.append(
        headline(
            "deadline misses",
            f"{missed}<small> of {deadline['ticks']}</small>",
            f"plan latency over {deadline['tick_ms']:.2f} ms, flat out",
            "good" if missed == 0 else "bad",
        )
    )
    found.append(
        headline(
            "plan latency",
            f"{plan_ms['p50']:.1f}<small> ms median</small>",
            f"p99 {plan_ms['p99']:.1f} · max {plan_ms['max']:.1f} · n = {plan_ms['samples']}",
        )
    )
    if compression is not None:
        ratios = [(name, compression[key]) for name, key in (("px", "r_px"), ("tok", "r_tok"), ("mem", "r_mem_60s"))]
        shown = "".join(f"<span><small>R<sub>{name}</sub></small>{_ratio(value)}</span>" for name, value in ratios)
        reference = f"of {text(compression['reference'])}"
        found.append(headline("compression", f"<span class=three>{shown}</span>", reference))
    value = "–" if joules["value"] is None else f"{joules['value']:.2f}<small> J</small>"
    found.append(headline("joules a tick", value, f"{joules['tag']}: {joules['source']}"))
    found.append(
        headline(
            "speed",
            f"{summary['times_real_time']:.2f}<small>x real time</small>",
            f"{summary['cores_used']:.1f} cores, everything written",
        )
    )
    return f"<div class=tiles>{''.join(found)}</div>"


def _plan_error_tile(summary: dict[str, Any]) -> str:
    scores, charged = summary.get("scores") or {}, summary.get("latency_charged_scores") or {}
    for horizon in ("3s", "2s", "1s"):
        key = f"ade_{horizon}_m"
        if key in scores.get("network", {}):
            others = f"constant velocity {scores['constant_velocity'][key]:.2f}"
            cost_m = charged.get("network", {}).get(f"latency_cost_{horizon}_m")
            if cost_m is not None:
                others = f"{others} · latency adds {cost_m:.3f}"
            return headline(f"plan error, ADE@{horizon}", f"{scores['network'][key]:.2f}<small> m</small>", others)
    return headline("plan error", "–", "no driven path recorded long enough to compare with")


def headline(name: str, value: str, note: str, tone: str = "") -> str:
    """One figure on a card; `value` is HTML already, `tone` is `good`, `bad` or nothing."""
    return f"<div class='tile {tone}'><p>{text(name)}</p><strong>{value}</strong><p class=note>{text(note)}</p></div>"


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def drive(figures: RunFigures, moments: Sequence[Moment]) -> str:
    """The path from above."""
    ticks = {moment.tick: number for number, moment in enumerate(moments, 1)}
    if figures.poses is None:
        picture, grid_m = fan_picture(figures.trajectory)
        keys = _keys(("plan", "planned paths of many ticks, in the ego frame"))
        return section("Plans", keys, picture, f"<p class=caption>No driven path was recorded. Grid {grid_m:g} m.</p>")
    marks = [(tick, str(number), f"#moment-{number}") for tick, number in ticks.items() if tick < len(figures.time_s)]
    picture, grid_m = drive_picture(figures.poses, figures.trajectory, marks)
    keys = _keys(("driven", "driven"), ("plan", "planned, 4 s ahead"))
    return section("Path", keys, picture, f"<p class=caption>Grid {grid_m:g} m. Numbers are the worst moments.</p>")


def _keys(*names: tuple[str, str]) -> str:
    keys = "".join(f"<span><i class='key line-key {colour}'></i>{text(words)}</span>" for colour, words in names)
    return f"<div class=legend>{keys}</div>"


def error_over_time(figures: RunFigures, moments: Sequence[Moment]) -> str:
    """Plan error, or the plan's own uncertainty where nothing is known to compare with."""
    errors = figures.errors
    if errors is None:
        chart = line_chart(
            figures.time_s,
            [Series("the plan's own uncertainty", "network", figures.uncertainty_m)],
            "m",
            marks=_marks(figures.time_s, figures.uncertainty_m, moments),
        )
        return section("Uncertainty over time", chart, intro="Mean Laplace scale of the planned positions until 3 s.")
    chart = line_chart(
        figures.time_s,
        [
            Series("network", "network", errors.network_m),
            Series("constant velocity", "velocity", errors.constant_velocity_m, is_dashed=True),
        ],
        "m",
        marks=_marks(figures.time_s, errors.network_m, moments),
    )
    intro = (
        f"Mean distance to the driven path over the next {errors.horizon_s:g} s, for every tick that has them recorded."
    )
    return section("Error over time", chart, intro=intro)


def _marks(time_s: np.ndarray, values: np.ndarray, moments: Sequence[Moment]) -> list[Mark]:
    marks = []
    for number, moment in enumerate(moments, 1):
        row = min(int(np.searchsorted(time_s, moment.time_s - 1e-3)), len(time_s) - 1)
        if np.isfinite(values[row]):
            marks.append(Mark(float(time_s[row]), float(values[row]), str(number), f"#moment-{number}"))
    return marks


def worst_moments(moments: Sequence[Moment], measure: str) -> str:
    """Thumbnails that open to the whole picture, without any script."""
    if not moments:
        return ""
    cards = []
    for number, moment in enumerate(moments, 1):
        words = f"{moment.time_s:.2f} s · {measure} {moment.error:.2f} m"
        before, after = (number - 2) % len(moments) + 1, number % len(moments) + 1
        picture = f"<img src='{data_uri(moment.picture, 'jpeg')}' alt='all cameras at tick {moment.tick}'>"
        cards.append(
            f"<div class=cell><figure class=moment id='moment-{number}'>"
            f"<a class=close href='#moments' aria-label=close></a><a class=open href='#moment-{number}'>{picture}</a>"
            f"<figcaption><a class=turn href='#moment-{before}'>previous</a><span><b>{number}</b>{text(words)}</span>"
            f"<a class=turn href='#moment-{after}'>next</a></figcaption></figure></div>"
        )
    heading = "Worst moments" if measure == "error" else "Least certain moments"
    return section(
        heading,
        f"<div class=moments id=moments>{''.join(cards)}</div>",
        intro="The worst tick of a stretch of the drive each. Select one to enlarge it.",
    )
