"""The lower part of a replay's report: what the compressor read, timing, faults, what was run. Data in, HTML out."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from markupsafe import Markup

from fsd.compression.tick import MEMORY_SLOTS
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, TICK_S
from fsd.data.rig import Rig
from fsd.html.bars import bars, stacked_bar, strips
from fsd.html.charts import Colour, Series, line_chart
from fsd.html.parts import bullets, caption, columns, described, part, section, table
from fsd.outputs.budget_metrics import BudgetMetrics
from fsd.outputs.compress_summary import CompressSummary
from fsd.outputs.replay_summary import ReplaySummary
from fsd.replay.gaze_pictures import CAMERA_LABELS, gaze_heats, gaze_strips, keyframe_strips
from fsd.replay.rig_picture import draw_rig
from fsd.replay.run_metrics import RunMetrics
from fsd.runtime.health import describe_health, describe_odometry

FAULT_RGB = (226, 72, 72)
STAGE_COLOURS: dict[str, Colour] = {
    "wait": "pale",
    "compress": "amber",
    "infer": "blue",
    "post": "violet",
    "write": "silver",
}


def compressor(compression: BudgetMetrics | None, metrics: RunMetrics, thumbnails: Mapping[str, bytes]) -> Markup:
    """Gaze, keyframes and memory; nothing for a planner without compressor."""
    seen = [index for index in range(len(CAMERAS)) if metrics.is_valid[:, index].any()]
    found = metrics.compressor
    if not seen or found is None or compression is None:
        return Markup()
    duration_s = float(metrics.time_s[-1])
    per_second = found.is_keyframe.sum(axis=0) / max(duration_s, TICK_S)
    keyframes = [(CAMERA_LABELS[CAMERAS[i]], float(per_second[i]), f"{per_second[i]:.1f}") for i in seen]
    ages = []
    for index in seen:
        age_ms = metrics.age_ms[:, index]
        median, most = float(np.nanmedian(age_ms)), float(np.nanmax(age_ms))
        ages.append((CAMERA_LABELS[CAMERAS[index]], median, f"{median:.0f} ms, max {most:.0f}"))
    return section(
        "What the compressor read",
        gaze_heats(seen, found.reads, thumbnails),
        columns(
            part("Gaze over time", gaze_strips(seen, metrics.with_gaps(found.patches), duration_s)),
            part("Keyframes over time", keyframe_strips(seen, metrics.with_gaps(found.is_keyframe), duration_s)),
            part("Keyframes per second", bars(keyframes, "azure")),
            part("Age of the newest image", bars(ages, "grey")),
        ),
        caption(f"Memory: {int(found.memory_slots[-1])} of {MEMORY_SLOTS} slots filled at the end."),
        intro=f"{compression.pixels_per_tick:,} pixels per tick, whatever the scene: a base image of "
        f"every camera and {found.patches.sum(axis=1).max()} gaze patches of 32x32. Heat: how often each of the "
        f"{GRID_COLUMNS}x{GRID_ROWS} blocks was read as a patch.",
    )


def timing(summary: ReplaySummary, metrics: RunMetrics) -> Markup:
    """Latency of every tick against the deadline, and the stages."""
    tick_ms, stages = summary.deadline.tick_ms, summary.stages_ms
    # The first ticks compile and load; without a cut they would flatten all others.
    cut_ms = max(float(np.percentile(metrics.plan_ms, 90)) * 2, 40.0)
    latency = Series("plan latency", "blue", np.minimum(metrics.plan_ms, cut_ms))
    chart = line_chart(
        metrics.time_s, [latency], "ms", limit=(tick_ms, f"{tick_ms:.2f} ms"), keep_peaks=True, run=metrics.run
    )
    slowest = int(np.argmax(metrics.plan_ms))
    note = (
        caption(
            f"The chart is cut at {cut_ms:.0f} ms; the slowest tick took {metrics.plan_ms[slowest]:.0f} ms "
            f"(tick {slowest})."
        )
        if metrics.plan_ms[slowest] > cut_ms
        else Markup()
    )
    times = [(name, stages[name]) for name in (*STAGE_COLOURS, "plan")]
    rows = [[name, *(f"{ms:.2f}" for ms in (t.p50, t.p90, t.p99, t.max)), t.samples] for name, t in times]
    return section(
        "Timing",
        chart,
        note,
        part(
            "Median of each stage",
            stacked_bar([(name, stages[name].p50, colour) for name, colour in STAGE_COLOURS.items()], "ms"),
        ),
        table(["stage, ms", "p50", "p90", "p99", "max", "ticks"], rows),
        intro=Markup(
            "plan = compress + infer + post. A replay runs flat out and decodes ahead, so this is not the latency "
            "under a 36 Hz clock: <code>fsd profile</code> measures that."
        ),
    )


def faults(summary: ReplaySummary, metrics: RunMetrics) -> Markup:
    """What the recording lacked, and how many plans were made without it."""
    found = summary.cameras.faults if summary.cameras else ()
    rows = [
        [describe_health(cause), count, f"{count / summary.ticks:.1%}"]
        for cause, count in sorted(summary.health.items(), key=lambda pair: -pair[1])
        if cause != "ok"
    ]
    if not found and not rows:
        return section("Faults", caption("None: every camera was present, fresh and readable at every tick."))
    parts = [bullets(found)]
    if rows:
        parts.append(table(["plans made with", "ticks", "share"], rows))
        lost = [
            (CAMERA_LABELS[name], metrics.with_gaps(~metrics.is_valid[:, index]))
            for index, name in enumerate(CAMERAS)
            if not metrics.is_valid[:, index].all()
        ]
        if lost:
            parts.append(
                part("Cameras not usable", strips(lost, FAULT_RGB, float(metrics.time_s[-1]), keep_peaks=True))
            )
    return section("Faults", *parts)


def what_was_run(summary: ReplaySummary, rig: Rig) -> Markup:
    """Clip, rig and model."""
    model = summary.model
    rows = [
        ("model", f"{model.name}, {model.precision}"),
        ("weights", f"{model.weights_sha256[:16] or 'not named'}, {summary.network}"),
    ]
    return recording_section(summary, rows, rig, summary.clip.notes)


def recording_section(
    summary: ReplaySummary | CompressSummary, rows: Collection[tuple[str, str]], rig: Rig, notes: Sequence[str]
) -> Markup:
    """Clip, rig and budget, `rows` of the command besides, and `notes` in small print."""
    clip, compression = summary.clip, summary.compression
    budget = f"{compression.budget}: {compression.bytes_per_tick / 1000:,.0f} kB per tick" if compression else ""
    facts = [
        ("clip", f"{clip.name} ({clip.format})"),
        ("cameras", ", ".join(CAMERA_LABELS[name] for name in clip.cameras)),
        ("without video", ", ".join(CAMERA_LABELS[name] for name in clip.missing_cameras) or "none"),
        ("rig", clip.rig),
        ("ego motion", describe_odometry(summary.odometry_ticks)),
        *([("budget", budget)] if budget else []),
        *rows,
    ]
    rig_view = draw_rig(rig, clip.cameras)
    return section("What was run", columns(described(facts), rig_view), bullets(notes, is_note=True))
