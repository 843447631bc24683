"""The parity report as one page. Shows the contents of `parity.json`; judges nothing itself."""

import math
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from fsd.data.counted import counted
from fsd.export.gaze_feedback import Feedback
from fsd.export.parity import Comparison, ParityReport
from fsd.export.plan_measure import RELATIVE
from fsd.export.sensitivity import Sensitivity
from fsd.export.speed import Speed
from fsd.export.steps import Exported
from fsd.html.axes import Axis
from fsd.html.charts import Chart, Colour
from fsd.html.page import Banner, Page, write_page
from fsd.html.parts import columns, fold, part, section, stat_tile, table
from fsd.meters.machine import describe_machine
from fsd.version import __version__

BLUE: Colour = "blue"
RED: Colour = "red"


def write_parity_page(path: Path, exported: Exported) -> None:
    """Write `parity.html`; nothing without a parity report."""
    report = exported.report
    if report is None:
        return
    page = Page(
        command="fsd export",
        heading=f"Parity of {exported.name}",
        facts=[
            "trained" if exported.is_trained else "untrained: random weights",
            f"{report.ticks} recurrent ticks, every file on its own memory",
        ],
        banners=_banners(report),
        tiles=[
            *(_tile(name, comparison) for name, comparison in report.comparisons.items()),
            *(_feedback_tile(name, feedback) for name, feedback in report.feedback.items()),
        ],
        sections=[
            _distances(report),
            *([_feedback(report.feedback)] if report.feedback else []),
            _drift(report),
            *([_speed(exported.speed)] if exported.speed else []),
            _outputs(report),
            *(_layers(target, sensitivity) for target, sensitivity in exported.sensitivity.items()),
        ],
        footer=[f"fsd {__version__}", str(describe_machine()), "Metrics and limits are defined in docs/export.md."],
    )
    write_page(path, page)


def _banners(report: ParityReport) -> list[Banner]:
    on = f"on {report.scope or f'{report.ticks} ticks'}"
    verdict = (
        Banner("Passed.", f"The files planned alike, within every limit, {on}.", tone="good")
        if report.passed
        else Banner("Failed.", f"These limits do not hold {on}:", report.failures)
    )
    warnings = (Banner("Warning: a target is missed.", warning, tone="bad") for warning in report.warnings)
    return [verdict, *warnings, *(Banner("Note.", note, tone="") for note in report.notes)]


def _tile(name: str, comparison: Comparison) -> Markup:
    found = comparison.distances[comparison.headline]
    note = f"against {comparison.reference}, {_title(comparison.headline)} · max {_number(found.max)} {found.unit}"
    return stat_tile(name, _number(found.mean), f"{found.unit} mean", note)


def _feedback_tile(name: str, feedback: Feedback) -> Markup:
    note = f"own patches, {_title(feedback.headline)} · p99 {_number(feedback.p99)} · max {_number(feedback.max)}"
    return stat_tile(f"{name}, own gaze", _number(feedback.mean), f"{feedback.unit} mean", note)


def _feedback(found: Mapping[str, Feedback]) -> Markup:
    """What each file's own requests change."""
    rows = [
        [
            name,
            each.ticks,
            f"{_title(each.headline)}, {_unit(each.unit)}",
            *(_number(value) for value in (each.mean, each.p99, each.max)),
            f"{each.patches_differ:.1%}",
        ]
        for name, each in found.items()
    ]
    intro = (
        "As on the road: every file has its own compressor and memory, and its saliency request chooses the patches "
        "of its next tick. In the other tables all files see the same pictures."
    )
    head = ["file", "ticks", "distance from onnx_fp32", "mean", "p99", "max", "patches that differ"]
    return section("Distance where each file chooses its own patches", table(head, rows), intro=intro)


