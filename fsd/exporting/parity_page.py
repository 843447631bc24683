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
            _drift(report),
            *_speed(exported),
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
    found = comparison.distances[comparison.headline]
    label, unit = _label(comparison.headline), comparison.unit
    note = f"against {comparison.reference}, {label} · max {_number(found.max)} {unit}"
    return stat_tile(name, _number(found.mean), f"{unit} mean", note)


def _distances(report: ParityReport) -> Markup:
    """Every quantity of the plan, in its unit."""
    quantities = next(iter(report.comparisons.values())).distances if report.comparisons else {}
    rows = []
    for name, result in report.comparisons.items():
        numbers = [_number(value) for each in result.distances.values() for value in (each.mean, each.max)]
        rows.append([name, result.reference, result.ticks, *numbers])
    groups = [("", 3), *((f"{_label(name)}, {each.unit}", 2) for name, each in quantities.items())]
    head = ["file", "against", "ticks", *("mean", "max") * len(quantities)]
    return section("Distance between the plans", table(head, rows, groups))


def _label(quantity: str) -> str:
    """`position_3s` -> `position 3s`."""
    return quantity.replace("_", " ")


def _speed(exported: Exported) -> list[Markup]:
    """How fast the files run beside FP32, where it was measured."""
    if not exported.speed:
        return []
    rows = []
    for name in exported.speed[0].shortest_ms:
        pairs = [(each.shortest_ms[name], each.over_fp32.get(name, 1.0)) for each in exported.speed]
        rows.append([name, *(_number(value) for pair in pairs for value in pair)])
    groups = [("", 1), *((f"{each.threads} threads, {each.rounds} rounds", 2) for each in exported.speed)]
    head = ["file", *("ms", "FP32 over it") * len(exported.speed)]
    intro = "Shortest wall time of a tick on this machine; the files ran in turn. Above 1 is faster than FP32."
    return [section("Speed", table(head, rows, groups), intro=intro)]


def _drift(report: ParityReport) -> Markup:
    parts = [
        part(f"{name}: growth {result.growth:.2f}", _drift_chart(name, result))
        for name, result in report.comparisons.items()
    ]
    label = next((_label(result.headline) for result in report.comparisons.values()), "")
    intro = f"Mean distance ({label}) in each tenth of the drive. Every chart has its own scale."
    return section("Does the difference grow?", columns(*parts), intro=intro)


def _drift_chart(name: str, result: Comparison) -> Markup:
    finite = [value for value in result.drift if math.isfinite(value)]
    count = max(len(result.drift), 1)
    tenths = Axis("tenth of the drive", 0.0, float(count), ticks=[(i + 0.5, f"{i + 1}") for i in range(count)])
    chart = Chart(tenths, Axis.from_zero(result.unit, max(finite, default=0.0)), f"{name}: drift", height_px=90)
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
    rows = [[effect.layer, f"{effect.alone_m:.4f}", f"{effect.spared_m:.4f}"] for effect in sensitivity.effects]
    unit = sensitivity.unit
    head = ["layer", f"only this layer quantized, {unit}", f"all but this layer, {unit}"]
    intro = (
        f"Mean distance from the float plan ({sensitivity.label}) over {sensitivity.ticks} ticks; "
        f"{sensitivity.all_m:.4f} {unit} with every layer quantized."
    )
    return section(f"Cost of each layer ({target})", table(head, rows), intro=intro)


def _number(value: float) -> str:
    """Two significant digits, always: 0.10 below 0.093, so that a column is easy to read."""
    return f"{value:#.2g}".rstrip(".")
