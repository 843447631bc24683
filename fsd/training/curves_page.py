"""`curves.html` of a training run, from every `progress.csv` in its folder: one chart per value."""

import math
from pathlib import Path

import numpy as np
from markupsafe import Markup

from fsd.html.axes import Axis
from fsd.html.charts import Colour, Series, line_chart
from fsd.html.page import Page, write_page
from fsd.html.parts import caption, columns, part, section
from fsd.networks.training_log import CURVES, PROGRESS, read_progress
from fsd.version import __version__

Rows = list[dict[str, float]]
HELD_OUT = "held_out"
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

    Values `name:predictor` share a chart; values that are always 0 have none.
    """
    names = [each for each in dict.fromkeys(key for row in rows for key in row) if each != "step"]
    charts: dict[str, dict[str, np.ndarray]] = {}
    for each in names:
        points = [(row["step"], row[each]) for row in rows if math.isfinite(row.get(each, math.nan))]
        chart, _, predictor = each.partition(":")
        if points:
            charts.setdefault(chart, {})[predictor or chart] = np.array(points)
    unused = [chart for chart, lines in charts.items() if not any(points[:, 1].any() for points in lines.values())]
    shown = sorted((chart for chart in charts if chart not in unused), key=lambda chart: not chart.startswith(HELD_OUT))
    parts = [part(f"{chart}: {_latest(charts[chart])}", _curves(chart, charts[chart])) for chart in shown]
    zero = caption(f"Always 0, as parts of the loss that are not used: {', '.join(unused)}.") if unused else Markup()
    return section(name, columns(*parts), zero)


def _latest(lines: dict[str, np.ndarray]) -> str:
    values = [(name, float(points[-1, 1])) for name, points in lines.items()]
    if len(values) == 1:
        return f"{values[0][1]:.4g}"
    return ", ".join(f"{name} {value:.4g}" for name, value in values)


def _curves(name: str, lines: dict[str, np.ndarray]) -> Markup:
    """The lines of a chart, the first one solid; those without images are dashed."""
    steps = np.unique(np.concatenate([points[:, 0] for points in lines.values()]))
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
