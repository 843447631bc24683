"""Rate-distortion curves as one standalone SVG: error against bytes, with intervals. Takes numbers, returns text."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

PANEL_INCHES = (6.2, 5.4)
LEGEND_COLUMNS = 6
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    *("#7f7f7f", "#8c564b", "#000000", "#999933", "#6a3d9a", "#e31a5c"),
)
"""First those of Okabe and Ito, which colour-blind readers can distinguish; then six more."""

STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "svg.hashsalt": "rate_distortion",  # the same numbers give the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.grid": True,
    "grid.color": "#dddddd",
}


@dataclass(frozen=True)
class Curve:
    """Points of one series by rising bytes: errors and their intervals. `is_level` draws a line across the panel."""

    name: str
    bytes: tuple[float, ...]
    errors: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    is_level: bool = False
    is_main: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves that share axes."""

    title: str
    y_label: str
    curves: tuple[Curve, ...]


def draw(panels: Sequence[Panel], caption: str) -> str:
    """Panels side by side above one legend; opaque white, so that dark pages show it too."""
    names = list(dict.fromkeys(curve.name for panel in panels for curve in panel.curves))
    colour = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    with matplotlib.rc_context(STYLE):
        picture = Figure(figsize=(PANEL_INCHES[0] * len(panels), PANEL_INCHES[1]), facecolor="white")
        for axes, panel in zip(picture.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _panel(axes, panel, colour)
        handles = [Line2D([], [], color=colour[name], linewidth=3, label=name) for name in names]
        bottom = 0.05 + 0.045 * math.ceil(len(names) / LEGEND_COLUMNS)
        picture.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0.02, bottom), ncols=LEGEND_COLUMNS, frameon=False
        )
        picture.text(0.025, 0.015, caption, color="#555555", parse_math=False)
        picture.tight_layout(rect=(0, bottom, 1, 1))
        text = io.StringIO()
        picture.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _panel(axes: Axes, panel: Panel, colour: dict[str, str]) -> None:
    axes.set_title(panel.title, loc="left", fontsize=12, fontweight="bold", pad=20)
    axes.text(0, 1.02, panel.y_label, transform=axes.transAxes, color="#333333")
    axes.set_xlabel("kB into the network in the worst tick")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.spines[["top", "right"]].set_visible(False)
    for curve in panel.curves:
        if curve.is_level:
            _level(axes, curve, colour[curve.name])
        else:
            _line(axes, curve, colour[curve.name])


def _line(axes: Axes, curve: Curve, colour: str) -> None:
    kilobytes = [value / 1000 for value in curve.bytes]
    width, dot, order = (3.0, 6.0, 4) if curve.is_main else (1.6, 4.5, 3)
    axes.plot(kilobytes, curve.errors, "o-", color=colour, linewidth=width, markersize=dot, zorder=order)
    bars = [row for row in zip(kilobytes, curve.low, curve.high, strict=True) if all(map(math.isfinite, row))]
    if bars:
        axes.vlines(*zip(*bars, strict=True), color=colour, linewidth=1.3, alpha=0.45, zorder=order)


def _level(axes: Axes, curve: Curve, colour: str) -> None:
    axes.axhspan(curve.low[0], curve.high[0], color=colour, alpha=0.08, linewidth=0)
    axes.axhline(curve.errors[0], color=colour, linestyle="--", linewidth=1.2)
