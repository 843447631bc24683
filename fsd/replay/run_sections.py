"""Sections on how the run went: what the compressor looked at, timing, faults, what was run. Figures in, HTML out."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from fsd.compression.tick import MEMORY_SLOTS
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, TICK_S
from fsd.data.rig import Rig
from fsd.html.charts import Series, bars, heat_picture, in_buckets, line_chart, most_of, stacked_bar, strips
from fsd.html.page import data_uri, section, table, text
from fsd.replay.rig_picture import rig_picture
from fsd.replay.run_metrics import RunFigures
from fsd.runtime.health import describe_health, describe_odometry

GAZE_RGB, KEYFRAME_RGB, FAULT_RGB = (255, 176, 32), (56, 132, 255), (226, 72, 72)
WORDS = {name: name.replace("_", " ") for name in CAMERAS}


def compressor(summary: dict[str, Any], figures: RunFigures, thumbnails: Mapping[str, bytes]) -> str:
    """Gaze, keyframes and memory; empty for a planner without compressor."""
    seen = [index for index in range(len(CAMERAS)) if figures.is_valid[:, index].any()]
    found = figures.compressor
    if not seen or found is None:
        return ""
    duration_s = float(figures.time_s[-1])
    heat_of = np.sqrt(found.gaze)  # so that a block read once a sweep can be told from one never read
    top = float(np.percentile(heat_of[seen], 99.5)) or 1.0
    reads = found.patches.sum(axis=0)
    cells = []
    for index in seen:
        name = CAMERAS[index]
        picture = f"<img class=under src='{data_uri(thumbnails[name], 'jpeg')}' alt=''>" if name in thumbnails else ""
        unread = found.blocks_never_read[index]
        heat = heat_picture(heat_of[index], GAZE_RGB, top)
        cells.append(
            f"<figure class=heat><div>{picture}<img class=over src='{heat}' alt='gaze of {WORDS[name]}'></div>"
            f"<figcaption><b>{WORDS[name]}</b> {reads[index] / max(1, reads.sum()):.0%} of gaze"
            f"{f' · {unread} blocks never read' if unread else ''}</figcaption></figure>"
        )
    per_second = found.is_keyframe.sum(axis=0) / max(duration_s, TICK_S)
    gaze_rows = [(WORDS[CAMERAS[index]], in_buckets(found.patches[:, index])) for index in seen]
    keyframe_rows = [(WORDS[CAMERAS[index]], in_buckets(found.is_keyframe[:, index])) for index in seen]
    most_gaze, most_keyframes = most_of(gaze_rows), most_of(keyframe_rows)
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
        f"{compression['pixels_per_tick']:,} pixels a tick whatever happens: a base image of every camera and "
        f"{found.patches.sum(axis=1).max()} gaze patches of 32x32. Heat: how often each of the "
        f"{GRID_COLUMNS}x{GRID_ROWS} blocks was read at full resolution."
    )
    return section(
        "What the compressor looked at",
        f"<div class=heats>{''.join(cells)}</div>",
        "<div class=columns>",
        "<div><h3>Gaze over time</h3>",
        strips(gaze_rows, GAZE_RGB, duration_s, f"full colour: {most_gaze:.0f} patches a tick", most_gaze),
        "</div><div><h3>Keyframes over time</h3>",
        strips(keyframe_rows, KEYFRAME_RGB, duration_s, f"full colour: {most_keyframes:.0%} of ticks", most_keyframes),
        "</div><div><h3>Keyframes a second</h3>",
        bars([(WORDS[CAMERAS[i]], float(per_second[i]), f"{per_second[i]:.1f}") for i in seen], "keyframe"),
        "</div><div><h3>Age of the shown frame</h3>",
        bars([(name, median, f"{median:.0f} ms, max {worst:.0f}") for name, median, worst in age], "age"),
        "</div></div>",
        f"<p class=caption>Memory: {int(found.memory_slots[-1])} of {MEMORY_SLOTS} slots filled at the end.</p>",
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
    """Where a latency chart ends: the first ticks compile and load, and would flatten all others."""
    return max(float(np.percentile(values, 90)) * 2, 40.0)


def _clipped(values: np.ndarray) -> np.ndarray:
    return np.minimum(values, _cut_at(values))


def faults(summary: dict[str, Any], figures: RunFigures) -> str:
    """What the recording lacked, and how long plans had to do without."""
    report = summary["cameras"] or {}
    items = [f"<li>{text(fault)}</li>" for fault in report.get("faults", [])]
    ticks = summary["ticks"]
    rows = [
        [text(describe_health(cause)), str(count), f"{count / ticks:.1%}"]
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
            (WORDS[name], in_buckets(~figures.is_valid[:, index], keep_peaks=True))
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
        ("ego motion", describe_odometry(summary["odometry_ticks"])),
        ("model", f"{model['name']}, {model['precision']}"),
        ("weights", f"{str(model['weights_sha256'])[:16] or 'not named'}, {summary['network']}"),
    ]
    if compression is not None:
        rows.append(("budget", f"{compression['budget']}: {compression['bytes_per_tick'] / 1000:,.0f} kB per tick"))
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
