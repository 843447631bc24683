"""The upper part of a replay's report: headline numbers, path, error over time, worst ticks. Data in, HTML out."""

import datetime
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from fsd.data.frames import CAMERAS
from fsd.html.charts import Key, Mark, Series, legend, line_chart
from fsd.html.page import Banner, Tone, data_uri
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
from fsd.outputs.replay_summary import LatencyChargedScores, PlanScores, ReplaySummary, WheelAngleScores
from fsd.replay.path_picture import draw_drive, draw_plans
from fsd.replay.run_metrics import RunMetrics
from fsd.replay.score_table import PLANNERS
from fsd.replay.worst_ticks import WorstTick
from fsd.runtime.health import describe_replaced
from fsd.runtime.planner import SIMULATION_TRAINED


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
    if summary.network == SIMULATION_TRAINED:
        text = (
            "This is real video, and the network learned in a simulator only: its plans here show that the pipeline "
            "works, not that it can drive. Timing, compression, input handling and hashes are valid."
        )
        found.append(Banner(f"{SIMULATION_TRAINED.capitalize()}.", text))
    if summary.status != "complete":
        text = f"The page shows what was computed until then. {summary.error or ''}"
        found.append(Banner(f"Run {summary.status}.", text))
    if summary.model.kernel_warning:
        found.append(Banner("Slower kernels.", f"{summary.model.kernel_warning}."))
    if notes := (*summary.model.notes, *summary.plan_notes):
        found.append(Banner("The model.", f"{'; '.join(notes)}."))
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
        *_wheel_angle_tile(summary.wheel_angle),
        *(
            [_plan_error_tile(summary.scores, summary.latency_charged_scores)]
            if summary.scores or not summary.wheel_angle
            else []
        ),
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
            f"{summary.cores_used:.1f} cores{summary.with_files}{summary.speed_verdict}",
            "bad" if summary.load is not None and summary.load.is_valid is False else "",
        ),
    ]


def _wheel_angle_tile(scores: WheelAngleScores | None) -> list[Markup]:
    if scores is None or scores.network_rad is None:
        return []
    others = {name: error_rad for name, error_rad in scores.errors.items() if name != "network"}
    name, error_rad = min(others.items(), key=lambda pair: pair[1])
    is_best = scores.network_rad < error_rad
    note = f"{'better' if is_best else 'no better'} than {name} {error_rad:.3f} rad · n = {scores.ticks}"
    tone: Tone = "good" if is_best else "bad"
    return [stat_tile("steering wheel, error", f"{scores.network_rad:.3f}", "rad", note, tone)]


def left_out(summary: ReplaySummary) -> list[str]:
    """Why a headline number is missing."""
    has_error = bool(_plan_error_tile(summary.scores, summary.latency_charged_scores))
    path = "No plan error: no driven path is recorded that is long enough to compare with."
    return [*([] if has_error else [path]), *unavailable_text("energy per tick", summary.joules_per_tick)]


def _plan_error_tile(scores: PlanScores | None, charged: LatencyChargedScores | None) -> Markup:
    for horizon in ("3s", "2s", "1s"):
        key = f"ade_{horizon}_m"
        if scores and charged and key in scores.network and (best := scores.best_baseline(key)):
            baseline, baseline_m = best
            network_m = scores.network[key]
            note = f"{'better' if network_m < baseline_m else 'no better'} than the best baseline without cameras, "
            note += f"{PLANNERS[baseline]} {baseline_m:.2f} m"
            cost_m = charged.network.get(f"latency_cost_{horizon}_m")
            if cost_m is not None:
                note = f"{note} · latency adds {cost_m:.2f} m"
            tone: Tone = "good" if network_m < baseline_m else "bad"
            return stat_tile(f"plan error, ADE@{horizon}", f"{network_m:.2f}", "m", note, tone)
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
            Series(PLANNERS[errors.baseline], "orange", errors.baseline_m, is_dashed=True),
        ]
        heading = "Error over time"
        intro = (
            f"Mean distance to the driven path over the next {errors.horizon_s:g} s, for every tick that has them "
            "recorded; beside the better one of two planners without cameras."
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
