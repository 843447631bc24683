"""The parity report as one page that a person can read: plain HTML with inline SVG, no request to anywhere.

Shows what `parity.json` holds; judges nothing itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from fsd.export.parity import Comparison, ParityReport
from fsd.export.sensitivity import Sensitivity

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; font-variant-numeric: tabular-nums }
th, td { padding: 0.2rem 0.9rem 0.2rem 0; text-align: right; border-bottom: 1px solid #d8dee4 }
th:first-child, td:first-child { text-align: left } .scroll { overflow-x: auto }
.good { color: #1a7f37 } .bad { color: #b3261e } svg { background: #f6f8fa } rect { fill: #3565c4 }
.note { color: #57606a }
@media (prefers-color-scheme: dark) {
  body { background: #14171b; color: #dfe3e8 } th, td { border-color: #30363d } svg { background: #1d2127 }
  .good { color: #56d364 } .bad { color: #ff8d85 } rect { fill: #7aa2f7 } .note { color: #99a2ad } }
"""
BAR_PX, CHART_HEIGHT_PX = 30, 60


def write_page(
    path: Path, report: ParityReport, name: str, trained: bool, sensitivities: Mapping[str, Sensitivity]
) -> None:
    """Write `parity.html`."""
    sections = [_verdict(report), _distances(report), _control(report), _drift(report), _outputs(report)]
    sections += [_layers(target, sensitivity) for target, sensitivity in sensitivities.items()]
    network = f"{name}, {'trained' if trained else 'untrained: random weights'}"
    path.write_text(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>Parity of {escape(name)}</title>'
        f"<style>{STYLE}</style></head><body>\n<h1>Do the files drive like the network?</h1>\n"
        f"<p>{escape(network)}; {report.ticks} recurrent ticks, every file on its own memory.</p>\n"
        + "\n".join(sections)
        + "\n</body></html>\n",
        encoding="utf-8",
    )


def _verdict(report: ParityReport) -> str:
    if report.passed:
        return '<p class="good"><b>Yes.</b> Every limit holds.</p>'
    failures = "".join(f"<li>{escape(failure)}</li>" for failure in report.failures)
    return f'<p class="bad"><b>No.</b></p><ul class="bad">{failures}</ul>'


def _distances(report: ParityReport) -> str:
    horizons = list(next(iter(report.comparisons.values())).position_mean_m) if report.comparisons else []
    head = ["file", "against", "ticks"]
    head += [f"{label} {kind}, m" for label in horizons for kind in ("mean", "max")] + ["anywhere, m"]
    rows = []
    for name, result in report.comparisons.items():
        pairs = [(result.position_mean_m[label], result.position_max_m[label]) for label in horizons]
        numbers = [f"{value:.2g}" for pair in pairs for value in pair]
        rows.append([name, result.reference, str(result.ticks), *numbers, f"{result.anywhere_max_m:.2g}"])
    return "<h2>How far apart the planned paths are</h2>" + _table(head, rows)


def _control(report: ParityReport) -> str:
    head = ["file", "curvature mean, 1/m", "max", "acceleration mean, m/s²", "max"]
    rows = [
        [name, *(f"{value:.2g}" for value in _control_numbers(result))] for name, result in report.comparisons.items()
    ]
    return "<h2>Steering and pedals</h2>" + _table(head, rows)


def _control_numbers(result: Comparison) -> tuple[float, ...]:
    return (
        result.curvature_mean_per_m,
        result.curvature_max_per_m,
        result.acceleration_mean_mps2,
        result.acceleration_max_mps2,
    )


def _drift(report: ParityReport) -> str:
    parts = ['<h2>Does the difference grow?</h2><p class="note">Mean distance at 3 s in each tenth of the drive.</p>']
    for name, result in report.comparisons.items():
        highest = max(result.drift_m, default=0.0)
        label = f"{name}: growth {result.growth:.2f}, up to {highest:.2g} m"
        parts.append(f"<p>{escape(label)}<br>{_bars(result.drift_m, highest, label)}</p>")
    return "".join(parts)


def _bars(values: Sequence[float], highest: float, label: str) -> str:
    bars = ""
    for index, value in enumerate(values):
        # A NaN fails both comparisons and is drawn as a full bar: it must be seen.
        share = value / highest if 0 <= value <= highest and highest > 0 else float(highest != 0)
        height = share * (CHART_HEIGHT_PX - 4)
        bars += (
            f'<rect x="{index * BAR_PX + 2}" y="{CHART_HEIGHT_PX - height:.1f}" width="{BAR_PX - 4}" '
            f'height="{height:.1f}"><title>{value:.2g} m</title></rect>'
        )
    size = f'width="{max(len(values), 1) * BAR_PX}" height="{CHART_HEIGHT_PX}"'
    return f'<svg {size} role="img" aria-label="{escape(label)}">{bars}</svg>'


def _outputs(report: ParityReport) -> str:
    parts = ["<h2>Output by output</h2>"]
    for name, result in report.comparisons.items():
        rows = [[output, f"{result.max_abs[output]:.2g}", f"{result.sqnr_db[output]:.1f}"] for output in result.max_abs]
        head = [name, "max difference, own unit", "signal over difference, dB"]
        parts.append(f"<details><summary>{escape(name)}</summary>{_table(head, rows)}</details>")
    return "".join(parts)


def _layers(target: str, sensitivity: Sensitivity) -> str:
    rows = [[effect.layer, f"{effect.alone_m:.4f}", f"{effect.spared_m:.4f}"] for effect in sensitivity.effects]
    title = (
        f"<h2>What each layer costs ({escape(target)})</h2><p>Mean distance from the float plan at 3 s over "
        f"{sensitivity.ticks} ticks; {sensitivity.all_m:.4f} m with every layer quantized.</p>"
    )
    return title + _table(["layer", "nothing but it quantized, m", "everything but it, m"], rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{titles}</tr>{body}</table></div>'
