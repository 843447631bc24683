"""Charts as inline SVG with labels in HTML, so that text stays readable at any width. Knows no feature."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from markupsafe import Markup

from fsd.html.axes import Axis, thinned_runs
from fsd.html.page import render
from fsd.html.svg import element, line_path

Colour = Literal["ink", "blue", "azure", "orange", "amber", "green", "violet", "grey", "silver", "pale", "red"]


@dataclass(frozen=True)
class Series:
    """One line of a chart: `name` for the legend, `values` (T,); NaN leaves a gap."""

    name: str
    colour: Colour
    values: np.ndarray
    is_dashed: bool = False


class Mark(NamedTuple):
    """A numbered point with a link: `x`, `y` in the chart's units."""

    x: float
    y: float
    label: str
    link: str


class Key(NamedTuple):
    """An entry of a legend."""

    name: str
    colour: Colour
    value: str = ""
    is_line: bool = True
    is_dashed: bool = False


@dataclass
class Chart:
    """Draw with the methods below, then call `html`. `title` is the text for screen readers."""

    x: Axis
    y: Axis
    title: str
    height_px: int = 220
    hover: str = ""
    keys: list[Key] = field(default_factory=list)
    labels: list[tuple[str, str, str, str]] = field(default_factory=list)
    marks: list[tuple[str, str, str, str]] = field(default_factory=list)
    _shapes: list[Markup] = field(default_factory=list)

    def line(self, x: np.ndarray, line: Series) -> None:
        """A line through (T,) points, with an entry in the legend if it has a name; a dot where one stands alone."""
        if line.name:
            self.keys.append(Key(line.name, line.colour, is_dashed=line.is_dashed))
        css = f"line {line.colour}{' dashed' * line.is_dashed}"
        self._shapes.append(element("path", css=css, d=line_path(self.x.percent(x), self._down(line.values))))
        known = np.pad(np.isfinite(line.values), 1)
        alone = known[1:-1] & ~known[:-2] & ~known[2:]
        self.points(x[alone], line.values[alone], line.colour, 3)

    def bar(self, left: float, right: float, low: float, high: float, colour: Colour, tip: str = "") -> None:
        """A rectangle between two x and two y values; `tip` shows under the pointer."""
        (x0, x1), (y0, y1) = self.x.percent(np.array([left, right])), self._down(np.array([high, low]))
        title = element("title", Markup.escape(tip)) if tip else Markup()
        size = {"width": float(max(x1 - x0, 0.1)), "height": float(y1 - y0)}
        self._shapes.append(element("rect", title, css=colour, x=float(x0), y=float(y0), **size))

    def points(self, x: np.ndarray, y: np.ndarray, colour: Colour, radius_px: float = 1.5) -> None:
        """Dots at (T,) points, as one path, which is smaller than an element per dot."""
        path = "".join(f"M{at_x:.2f} {at_y:.2f}h0" for at_x, at_y in zip(self.x.percent(x), self._down(y), strict=True))
        if path:
            self._shapes.append(element("path", css=f"dots {colour}", stroke_width=2 * radius_px, d=path))

    def label(self, x: float, y: float, text: str, css: str = "") -> None:
        """A text that begins at a point; with `css="before"` it ends there."""
        self.labels.append((*self._place(x, y), text, css))

    def limit(self, x: float | None = None, y: float | None = None, label: str = "") -> None:
        """A dashed line across the chart at one x or one y."""
        if x is not None:
            at = float(self.x.percent(x))
            self._shapes.append(element("path", css="limit", d=f"M{at:.2f} 0V100"))
        if y is not None:
            at = float(self._down(y))
            self._shapes.append(element("path", css="limit", d=f"M0 {at:.2f}H100"))
            if label:
                self.labels.append(("100", f"{at:.2f}", label, "limit-label before"))

    def mark(self, mark: Mark) -> None:
        """A link at a point."""
        self.marks.append((*self._place(mark.x, mark.y), mark.label, mark.link))

    def show_under_pointer(self, x: np.ndarray, lines: Sequence[Series]) -> None:
        """Values of (T,) lines that the page's script shows under the pointer."""

        def numbers(values: np.ndarray, digits: int = 4) -> list[float | None]:
            return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in values]

        content = {
            "x": numbers(x, digits=6),
            "low": self.x.low,
            "high": self.x.high,
            "xName": self.x.label,
            "unit": self.y.label,
            "lines": [{"name": line.name, "values": numbers(line.values)} for line in lines],
        }
        self.hover = json.dumps(content, separators=(",", ":"))

    @property
    def x_labels(self) -> list[tuple[str, str]]:
        """(percent from the left, text) of the ticks."""
        return [(f"{float(self.x.percent(value)):.2f}", text) for value, text in self.x.marks(6)]

    @property
    def y_labels(self) -> list[tuple[str, str]]:
        """(percent from the top, text) of the ticks."""
        return [(f"{float(self._down(value)):.2f}", text) for value, text in self.y.marks()]

    @property
    def label_width(self) -> int:
        """Width of the y axis' labels in characters; at least 5, to align charts below one another."""
        return max([5, *(len(text) for _, text in self.y_labels)])

    def html(self) -> Markup:
        """The chart with axes and legend."""
        grid = [element("path", css="grid", d=f"M0 {at}H100") for at, _ in self.y_labels]
        frame = {"viewBox": "0 0 100 100", "preserveAspectRatio": "none", "aria_hidden": "true"}
        return render("chart", chart=self, shapes=element("svg", *grid, *self._shapes, **frame))

    def _down(self, values: np.ndarray | float) -> np.ndarray:
        return 100 - self.y.percent(values)

    def _place(self, x: float, y: float) -> tuple[str, str]:
        return f"{float(self.x.percent(x)):.2f}", f"{float(self._down(y)):.2f}"


