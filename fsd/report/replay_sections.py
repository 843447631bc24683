"""The sections of a replay's report: each a function from figures to HTML, or to "" where there is nothing to say."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from fsd.compression.budget import GRID_COLUMNS, GRID_ROWS
from fsd.data.frames import CAMERAS
from fsd.data.rig import Rig
from fsd.health_words import health_words
from fsd.report.charts import Mark, Series, bars, heat_picture, in_buckets, line_chart, stacked_bar, strips
from fsd.report.moments import Moment
from fsd.report.page import data_uri, section, table, text
from fsd.report.path_picture import drive_picture, fan_picture
from fsd.report.rig_picture import rig_picture
from fsd.report.run_figures import RunFigures

GAZE_RGB, KEYFRAME_RGB, FAULT_RGB = (255, 176, 32), (56, 132, 255), (226, 72, 72)
WORDS = {name: name.replace("_", " ") for name in CAMERAS}


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
    joules = summary["joules_a_tick"]
    found = [_plan_error_tile(summary)]
    missed = deadline["ticks_over"]
    found.append(
        headline(
            "deadline misses",
            f"{missed}<small> of {deadline['of']}</small>",
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
    ratios = [(name, compression.get(key)) for name, key in (("px", "r_px"), ("tok", "r_tok"), ("mem", "r_mem_60s"))]
    figures = "".join(
        f"<span><small>R<sub>{name}</sub></small>{_ratio(value)}</span>" for name, value in ratios if value
    )
    found.append(headline("compression", f"<span class=three>{figures}</span>", f"of {text(compression['reference'])}"))
    value = "–" if joules["value"] is None else f"{joules['value']:.2f}<small> J</small>"
    found.append(
        headline("joules a tick", value, f"{joules['tag']}: {joules['why']}" if joules.get("why") else joules["tag"])
    )
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


def compressor(summary: dict[str, Any], figures: RunFigures, thumbnails: Mapping[str, bytes]) -> str:
    """Gaze, keyframes and memory."""
    seen = [index for index in range(len(CAMERAS)) if figures.is_valid[:, index].any()]
    if not seen:
        return ""
    duration_s = float(figures.time_s[-1])
    heat_of = np.sqrt(figures.gaze)  # so that a block read once a sweep can be told from one never read
    top = float(np.percentile(heat_of[seen], 99.5)) or 1.0
    reads = figures.patches.sum(axis=0)
    cells = []
    for index in seen:
        name = CAMERAS[index]
        picture = f"<img class=under src='{data_uri(thumbnails[name], 'jpeg')}' alt=''>" if name in thumbnails else ""
        unread = figures.blocks_never_read[index]
        heat = heat_picture(heat_of[index], GAZE_RGB, top)
        cells.append(
            f"<figure class=heat><div>{picture}<img class=over src='{heat}' alt='gaze of {WORDS[name]}'></div>"
            f"<figcaption><b>{WORDS[name]}</b> {reads[index] / max(1, reads.sum()):.0%} of gaze"
            f"{f' · {unread} blocks never read' if unread else ''}</figcaption></figure>"
        )
    per_second = figures.is_keyframe.sum(axis=0) / max(duration_s, 1 / 36)
    gaze_rows = [(WORDS[CAMERAS[index]], in_buckets(figures.patches[:, index])) for index in seen]
    most = max(float(values.max()) for _, values in gaze_rows) or 1.0
    keyframe_rows = [(WORDS[CAMERAS[index]], in_buckets(figures.is_keyframe[:, index])) for index in seen]
    age = [
        (
            WORDS[CAMERAS[index]],
            float(np.nanmedian(figures.age_ms[:, index])),
            float(np.nanmax(figures.age_ms[:, index])),
        )
        for index in seen
    ]
    compression = summary["compression"]
    intro = (
        f"{compression['pixels_a_tick']:,} pixels a tick whatever happens: a base image of every camera and "
        f"{figures.patches.sum(axis=1).max()} gaze patches of 32x32. Heat: how often each of the "
        f"{GRID_COLUMNS}x{GRID_ROWS} blocks was read at full resolution."
    )
    return section(
        "What the compressor looked at",
        f"<div class=heats>{''.join(cells)}</div>",
        "<div class=columns>",
        "<div><h3>Gaze over time</h3>",
        strips([(name, values / most) for name, values in gaze_rows], GAZE_RGB, duration_s, "patches a tick"),
        "</div><div><h3>Keyframes over time</h3>",
        strips(keyframe_rows, KEYFRAME_RGB, duration_s, "share of ticks"),
        "</div><div><h3>Keyframes a second</h3>",
        bars([(WORDS[CAMERAS[i]], float(per_second[i]), f"{per_second[i]:.1f}") for i in seen], "keyframe"),
        "</div><div><h3>Age of the shown frame</h3>",
        bars([(name, median, f"{median:.0f} ms, max {worst:.0f}") for name, median, worst in age], "age"),
        "</div></div>",
        f"<p class=caption>Memory: {int(figures.memory_slots[-1])} of 112 slots filled at the end.</p>",
        intro=intro,
    )


def timing(summary: dict[str, Any], figures: RunFigures) -> str:
    """Latency of every tick against the deadline, and the stages."""
    deadline, stages = summary["deadline"], summary["stages_ms"]
    limit = (float(deadline["tick_ms"]), f"{deadline['tick_ms']:.2f} ms")
    chart = line_chart(
        figures.time_s,
        [Series("plan latency", "network", _clipped(figures.plan_ms))],
        "ms",
        limit=limit,
        keep_peaks=True,
    )
    colours = {"wait": "wait", "compress": "gaze", "infer": "network", "post": "post", "write": "write"}
    stack = stacked_bar([(name, stages[name]["p50"], colour) for name, colour in colours.items()], "ms")
    rows = [
        [
            text(name),
            *(f"{stages[name][key]:.2f}" for key in ("p50", "p90", "p99", "max")),
            str(stages[name]["samples"]),
        ]
        for name in (*colours, "plan")
    ]
    words = (
        "plan = compress + infer + post. A replay runs flat out and decodes ahead, so this is not the latency under a "
        "36 Hz clock: that is what <code>fsd profile</code> measures."
    )
    peak = float(figures.plan_ms.max())
    note = (
        f"<p class=caption>The chart is cut at {_cut_at(figures.plan_ms):.0f} ms; the slowest tick took {peak:.0f} ms "
        f"(tick {int(np.argmax(figures.plan_ms))}).</p>"
        if peak > _cut_at(figures.plan_ms)
        else ""
    )
    return section(
        "Timing",
        chart,
        note,
        "<h3>Median of each stage</h3>",
        stack,
        table(["stage, ms", "p50", "p90", "p99", "max", "ticks"], rows),
        intro=words,
    )


def _cut_at(values: np.ndarray) -> float:
    """Where a latency chart ends: the first tick compiles and loads, and would flatten all others."""
    return max(float(np.percentile(values, 99)) * 1.5, 40.0)


def _clipped(values: np.ndarray) -> np.ndarray:
    return np.minimum(values, _cut_at(values))


def faults(summary: dict[str, Any], figures: RunFigures) -> str:
    """What the recording lacked, and how long plans had to do without."""
    report = summary["cameras"] or {}
    items = [f"<li>{text(fault)}</li>" for fault in report.get("faults", [])]
    ticks = summary["ticks"]
    rows = [
        [text(health_words(cause)), str(count), f"{count / ticks:.1%}"]
        for cause, count in sorted(summary["health"].items(), key=lambda pair: -pair[1])
        if cause != "ok"
    ]
    if not items and not rows:
        return section("Faults seen", "<p>None: every camera was there, fresh and readable at every tick.</p>")
    parts = []
    if items:
        parts.append(f"<ul class=faults>{''.join(items)}</ul>")
    if rows:
        parts.append(table(["plans made with", "ticks", "share"], rows))
        lost = [
            (WORDS[name], in_buckets(~figures.is_valid[:, index]))
            for index, name in enumerate(CAMERAS)
            if not figures.is_valid[:, index].all()
        ]
        if lost:
            parts.append("<h3>Cameras not usable</h3>")
            parts.append(strips(lost, FAULT_RGB, float(figures.time_s[-1])))
    return section("Faults seen", *parts)


def what_was_run(summary: dict[str, Any], rig: Rig, present: Collection[str]) -> str:
    """Clip, rig and model."""
    clip, model, compression = summary["clip"], summary["model"], summary["compression"]
    rows = [
        ("clip", f"{clip['name']} ({clip['format']})"),
        ("cameras", ", ".join(WORDS[name] for name in clip["cameras"])),
        ("masked", ", ".join(WORDS[name] for name in clip["missing_cameras"]) or "none"),
        ("rig", clip["rig"]),
        ("ego motion", "recorded" if clip["has_ego"] else "not recorded"),
        ("model", f"{model['name']}, {model['precision']}"),
        ("weights", f"{str(model['weights_sha256'])[:16] or 'not named'}, {summary['network']}"),
        ("budget", f"{compression['budget']}: {compression['bytes_a_tick'] / 1000:,.0f} kB a tick"),
    ]
    facts = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in rows)
    notes = "".join(f"<li>{text(note)}</li>" for note in clip["notes"])
    return section(
        "What was run",
        "<div class=columns>",
        f"<dl>{facts}</dl>",
        f"<div>{rig_picture(rig, present)}</div>",
        "</div>",
        f"<ul class=notes>{notes}</ul>" if notes else "",
    )
