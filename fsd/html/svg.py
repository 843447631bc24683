"""Small charts as inline SVG: axes, lines, bars, points. Colours come from CSS classes, so a page can be light or dark.

Knows nothing of profiles.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

import numpy as np

LEFT, RIGHT, TOP, BOTTOM = 76, 16, 14, 42


@dataclass(frozen=True)
class Axis:
    """Range and label of an axis; `is_log` draws it in decades."""

    label: str
    low: float
    high: float
    is_log: bool = False
    ticks: Sequence[tuple[float, str]] | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.is_log and self.low <= 0):
            raise ValueError(f"Axis {self.label!r} runs from {self.low} to {self.high}, which cannot be drawn.")

    def place(self, value: float) -> float:
        """Where a value lies between 0 and 1, held to that range."""
        if self.is_log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)

    def marks(self) -> Sequence[tuple[float, str]]:
        """(value, text) of the ticks."""
        if self.ticks is not None:
            return self.ticks
        if self.is_log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [(10.0**power, _decade(power)) for power in range(first, last + 1)]
        step = _round_step((self.high - self.low) / 5)
        count = math.floor((self.high - self.low) / step + 1e-9)
        start = math.ceil(self.low / step - 1e-9) * step
        values = (start + index * step for index in range(count + 1))
        return [(value, f"{value:g}") for value in values if value <= self.high + 1e-9]


@dataclass
class Chart:
    """Draw with the methods below, then turn it into text with `svg`."""

    x: Axis
    y: Axis
    title: str
    width: int = 640
    height: int = 260
    _parts: list[str] = field(default_factory=list)

    def line(self, xs: Sequence[float], ys: Sequence[float], css: str) -> None:
        """A line through the points."""
        points = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in zip(xs, ys, strict=True))
        self._parts.append(f'<polyline class="{css}" points="{points}"/>')

    def bar(self, left: float, right: float, low: float, high: float, css: str, tip: str = "") -> None:
        """A rectangle between two x and two y values."""
        x, y = self._x(left), self._y(high)
        width, height = max(self._x(right) - x, 0.5), max(self._y(low) - y, 0.0)
        self._parts.append(
            f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">{_tip(tip)}</rect>'
        )

    def points(self, xs: Sequence[float], ys: Sequence[float], css: str, radius: float = 1.5) -> None:
        """Dots, as one path: thousands of them stay small."""
        path = "".join(f"M{self._x(x):.1f} {self._y(y):.1f}h0" for x, y in zip(xs, ys, strict=True))
        self._parts.append(f'<path class="{css}" d="{path}" stroke-width="{2 * radius}" stroke-linecap="round"/>')

    def text(self, x: float, y: float, text: str, css: str = "label", anchor: str = "start") -> None:
        """Words at a place."""
        place = f'x="{self._x(x):.1f}" y="{self._y(y):.1f}"'
        self._parts.append(f'<text class="{css}" {place} text-anchor="{anchor}">{escape(text)}</text>')

    def rule(self, x: float | None = None, y: float | None = None, css: str = "limit") -> None:
        """A straight line across the chart at one x or one y."""
        if x is not None:
            self.line([x, x], [self.y.low, self.y.high], css)
        if y is not None:
            self.line([self.x.low, self.x.high], [y, y], css)

    def svg(self) -> str:
        """The chart, frame and axes included."""
        right, bottom = self.width - RIGHT, self.height - BOTTOM
        frame = [f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>']
        for value, text in self.x.marks():
            frame.append(
                f'<text class="tick" x="{self._x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>'
            )
        for value, text in self.y.marks():
            y = self._y(value)
            frame.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
            frame.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>')
        middle = (LEFT + right) / 2
        frame.append(
            f'<text class="label" x="{middle}" y="{self.height - 6}" text-anchor="middle">{escape(self.x.label)}</text>'
        )
        height = (TOP + bottom) / 2
        frame.append(
            f'<text class="label" x="14" y="{height}" text-anchor="middle" transform="rotate(-90 14 {height})">'
            f"{escape(self.y.label)}</text>"
        )
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(self.title)}">'
            f"<title>{escape(self.title)}</title>{''.join(frame)}{''.join(self._parts)}</svg>"
        )

    def _x(self, value: float) -> float:
        return LEFT + self.x.place(float(value)) * (self.width - LEFT - RIGHT)

    def _y(self, value: float) -> float:
        return TOP + (1 - self.y.place(float(value))) * (self.height - TOP - BOTTOM)


def thinned(xs: np.ndarray, ys: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most about `most` points: the highest of each stretch, so that no peak is lost."""
    if len(xs) <= most:
        return xs, ys
    edges = np.linspace(0, len(xs), most + 1).astype(int)
    peaks = np.array([low + int(np.argmax(ys[low:high])) for low, high in pairwise(edges)])
    return xs[peaks], ys[peaks]


def _tip(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step - 1e-12)


def _decade(power: int) -> str:
    return f"{10.0**power:g}" if -3 <= power <= 4 else f"1e{power}"
