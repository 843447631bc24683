"""The upper part of a replay's report: headline numbers, path, error over time, worst ticks. Data in, HTML out."""

import datetime
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from fsd.data.frames import CAMERAS
from fsd.html.charts import Key, Mark, Series, legend, line_chart
from fsd.html.page import Banner, data_uri
from fsd.html.parts import (
    Picture,
    Zoom,
    caption,
    gallery,
    gallery_link,
    quantity_tile,
    section,
    stat_tile,
    unavailable_text,
)
from fsd.outputs.budget_metrics import BudgetMetrics
from fsd.outputs.replay_summary import LatencyChargedScores, PlanScores, ReplaySummary
from fsd.replay.path_picture import draw_drive, draw_plans
from fsd.replay.run_metrics import RunMetrics
from fsd.replay.worst_ticks import WorstTick
from fsd.runtime.health import describe_replaced


def facts(summary: ReplaySummary, recorded: Sequence[str] = ()) -> list[str]:
    """What was replayed, in short; `recorded` says when it was driven."""
    started = datetime.datetime.fromtimestamp(summary.started_unix_s, datetime.UTC)
    return [
        f"{len(summary.clip.cameras)} of {len(CAMERAS)} cameras",
        f"{summary.drive_s:.1f} s at 36 Hz",
        f"{summary.model.name} {summary.model.precision}",
        *([f"budget {summary.compression.budget}"] if summary.compression else []),
        *recorded,
        f"{'replayed ' if recorded else ''}{started:%Y-%m-%d %H:%M} UTC",
    ]


def banners(summary: ReplaySummary) -> list[Banner]:
    """What a reader must know before any number."""
    found = []
    if summary.network.startswith("untrained"):
        text = (
            "Its weights are random: plans and plan errors on this page mean nothing. Timing, compression, input "
            "handling and hashes are valid."
        )
        found.append(Banner("Untrained network.", text))
    if summary.status != "complete":
        text = f"The page shows what was computed until then. {summary.error or ''}"
        found.append(Banner(f"Run {summary.status}.", text))
    if summary.model.kernel_warning:
        found.append(Banner("Slower kernels.", f"{summary.model.kernel_warning}."))
    if notes := (*summary.model.notes, *summary.plan_notes):
        found.append(Banner("The model.", f"It is described by an adapter: {'; '.join(notes)}."))
    if (check := summary.cross_check) is not None and check.first_alarm is not None:
        first = check.first_alarm
        text = (
            f"The second network differs by more than is allowed at {check.alarm_ticks} of {check.ticks} ticks, first "
            f"at tick {first.tick} in {first.output}."
        )
        found.append(Banner("Alarm.", text))
    if summary.replaced_outputs:
        replaced = describe_replaced(summary.replaced_outputs, summary.health, summary.ticks)
        found.append(Banner("Plans replaced.", f"The network gave {replaced}."))
    if not summary.plan_is_finite:
        found.append(Banner("Not finite.", "Some plans hold numbers that are not finite."))
    return found


def tiles(summary: ReplaySummary) -> list[Markup]:
    """The headline numbers."""
    plan_ms, deadline = summary.stages_ms["plan"], summary.deadline
    return [
        _plan_error_tile(summary.scores, summary.latency_charged_scores),
        stat_tile(
            "deadline misses",
            str(deadline.ticks_over),
            f"of {deadline.ticks}",
            f"plan latency over {deadline.tick_ms:.2f} ms, flat out",
            "bad" if deadline.ticks_over else "good",
        ),
        stat_tile(
            "plan latency",
            f"{plan_ms.p50:.1f}",
            "ms median",
            f"p99 {plan_ms.p99:.1f} · max {plan_ms.max:.1f} · n = {plan_ms.samples}",
        ),
        *([compression_tile(summary.compression)] if summary.compression else []),
        quantity_tile("energy", summary.joules_per_tick, "J per tick"),
        stat_tile(
            "speed",
            f"{summary.times_real_time:.2f}",
            "x real time",
            f"{summary.cores_used:.1f} cores{summary.with_files}",
        ),
    ]


def left_out(summary: ReplaySummary) -> list[str]:
    """Why a headline number is missing."""
    has_error = bool(_plan_error_tile(summary.scores, summary.latency_charged_scores))
    path = "No plan error: no driven path is recorded that is long enough to compare with."
    return [*([] if has_error else [path]), *unavailable_text("energy per tick", summary.joules_per_tick)]


