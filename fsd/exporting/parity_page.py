"""The parity report as one page. Shows the contents of `parity.json`; judges nothing itself."""

import math
from pathlib import Path

from markupsafe import Markup

from fsd.export.parity import Comparison, ParityReport
from fsd.export.sensitivity import Sensitivity
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
        tiles=[_tile(name, comparison) for name, comparison in report.comparisons.items()],
        sections=[
            _distances(report),
            _control(report),
            _drift(report),
            _outputs(report),
            *(_layers(target, sensitivity) for target, sensitivity in exported.sensitivity.items()),
        ],
        footer=[f"fsd {__version__}", str(describe_machine()), "Metrics and limits are defined in docs/export.md."],
    )
    write_page(path, page)


def _banners(report: ParityReport) -> list[Banner]:
    verdict = (
        Banner("Passed.", "Every limit holds.", tone="good")
        if report.passed
        else Banner("Failed.", "These limits do not hold:", report.failures)
    )
    return [verdict, *(Banner("Note.", note, tone="") for note in report.notes)]


def _tile(name: str, comparison: Comparison) -> Markup:
    note = f"against {comparison.reference}, at 3 s · max {_number(comparison.position_max_m['3s'])} m"
    return stat_tile(name, _number(comparison.position_mean_m["3s"]), "m mean", note)


def _distances(report: ParityReport) -> Markup:
    horizons = list(next(iter(report.comparisons.values())).position_mean_m) if report.comparisons else []
    rows = []
    for name, result in report.comparisons.items():
        pairs = [(result.position_mean_m[label], result.position_max_m[label]) for label in horizons]
        numbers = [_number(value) for pair in pairs for value in pair]
        rows.append([name, result.reference, result.ticks, *numbers, _number(result.anywhere_max_m)])
    groups = [("", 3), *((f"after {label.removesuffix('s')} s, m", 2) for label in horizons), ("anywhere, m", 1)]
    head = ["file", "against", "ticks", *("mean", "max") * len(horizons), "max"]
    return section("Distance between the planned paths", table(head, rows, groups))


def _control(report: ParityReport) -> Markup:
    rows = [
        [
            name,
            *map(_number, (result.curvature_mean_per_m, result.curvature_max_per_m)),
            *map(_number, (result.acceleration_mean_mps2, result.acceleration_max_mps2)),
        ]
        for name, result in report.comparisons.items()
    ]
    groups = (("", 1), ("curvature, 1/m", 2), ("acceleration, m/s²", 2))
    return section("Curvature and acceleration", table(["file", "mean", "max", "mean", "max"], rows, groups))


def _drift(report: ParityReport) -> Markup:
    parts = [
        part(f"{name}: growth {result.growth:.2f}", _drift_chart(name, result))
        for name, result in report.comparisons.items()
    ]
    intro = "Mean distance at 3 s in each tenth of the drive. Every chart has its own scale."
    return section("Does the difference grow?", columns(*parts), intro=intro)


def _drift_chart(name: str, result: Comparison) -> Markup:
    finite = [value for value in result.drift_m if math.isfinite(value)]
    count = max(len(result.drift_m), 1)
    tenths = Axis("tenth of the drive", 0.0, float(count), ticks=[(i + 0.5, f"{i + 1}") for i in range(count)])
    chart = Chart(tenths, Axis.from_zero("m", max(finite, default=0.0)), f"{name}: drift", height_px=90)
    for index, value in enumerate(result.drift_m):
        # A value that is not finite is drawn as a full red bar, so that it is seen.
        height, colour = (value, BLUE) if math.isfinite(value) else (chart.y.high, RED)
        chart.bar(index + 0.08, index + 0.92, 0.0, height, colour, f"{_number(value)} m")
    return chart.html()


def _outputs(report: ParityReport) -> Markup:
    head = ["output", "max difference, own unit", "signal over difference, dB"]
    parts = []
    for name, result in report.comparisons.items():
        rows = [[output, _number(result.max_abs[output]), f"{result.sqnr_db[output]:.1f}"] for output in result.max_abs]
        parts.append(fold(name, table(head, rows)))
    return section("Output by output", *parts)


def _layers(target: str, sensitivity: Sensitivity) -> Markup:
    rows = [[effect.layer, f"{effect.alone_m:.4f}", f"{effect.spared_m:.4f}"] for effect in sensitivity.effects]
    head = ["layer", "only this layer quantized, m", "all but this layer, m"]
    intro = (
        f"Mean distance from the float plan at 3 s over {sensitivity.ticks} ticks; {sensitivity.all_m:.4f} m with "
        "every layer quantized."
    )
    return section(f"Cost of each layer ({target})", table(head, rows), intro=intro)


def _number(value: float | None) -> str:
    """Two significant digits, always: 0.10 below 0.093, so that a column is easy to read; empty for None."""
    return "" if value is None else f"{value:#.2g}".rstrip(".")
