"""`curves.html` of a training run, from every `progress.csv` in its folder: one chart per value."""

import math
from pathlib import Path

import numpy as np
from markupsafe import Markup

from fsd.html.axes import Axis
from fsd.html.charts import Series, line_chart
from fsd.html.page import Page, write_page
from fsd.html.parts import columns, part, section
from fsd.networks.training_log import CURVES, PROGRESS, read_progress
from fsd.version import __version__

Rows = list[dict[str, float]]


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
    """One small chart for each value, against the step."""
    names = [each for each in dict.fromkeys(key for row in rows for key in row) if each != "step"]
    parts = []
    for each in names:
        points = [(row["step"], row[each]) for row in rows if math.isfinite(row.get(each, math.nan))]
        if points:
            parts.append(part(f"{each}: {points[-1][1]:.4g}", _curve(each, np.array(points))))
    return section(name, columns(*parts))


def _curve(name: str, points: np.ndarray) -> Markup:
    steps, values = points.T
    low, high = float(values.min()), float(values.max())
    reach = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    axis = Axis("", low - reach, high + reach)
    return line_chart(steps, [Series(name, "blue", values)], "", "step", y_axis=axis, height_px=130, has_legend=False)


def _name(path: Path, folder: Path) -> str:
    """`round-0`, or `training` where the log lies in the folder itself."""
    return "training" if path.parent == folder else path.parent.name
