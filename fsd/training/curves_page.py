"""`curves.html` of a training run, from every `progress.csv` in its folder: charts, and a table of single values."""

import math
from pathlib import Path

import numpy as np
from markupsafe import Markup

from fsd.html.axes import Axis
from fsd.html.charts import Colour, Series, line_chart
from fsd.html.page import Page, write_page
from fsd.html.parts import caption, columns, part, section, table
from fsd.networks.training_log import CURVES, PROGRESS, read_progress
from fsd.version import __version__

Rows = list[dict[str, float]]
Lines = dict[str, np.ndarray]
"""Predictor -> (n, 2) float64 steps and values."""
HELD_OUT = "held_out"
OWN = "network"
_COLOURS: tuple[Colour, ...] = ("blue", "orange", "green", "violet")


def write_curves_page(folder: Path) -> None:
    """Write `curves.html` to the folder of a run; nothing before its first report."""
    logs = {path: read_progress(path) for path in sorted([*folder.glob(PROGRESS), *folder.glob(f"*/{PROGRESS}")])}
    logs = {path: rows for path, rows in logs.items() if rows}
    if not logs:
        return
    page = Page(
        command="fsd train",
        heading=folder.resolve().name,
        facts=[f"{_name(path, folder)}: step {rows[-1]['step']:.0f}" for path, rows in logs.items()],
        sections=[draw_curves(_name(path, folder), rows) for path, rows in logs.items()],
        footer=[f"fsd {__version__}", f"The numbers are in {PROGRESS}."],
    )
    write_page(folder / CURVES, page)


def draw_curves(name: str, rows: Rows) -> Markup:
    """One small chart for each value, against the step, those of held-out drives first.

    Values `name:predictor` share a chart; values of one step are in a table, and values that are always 0 have neither.
    """
    names = [each for each in dict.fromkeys(key for row in rows for key in row) if each != "step"]
    charts: dict[str, Lines] = {}
    for each in names:
        points = [(row["step"], row[each]) for row in rows if math.isfinite(row.get(each, math.nan))]
        chart, _, predictor = each.partition(":")
        if points:
            charts.setdefault(chart, {})[predictor or chart] = np.array(points)
    unused = [chart for chart, lines in charts.items() if not any(points[:, 1].any() for points in lines.values())]
    shown = sorted((chart for chart in charts if chart not in unused), key=lambda chart: not chart.startswith(HELD_OUT))
    once = [chart for chart in shown if len(_steps(charts[chart])) == 1]
    tables = [_table_of_step(step, {each: charts[each] for each in names}) for step, names in _by_step(once, charts)]
    parts = [part(f"{chart}: {_latest(charts[chart])}", _curves(charts[chart])) for chart in shown if chart not in once]
    zero = caption(f"Always 0, as parts of the loss that are not used: {', '.join(unused)}.") if unused else Markup()
    return section(name, *tables, *([columns(*parts)] if parts else []), zero)


def _steps(lines: Lines) -> np.ndarray:
    return np.unique(np.concatenate([points[:, 0] for points in lines.values()]))


def _by_step(once: list[str], charts: dict[str, Lines]) -> list[tuple[int, list[str]]]:
    """The values that were reported at one step only, by that step."""
    found: dict[int, list[str]] = {}
    for chart in once:
        found.setdefault(int(_steps(charts[chart])[0]), []).append(chart)
    return sorted(found.items(), reverse=True)


def _table_of_step(step: int, values: dict[str, Lines]) -> Markup:
    """Values of one step, a column for each predictor; those of no predictor are of the run itself."""
    found = {
        chart: {OWN if line == chart else line: f"{points[-1, 1]:.4g}" for line, points in lines.items()}
        for chart, lines in values.items()
    }
    columns_of = list(dict.fromkeys((OWN, *(name for row in found.values() for name in row))))
    rows = [[chart, *(row.get(name, "") for name in columns_of)] for chart, row in found.items()]
    return part(f"reported once, at step {step}", table(["", *columns_of], rows))


def _latest(lines: Lines) -> str:
    values = [(name, float(points[-1, 1])) for name, points in lines.items()]
    if len(values) == 1:
        return f"{values[0][1]:.4g}"
    return ", ".join(f"{name} {value:.4g}" for name, value in values)


def _curves(lines: Lines) -> Markup:
    """The lines of a chart, the first one solid; those without images are dashed."""
    steps = _steps(lines)
    series = []
    for index, (line, points) in enumerate(lines.items()):
        values = np.full(len(steps), np.nan)
        values[np.searchsorted(steps, points[:, 0])] = points[:, 1]
        series.append(Series(line, _COLOURS[index % len(_COLOURS)], values, is_dashed=index > 0))
    every = np.concatenate([points[:, 1] for points in lines.values()])
    low, high = float(every.min()), float(every.max())
    reach = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    axis = Axis("", low - reach, high + reach)
    return line_chart(steps, series, "", "step", y_axis=axis, height_px=130, has_legend=len(lines) > 1)


def _name(path: Path, folder: Path) -> str:
    """`round-0`, or `training` where the log lies in the folder itself."""
    return "training" if path.parent == folder else path.parent.name