def line_chart(
    x: np.ndarray,
    series: Sequence[Series],
    y_label: str,
    x_label: str = "time, s",
    limit: tuple[float, str] | None = None,
    marks: Sequence[Mark] = (),
    keep_peaks: bool = False,
    y_axis: Axis | None = None,
    height_px: int = 220,
    has_legend: bool = True,
    run: np.ndarray | None = None,
) -> Markup:
    """Lines over a common axis, with a legend and values under the pointer; a word where no line has a value.

    Args:
        x: (T,) rising; series: what to draw.
        limit: a horizontal line and its label.
        keep_peaks: thin long series by their peaks instead of their means.
        y_axis: None is an axis from 0 to the largest value.
        run: (T,) numbers of the parts between which the lines have a gap; None is one part.
    """
    lines = [
        Series(line.name, line.colour, thinned_runs(line.values, run, keep_peaks), line.is_dashed) for line in series
    ]
    lines = [line for line in lines if np.isfinite(line.values).any()]
    if not lines:
        return render("caption", text=f"No value of {', '.join(line.name for line in series if line.name) or y_label}.")
    known = [float(np.nanmax(line.values)) for line in lines]
    top = max([*known, *([limit[0]] if limit else [])], default=1.0)
    x_from = float(x[0])
    x_axis = Axis(x_label, x_from, float(x[-1]) if x[-1] > x_from else x_from + 1.0)
    names = ", ".join(line.name for line in series)
    chart = Chart(x_axis, y_axis or Axis.from_zero(y_label, top * 1.02), f"{names} over {x_label}", height_px)
    along = thinned_runs(x, run, gap=lambda before, after: (before + after) / 2)
    for line in lines:
        chart.line(along, line)
    if limit:
        chart.limit(y=limit[0], label=limit[1])
    for mark in marks:
        chart.mark(mark)
    chart.show_under_pointer(along, lines)
    if not has_legend:
        chart.keys.clear()
    return chart.html()


def legend(keys: Sequence[Key], unit: str = "") -> Markup:
    """Names of the colours."""
    return render("legend", keys=keys, unit=unit)


def picture_with_marks(svg: Markup, marks: Sequence[tuple[str, str, str, str]]) -> Markup:
    """A picture with links over it: (percent from the left, percent from the top, label, link) each."""
    return render("marked", svg=svg, marks=marks)