def _plan_error_tile(scores: PlanScores | None, charged: LatencyChargedScores | None) -> Markup:
    for horizon in ("3s", "2s", "1s"):
        key = f"ade_{horizon}_m"
        if scores and charged and key in scores.network and key in scores.constant_velocity:
            note = f"constant velocity {scores.constant_velocity[key]:.2f}"
            cost_m = charged.network.get(f"latency_cost_{horizon}_m")
            if cost_m is not None:
                note = f"{note} · latency adds {cost_m:.3f}"
            return stat_tile(f"plan error, ADE@{horizon}", f"{scores.network[key]:.2f}", "m", note)
    return Markup()


def compression_tile(compression: BudgetMetrics) -> Markup:
    """The three compression ratios, of the reference rig, and R_px of this recording."""
    ratios = {"px": compression.r_px, "tok": compression.r_tok, "mem": compression.r_mem_60s}
    values = [(Markup("R<sub>{}</sub>").format(name), _format_ratio(ratio)) for name, ratio in ratios.items()]
    own = compression.r_px_of_this_recording
    of_own = "" if own is None else f" · R_px of this recording {_format_ratio(own)}"
    return stat_tile("compression", values, note=f"of {compression.reference}{of_own}")


def _format_ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def path(metrics: RunMetrics, worst: Sequence[WorstTick]) -> Markup:
    """The path from above."""
    if metrics.poses is None:
        picture, grid_m = draw_plans(metrics.trajectory)
        keys = legend([Key("planned paths of many ticks, in the ego frame", "blue")])
        return section("Plans", keys, picture, caption(f"No driven path was recorded. Grid {grid_m:g} m."))
    marks = [
        (row, str(number), gallery_link(number))
        for number, tick in enumerate(worst, 1)
        for row in np.flatnonzero(metrics.tick == tick.tick).tolist()
    ]
    picture, grid_m = draw_drive(metrics.poses, metrics.trajectory, marks, metrics.run)
    keys = legend([Key("driven", "ink"), Key("planned, 4 s ahead", "blue")])
    return section("Path", keys, picture, caption(f"Grid {grid_m:g} m. Numbers are the worst ticks."))


def error_over_time(metrics: RunMetrics, worst: Sequence[WorstTick]) -> Markup:
    """Plan error, or the plan's own uncertainty where no driven path is known."""
    errors = metrics.errors
    if errors is None:
        lines = [Series("the plan's own uncertainty", "blue", metrics.uncertainty_m)]
        heading, intro = "Uncertainty over time", "Mean Laplace scale of the planned positions until 3 s."
    else:
        lines = [
            Series("network", "blue", errors.network_m),
            Series("constant velocity", "orange", errors.constant_velocity_m, is_dashed=True),
        ]
        heading = "Error over time"
        intro = (
            f"Mean distance to the driven path over the next {errors.horizon_s:g} s, for every tick that has them "
            "recorded."
        )
    marks = _marks(metrics, lines[0].values, worst)
    chart = line_chart(metrics.time_s, lines, "m", marks=marks, run=metrics.run)
    return section(heading, chart, intro=intro)


def _marks(metrics: RunMetrics, values: np.ndarray, worst: Sequence[WorstTick]) -> list[Mark]:
    marks = []
    for number, tick in enumerate(worst, 1):
        row = min(int(np.searchsorted(metrics.tick, tick.tick)), len(values) - 1)
        if np.isfinite(values[row]):
            marks.append(Mark(float(metrics.time_s[row]), float(values[row]), str(number), gallery_link(number)))
    return marks


def worst_ticks(worst: Sequence[WorstTick], measure: str, zoom: Zoom) -> Markup:
    """Images of the worst ticks."""
    if not worst:
        return Markup()
    pictures = [
        Picture(
            data_uri(tick.image, "jpeg"),
            f"all cameras at tick {tick.tick}",
            f"{tick.time_s:.2f} s · {measure} {tick.error:.2f} m",
            zoom,
        )
        for tick in worst
    ]
    return section(
        "Worst ticks" if measure == "error" else "Least certain ticks",
        gallery(pictures),
        intro="Each is the worst tick of one stretch of the drive. Select one to see all cameras.",
    )


def footer(summary: ReplaySummary) -> list[str]:
    """Versions and hashes."""
    machine = summary.machine
    hashes = Markup(
        "input hash <code>{}</code> · plan hash <code>{}</code>: equal hashes mean equal bytes at every tick."
    )
    return [
        f"fsd {summary.fsd_version} · {machine} · Python {machine.python} · {machine.system}",
        hashes.format(summary.input_hash, summary.plan_hash),
        "Metrics are defined in docs/metrics.md, files in docs/outputs.md.",
    ]
