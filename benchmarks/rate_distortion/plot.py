"""Rate-distortion curves as one standalone SVG: error against bytes, with intervals. Numbers in, text out."""

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 620, 470
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 48, 52
_LEGEND_ROW_PX = 18

COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    *("#7f7f7f", "#8c564b", "#000000", "#999933", "#6a3d9a", "#e31a5c"),
)
"""Okabe and Ito's, told apart by people who do not see all colours; then a few more."""


Place = Callable[[float], float]


@dataclass(frozen=True)
class Curve:
    """Points of one series: bytes, errors and their intervals, by rising bytes. `is_level`: a line across the panel."""

    name: str
    bytes: tuple[float, ...]
    errors: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    is_level: bool = False
    is_main: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves over common axes."""

    title: str
    y_label: str
    curves: tuple[Curve, ...]


def draw(panels: Sequence[Panel], caption: str) -> str:
    """Panels side by side over one legend."""
    names = list(dict.fromkeys(curve.name for panel in panels for curve in panel.curves))
    colour = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    columns = 4
    legend_px = _LEGEND_ROW_PX * math.ceil(len(names) / columns) + 34
    width, height = WIDTH * len(panels), HEIGHT + legend_px
    body = [
        f'<g transform="translate({index * WIDTH} 0)">{_panel(panel, colour)}</g>' for index, panel in enumerate(panels)
    ]
    for index, name in enumerate(names):
        x = _LEFT + index % columns * (width - _LEFT) / columns
        y = HEIGHT + 12 + index // columns * _LEGEND_ROW_PX
        body.append(
            f'<line x1="{x:.0f}" x2="{x + 22:.0f}" y1="{y}" y2="{y}" stroke="{colour[name]}" stroke-width="3"/>'
            f'<text x="{x + 28:.0f}" y="{y + 4}">{html.escape(name)}</text>'
        )
    body.append(f'<text x="{_LEFT}" y="{height - 8}" fill="#555">{html.escape(caption)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _panel(panel: Panel, colour: dict[str, str]) -> str:
    points = [curve for curve in panel.curves if not curve.is_level]
    least = min((value for curve in points for value in curve.bytes), default=1.0) / 1.15
    most = max((value for curve in points for value in curve.bytes), default=10.0) * 1.15
    errors = [value for curve in panel.curves for value in (*curve.low, *curve.high) if math.isfinite(value)]
    bottom, top = min(errors, default=0.0), max(errors, default=1.0)
    margin = 0.06 * (top - bottom or 1.0)
    bottom, top = max(0.0, bottom - margin), top + margin

    def x_of(value: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * math.log(value / least) / math.log(most / least)

    def y_of(value: float) -> float:
        return _TOP + (HEIGHT - _TOP - _BOTTOM) * (top - value) / (top - bottom)

    parts = [f'<text x="{_LEFT}" y="24" font-size="15" font-weight="bold">{html.escape(panel.title)}</text>']
    parts += [_y_axis(bottom, top, y_of), _x_axis(least, most, x_of)]
    parts.append(f'<text x="{_LEFT}" y="{_TOP - 8}" fill="#333">{html.escape(panel.y_label)}</text>')
    for curve in sorted(panel.curves, key=lambda each: each.is_main):
        parts.append(_level(curve, colour, y_of) if curve.is_level else _line(curve, colour, x_of, y_of))
    return "".join(parts)


def _line(curve: Curve, colour: dict[str, str], x_of: Place, y_of: Place) -> str:
    stroke, wide = colour[curve.name], 3.2 if curve.is_main else 1.7
    line = " ".join(f"{x_of(b):.1f},{y_of(e):.1f}" for b, e in zip(curve.bytes, curve.errors, strict=True))
    bars = "".join(
        f'<line x1="{x_of(b):.1f}" x2="{x_of(b):.1f}" y1="{y_of(low):.1f}" y2="{y_of(high):.1f}" stroke="{stroke}" '
        'stroke-opacity="0.45" stroke-width="1.4"/>'
        for b, low, high in zip(curve.bytes, curve.low, curve.high, strict=True)
        if math.isfinite(low) and math.isfinite(high)
    )
    dots = "".join(
        f'<circle cx="{x_of(b):.1f}" cy="{y_of(e):.1f}" r="{4.2 if curve.is_main else 3.2}" fill="{stroke}"/>'
        for b, e in zip(curve.bytes, curve.errors, strict=True)
    )
    return f'<polyline points="{line}" fill="none" stroke="{stroke}" stroke-width="{wide}"/>{bars}{dots}'


def _level(curve: Curve, colour: dict[str, str], y_of: Place) -> str:
    y, high, low = y_of(curve.errors[0]), y_of(curve.high[0]), y_of(curve.low[0])
    stroke = colour[curve.name]
    return (
        f'<rect x="{_LEFT}" width="{WIDTH - _LEFT - _RIGHT}" y="{high:.1f}" height="{max(low - high, 0):.1f}" '
        f'fill="{stroke}" fill-opacity="0.08"/>'
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{stroke}" stroke-dasharray="6 4"/>'
    )


def _y_axis(bottom: float, top: float, y_of: Place) -> str:
    step = _round_step((top - bottom) / 6)
    first = math.ceil(bottom / step - 1e-9)
    marks = [first + index for index in range(int((top - first * step) / step + 1e-9) + 1)]
    return "".join(
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y_of(m * step):.1f}" y2="{y_of(m * step):.1f}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 6}" y="{y_of(m * step) + 4:.1f}" text-anchor="end">{m * step:.4g}</text>'
        for m in marks
    )


def _x_axis(least: float, most: float, x_of: Place) -> str:
    marks = [1000 * step * 10**power for power in range(5) for step in (1, 2, 5)]
    ticks = "".join(
        f'<line x1="{x_of(m):.1f}" x2="{x_of(m):.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" stroke="#eee"/>'
        f'<text x="{x_of(m):.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{m / 1000:g}</text>'
        for m in marks
        if least <= m <= most
    )
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return (
        f'{ticks}<path d="M{_LEFT} {_TOP}V{HEIGHT - _BOTTOM}H{WIDTH - _RIGHT}" fill="none" stroke="#888"/>'
        f'<text x="{middle:.0f}" y="{HEIGHT - 14}" text-anchor="middle">kB into the network in the worst tick</text>'
    )


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, at least `rough`."""
    power = 10.0 ** math.floor(math.log10(max(rough, 1e-12)))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
