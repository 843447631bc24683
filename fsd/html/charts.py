"""Charts as inline SVG with labels in HTML, so that text stays readable at any width, on paper and on a phone.

Takes arrays and words; does not know what they mean. Colours are names of the style sheet (`network`, `driven` …).
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fsd.html.page import data_uri, text

MAX_POINTS = 480
"""A line has at most this many points: what a wide screen can show."""


@dataclass(frozen=True)
class Series:
    """One line of a chart: `name` for the legend, `colour` of the style sheet, `values` (T,); NaN leaves a gap."""

    name: str
    colour: str
    values: np.ndarray
    is_dashed: bool = False


@dataclass(frozen=True)
class Mark:
    """A numbered spot on a line that leads somewhere: `x`, `y` in the chart's units, `label`, `link`."""

    x: float
    y: float
    label: str
    link: str


def thinned(values: np.ndarray, keep_peaks: bool, points: int = MAX_POINTS) -> np.ndarray:
    """(M,) at most `points` values: the mean, or the largest (`keep_peaks`), of equal stretches; NaN is left out."""
    if len(values) <= points:
        return values
    take = np.max if keep_peaks else np.mean
    parts = _stretches(values, points)
    return np.array([take(known) if len(known := part[np.isfinite(part)]) else np.nan for part in parts])


def nice_ticks(top: float, count: int = 4) -> list[float]:
    """Round numbers from 0 to at least `top`: steps of 1, 2 or 5 times a power of ten."""
    if not np.isfinite(top) or top <= 0:
        return [0.0, 1.0]
    rough = top / count
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [float(step * index) for index in range(int(np.ceil(top / step - 1e-9)) + 1)]


