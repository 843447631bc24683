"""The parity report as one page that a person can read: plain HTML with inline SVG, no request to anywhere.

Shows what `parity.json` holds; judges nothing itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from fsd.data.files import write_text
from fsd.export.parity import Comparison, ParityReport
from fsd.export.sensitivity import Sensitivity

STYLE = """
:root { color-scheme: light dark; --page: #f4f6f8; --card: #fff; --ink: #15202b; --soft: #5a6876; --line: #e2e7ec;
  --bar: #1668dc; --track: #eef1f4; --good: #137a46; --bad: #c62f37 }
@media (prefers-color-scheme: dark) { :root { --page: #0c1117; --card: #141b23; --ink: #e6edf4; --soft: #93a3b3;
  --line: #243040; --bar: #5aa2ff; --track: #202b38; --good: #4cc38a; --bad: #ff7b78 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 36px 20px 48px }
h1 { font-size: clamp(26px, 5vw, 38px); line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 6px }
h2 { font-size: 20px; margin: 0 0 10px } p { margin: 0 0 12px } .note { color: var(--soft) }
section, .verdict { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 20px 22px;
  margin: 16px 0 }
.verdict { border-left: 5px solid var(--bad) } .verdict.good { border-left-color: var(--good) }
.verdict b { color: var(--bad) } .verdict.good b { color: var(--good) } .verdict p, .verdict ul { margin: 0 }
.verdict ul { padding-left: 20px; overflow-wrap: anywhere }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: 14px }
th, td { padding: 7px 0 7px 18px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap;
  font-variant-numeric: tabular-nums }
th { color: var(--soft); font-size: 13px; font-weight: 600 } tr:last-child td { border-bottom: 0 }
th:first-child, td:first-child { text-align: left; padding: 7px 0; position: sticky; left: 0;
  background: var(--card) }
.drifts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); gap: 18px 32px;
  font-size: 14px }
.drifts p { margin: 0 } .drifts svg { display: block; width: 100%; margin-top: 4px; background: var(--track);
  border-radius: 6px }
rect { fill: var(--bar) } details { padding: 4px 0 } summary { cursor: pointer }
@media (max-width: 640px) { main { padding: 24px 12px } section, .verdict { padding: 16px } }
"""
BAR_PX, CHART_HEIGHT_PX = 30, 60


def write_page(
    path: Path, report: ParityReport, name: str, trained: bool, sensitivities: Mapping[str, Sensitivity]
) -> None:
    """Write `parity.html`."""
    sections = [
        _verdict(report),
        _notes(report),
        _distances(report),
        _control(report),
        _drift(report),
        _outputs(report),
    ]
    sections += [_layers(target, sensitivity) for target, sensitivity in sensitivities.items()]
    network = f"{name}, {'trained' if trained else 'untrained: random weights'}"
    write_text(
        path,
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>Parity of {escape(name)}</title>'
        f"<style>{STYLE}</style></head><body><main>\n<h1>Do the files drive like the network?</h1>\n"
        f'<p class="note">{escape(network)}; {report.ticks} recurrent ticks, every file on its own memory.</p>\n'
        + "\n".join(sections)
        + "\n</main></body></html>\n",
    )


def _verdict(report: ParityReport) -> str:
    if report.passed:
        return '<div class="verdict good"><p><b>Yes.</b> Every limit holds.</p></div>'
    failures = "".join(f"<li>{escape(failure)}</li>" for failure in report.failures)
    return f'<div class="verdict"><p><b>No.</b></p><ul>{failures}</ul></div>'


def _notes(report: ParityReport) -> str:
    return "".join(f'<p class="note">{escape(note)}</p>' for note in report.notes)


def _distances(report: ParityReport) -> str:
    horizons = list(next(iter(report.comparisons.values())).position_mean_m) if report.comparisons else []
    head = ["file", "against", "ticks"]
    head += [f"{label} {kind}, m" for label in horizons for kind in ("mean", "max")] + ["anywhere, m"]
    rows = []
    for name, result in report.comparisons.items():
        pairs = [(result.position_mean_m[label], result.position_max_m[label]) for label in horizons]
        numbers = [_number(value) for pair in pairs for value in pair]
        rows.append([name, result.reference, str(result.ticks), *numbers, _number(result.anywhere_max_m)])
    return _section("How far apart the planned paths are", _table(head, rows))


def _control(report: ParityReport) -> str:
    head = ["file", "curvature mean, 1/m", "max", "acceleration mean, m/s²", "max"]
    rows = [
        [name, *(_number(value) for value in _control_numbers(result))] for name, result in report.comparisons.items()
    ]
    return _section("Steering and pedals", _table(head, rows))


def _control_numbers(result: Comparison) -> tuple[float, ...]:
    return (
        result.curvature_mean_per_m,
        result.curvature_max_per_m,
        result.acceleration_mean_mps2,
        result.acceleration_max_mps2,
    )


def _drift(report: ParityReport) -> str:
    parts = []
    for name, result in report.comparisons.items():
        highest = max(result.drift_m, default=0.0)
        label = f"{name}: growth {result.growth:.2f}, up to {_number(highest)} m"
        parts.append(f"<p>{escape(label)}{_bars(result.drift_m, highest, label)}</p>")
    note = '<p class="note">Mean distance at 3 s in each tenth of the drive; every chart ends at its own highest.</p>'
    return _section("Does the difference grow?", f'{note}<div class="drifts">{"".join(parts)}</div>')


def _bars(values: Sequence[float], highest: float, label: str) -> str:
    bars = ""
    for index, value in enumerate(values):
        # A NaN fails both comparisons and is drawn as a full bar: it must be seen.
        share = value / highest if 0 <= value <= highest and highest > 0 else float(highest != 0)
        height = share * (CHART_HEIGHT_PX - 4)
        bars += (
            f'<rect x="{index * BAR_PX + 2}" y="{CHART_HEIGHT_PX - height:.1f}" width="{BAR_PX - 4}" '
            f'height="{height:.1f}"><title>{_number(value)} m</title></rect>'
        )
    size = f'viewBox="0 0 {max(len(values), 1) * BAR_PX} {CHART_HEIGHT_PX}" height="{CHART_HEIGHT_PX}"'
    return f'<svg {size} preserveAspectRatio="none" role="img" aria-label="{escape(label)}">{bars}</svg>'


def _outputs(report: ParityReport) -> str:
    parts = []
    for name, result in report.comparisons.items():
        rows = [[output, _number(result.max_abs[output]), f"{result.sqnr_db[output]:.1f}"] for output in result.max_abs]
        head = [name, "max difference, own unit", "signal over difference, dB"]
        parts.append(f"<details><summary>{escape(name)}</summary>{_table(head, rows)}</details>")
    return _section("Output by output", "".join(parts))


def _layers(target: str, sensitivity: Sensitivity) -> str:
    rows = [[effect.layer, f"{effect.alone_m:.4f}", f"{effect.spared_m:.4f}"] for effect in sensitivity.effects]
    note = (
        f'<p class="note">Mean distance from the float plan at 3 s over {sensitivity.ticks} ticks; '
        f"{sensitivity.all_m:.4f} m with every layer quantized.</p>"
    )
    table = _table(["layer", "nothing but it quantized, m", "everything but it, m"], rows)
    return _section(f"What each layer costs ({target})", note + table)


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>{content}</section>"


def _number(value: float) -> str:
    """Two figures, always two: 0.10 beside 0.093, so that a column can be read down."""
    return f"{value:#.2g}".rstrip(".")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{titles}</tr>{body}</table></div>'