def _distances(report: ParityReport) -> Markup:
    """Every quantity of the plan, a small table per file: beside one another they would be wider than the page."""
    parts = []
    for name, result in report.comparisons.items():
        rows = [
            [f"{_title(quantity)}, {_unit(each.unit)}", _number(each.mean), _number(each.max)]
            for quantity, each in result.distances.items()
        ]
        heading = f"{name} against {result.reference}, {counted(result.ticks, 'tick')}"
        parts.append(part(heading, table(["", "mean", "max"], rows)))
    return section("Distance between the plans", columns(*parts))


def _title(quantity: str) -> str:
    """`after 3 s` of `position_3s`; other names as they are."""
    if quantity.startswith("position_"):
        return f"after {quantity.removeprefix('position_').removesuffix('s')} s"
    return quantity


def _unit(unit: str) -> str:
    return "share of its magnitude" if unit == RELATIVE else unit


def _speed(speeds: tuple[Speed, ...]) -> Markup:
    names = list(speeds[0].shortest_ms)
    rows = [
        [
            f"{speed.threads}, {speed.clock}",
            name,
            f"{speed.shortest_ms[name]:.3f}",
            f"{speed.over_fp32.get(name, 1.0):.2f}",
            speed.rounds,
        ]
        for speed in speeds
        for name in names
    ]
    head = ["threads", "file", "shortest tick, ms", "times as fast as FP32", "rounds"]
    intro = "On this machine: other processors have other ratios. Files ran in turn; the shortest time of each counts."
    if slower := dict.fromkeys(name for speed in speeds for name in speed.slower):
        intro += f" Slower than FP32 here: {', '.join(slower)}."
    return section("Speed", table(head, rows), intro=intro)


def _drift(report: ParityReport) -> Markup:
    parts = [
        part(f"{name}: growth {result.growth_text}", _drift_chart(name, result))
        for name, result in report.comparisons.items()
    ]
    intro = "Mean distance of the plans in each tenth of the drive. Every chart has its own scale."
    return section("Does the difference grow?", columns(*parts), intro=intro)


def _drift_chart(name: str, result: Comparison) -> Markup:
    finite = [value for value in result.drift if math.isfinite(value)]
    count = max(len(result.drift), 1)
    tenths = Axis("tenth of the drive", 0.0, float(count), ticks=[(i + 0.5, f"{i + 1}") for i in range(count)])
    chart = Chart(tenths, Axis.from_zero(_unit(result.unit), max(finite, default=0.0)), f"{name}: drift", height_px=90)
    for index, value in enumerate(result.drift):
        # A value that is not finite is drawn as a full red bar, so that it is seen.
        height, colour = (value, BLUE) if math.isfinite(value) else (chart.y.high, RED)
        chart.bar(index + 0.08, index + 0.92, 0.0, height, colour, f"{_number(value)} {result.unit}")
    return chart.html()


def _outputs(report: ParityReport) -> Markup:
    head = ["output", "max difference, own unit", "signal over difference, dB"]
    parts = []
    for name, result in report.comparisons.items():
        rows = [[output, _number(result.max_abs[output]), f"{result.sqnr_db[output]:.1f}"] for output in result.max_abs]
        parts.append(fold(name, table(head, rows)))
    return section("Output by output", *parts)


def _layers(target: str, sensitivity: Sensitivity) -> Markup:
    unit = _unit(sensitivity.unit)
    rows = [[effect.layer, _number(effect.alone_m), _number(effect.spared_m)] for effect in sensitivity.effects]
    head = ["layer", f"only this layer quantized, {unit}", f"all but this layer, {unit}"]
    intro = (
        f"Mean distance from the float plan ({sensitivity.label}) over {sensitivity.ticks} ticks; "
        f"{_number(sensitivity.all_m)} {unit} with every layer quantized."
    )
    return section(f"Cost of each layer ({target})", table(head, rows), intro=intro)


def _number(value: float) -> str:
    """Two significant digits, always: 0.10 below 0.093, so that a column is easy to read."""
    return f"{value:#.2g}".rstrip(".")