def line_chart(
    x: np.ndarray,
    series: Sequence[Series],
    y_unit: str,
    x_unit: str = "s",
    limit: tuple[float, str] | None = None,
    marks: Sequence[Mark] = (),
    keep_peaks: bool = False,
) -> str:
    """Lines over a common axis, with a legend and values under the pointer.

    Args:
        x: (T,) rising; series: what to draw.
        limit: a horizontal line and its label.
        keep_peaks: thin out long series by their peaks instead of their means.
    """
    along = thinned(x, keep_peaks=False)
    lines = [Series(line.name, line.colour, thinned(line.values, keep_peaks), line.is_dashed) for line in series]
    known = [line.values[np.isfinite(line.values)] for line in lines]
    top = max([float(values.max()) for values in known if len(values)] + ([limit[0]] if limit else []), default=1.0)
    ticks = nice_ticks(top * 1.02)
    x_from, x_to = float(x[0]), float(x[-1]) if x[-1] > x[0] else float(x[0]) + 1.0

    def place(at_x: np.ndarray | float, at_y: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        return (np.asarray(at_x) - x_from) / (x_to - x_from) * 100, 100 - np.asarray(at_y) / ticks[-1] * 100

    grid = "".join(f"<line class=grid x1=0 x2=100 y1={y:.2f} y2={y:.2f} />" for y in place(0, np.array(ticks))[1])
    paths = "".join(
        f"<path class='line {line.colour}{' dashed' * line.is_dashed}' d='{_path(*place(along, line.values))}' />"
        for line in lines
    )
    bound = ""
    if limit:
        y = float(place(0, limit[0])[1])
        grid += f"<line class=limit x1=0 x2=100 y1={y:.2f} y2={y:.2f} />"
        bound = f"<span class=limit-label style='top:{y:.2f}%'>{text(limit[1])}</span>"
    spots = "".join(
        f"<a class=mark href='{text(mark.link)}' style='left:{px:.2f}%;top:{py:.2f}%'>{text(mark.label)}</a>"
        for mark in marks
        for px, py in [place(mark.x, mark.y)]
    )
    y_labels = "".join(f"<span style='top:{100 - tick / ticks[-1] * 100:.2f}%'>{tick:g}</span>" for tick in ticks)
    x_ticks = [tick for tick in nice_ticks(x_to - x_from, 6) if tick <= (x_to - x_from) * 1.001]
    x_labels = "".join(
        f"<span style='left:{tick / (x_to - x_from) * 100:.2f}%'>{x_from + tick:g}</span>" for tick in x_ticks
    )
    return (
        f"<figure class=chart data-chart='{_data(along, lines, y_unit, x_unit)}'>{_legend(series, y_unit)}"
        f"<div class=plot><div class=y-labels>{y_labels}</div>"
        f"<div class=area><svg viewBox='0 0 100 100' preserveAspectRatio=none aria-hidden=true>{grid}{paths}</svg>"
        f"{bound}{spots}<span class=cursor></span><span class=tip></span></div>"
        f"<div class=x-labels>{x_labels}<i>{text(x_unit)}</i></div></div></figure>"
    )


def bars(rows: Sequence[tuple[str, float, str]], colour: str, top: float | None = None) -> str:
    """Horizontal bars: (name, value, what to print) each."""
    scale = top or max([value for _, value, _ in rows], default=0) or 1.0
    return (
        "<div class=bars>"
        + "".join(
            f"<span>{text(name)}</span><div><b class='fill {colour}' style='width:{share * 100:.1f}%'></b></div>"
            f"<span class=num>{text(words)}</span>"
            for name, value, words in rows
            for share in [min(1, value / scale)]
        )
        + "</div>"
    )


def stacked_bar(parts: Sequence[tuple[str, float, str]], unit: str) -> str:
    """One bar cut into (name, value, colour) pieces, with a legend that gives each value."""
    whole = sum(value for _, value, _ in parts) or 1.0
    pieces = "".join(
        f"<b class='fill {colour}' style='width:{value / whole * 100:.2f}%' title='{text(name)}'></b>"
        for name, value, colour in parts
    )
    keys = "".join(
        f"<span><i class='key fill {colour}'></i>{text(name)} <b>{value:.2f}</b> {text(unit)}</span>"
        for name, value, colour in parts
    )
    return f"<div class=stack>{pieces}</div><div class=legend>{keys}</div>"


def heat_picture(values: np.ndarray, rgb: tuple[int, int, int], top: float | None = None) -> str:
    """A (rows, columns) array as a picture of as many pixels: the colour, more opaque where the value is larger.

    Transparent where it is zero, so that it lies over a picture or over a page of any colour.
    """
    scale = top or float(values.max()) or 1.0
    pixels = np.empty((*values.shape, 4), np.uint8)
    pixels[..., :3] = rgb
    pixels[..., 3] = np.clip(np.rint(np.asarray(values, np.float64) / scale * 255), 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, "png", optimize=True)
    return data_uri(buffer.getvalue(), "png")


def strips(
    rows: Sequence[tuple[str, np.ndarray]],
    rgb: tuple[int, int, int],
    duration_s: float,
    note: str = "",
    top: float = 1.0,
) -> str:
    """One strip per name along time: (name, (M,) values in 0 … `top`, which is the full colour)."""
    lines = "".join(
        f"<span>{text(name)}</span><img alt='' src='{heat_picture(values[None, :], rgb, top)}'>"
        for name, values in rows
    )
    ends = (
        f"<span></span><div class=ends><span>0 s</span><span>{text(note)}</span><span>{duration_s:.1f} s</span></div>"
    )
    return f"<div class=strips>{lines}{ends}</div>"


def in_buckets(values: np.ndarray, points: int = 240, keep_peaks: bool = False) -> np.ndarray:
    """(M,) means, or largest values, of at most `points` equal stretches of (T,) values, for a strip."""
    values = np.asarray(values, np.float64)
    if len(values) <= points:
        return values
    return np.array([part.max() if keep_peaks else part.mean() for part in _stretches(values, points)])


def most_of(rows: Sequence[tuple[str, np.ndarray]]) -> float:
    """The largest value of all strips, 1 where there is none: their common full colour."""
    return max((float(values.max()) for _, values in rows if len(values)), default=0.0) or 1.0


def _stretches(values: np.ndarray, points: int) -> list[np.ndarray]:
    """At most `points` parts of (T,) values, as equal as can be.

    Cutting 396 ticks into 240 would mix parts of one and of two: a keyframe would have two shades in one strip, and a
    line would be smooth on its left and rough on its right. So the length is chosen first, then the count.
    """
    each = -(-len(values) // points)
    return np.array_split(values, len(values) // each)


def _path(x: np.ndarray, y: np.ndarray) -> str:
    words, is_down = [], False
    for at_x, at_y in zip(x, y, strict=True):
        if np.isfinite(at_y):
            words.append(f"{'L' if is_down else 'M'}{at_x:.2f} {at_y:.2f}")
        is_down = bool(np.isfinite(at_y))
    return "".join(words)


def _legend(series: Sequence[Series], y_unit: str) -> str:
    keys = "".join(
        f"<span><i class='key line-key {line.colour}{' dashed' * line.is_dashed}'></i>{text(line.name)}</span>"
        for line in series
    )
    return f"<div class=legend>{keys}<span class=unit>{text(y_unit)}</span></div>"


def _data(x: np.ndarray, lines: Sequence[Series], y_unit: str, x_unit: str) -> str:
    """What the page's script shows under the pointer."""

    def numbers(values: np.ndarray) -> list[float | None]:
        return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]

    content = {
        "x": numbers(x),
        "unit": y_unit,
        "xUnit": x_unit,
        "lines": [{"name": line.name, "values": numbers(line.values)} for line in lines],
    }
    return text(json.dumps(content, separators=(",", ":")))
