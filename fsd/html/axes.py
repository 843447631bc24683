"""Axes of a chart, linear or logarithmic, with round ticks; and thinning of long series."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

MAX_POINTS = 480
"""Most points of a line."""


@dataclass(frozen=True)
class Axis:
    """Range and label of an axis; `is_log` makes it logarithmic, `ticks` (value, text) replace round numbers."""

    label: str
    low: float
    high: float
    is_log: bool = False
    ticks: Sequence[tuple[float, str]] | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.is_log and self.low <= 0):
            raise ValueError(f"Axis {self.label!r} runs from {self.low} to {self.high}, which cannot be drawn.")

    @classmethod
    def from_zero(cls, label: str, top: float) -> "Axis":
        """From 0 to the next round number at or above `top`."""
        if not math.isfinite(top) or top <= 0:
            return cls(label, 0.0, 1.0)
        step = round_step(top / 4)
        return cls(label, 0.0, step * math.ceil(top / step - 1e-9))

    def percent(self, values: np.ndarray | float) -> np.ndarray:
        """Positions of values along the axis, 0 to 100, clipped to that range; NaN stays NaN."""
        values = np.asarray(values, np.float64)
        if self.is_log:
            share = np.log(np.maximum(values, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (values - self.low) / (self.high - self.low)
        return np.clip(share, 0.0, 1.0) * 100

    def marks(self, count: int = 4) -> Sequence[tuple[float, str]]:
        """(value, text) of the ticks, about `count` on a linear axis."""
        if self.ticks is not None:
            return self.ticks
        if self.is_log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [(10.0**power, _decade(power)) for power in range(first, last + 1)]
        step = round_step((self.high - self.low) / count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(index * step, f"{index * step:g}") for index in range(first, last + 1)]


def round_step(rough: float) -> float:
    """The next larger 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def thinned(values: np.ndarray, points: int = MAX_POINTS, keep_peaks: bool = False) -> np.ndarray:
    """At most `points` values: means, or largest values, of equal sections of (T,) values; NaN is left out.

    All sections have the same length. Cutting 396 ticks into 240 parts would mix sections of one tick and of two, and
    the same value would look different in them.
    """
    values = np.asarray(values, np.float64)
    if len(values) <= points:
        return values
    take = np.max if keep_peaks else np.mean
    sections = np.array_split(values, len(values) // -(-len(values) // points))
    return np.array([take(known) if len(known := part[np.isfinite(part)]) else np.nan for part in sections])


def thinned_runs(
    values: np.ndarray,
    run: np.ndarray | None,
    keep_peaks: bool = False,
    gap: Callable[[float, float], float] = lambda before, after: math.nan,
) -> np.ndarray:
    """As `thinned`, each run by itself, with one value between two runs.

    Args:
        values: (T,); run: (T,) number of the run; None is one run. gap: the value in between, from its neighbours.
    """
    ends = np.flatnonzero(np.diff(np.zeros(len(values)) if run is None else run)) + 1
    if not len(ends):
        return thinned(values, keep_peaks=keep_peaks)
    parts: list[np.ndarray] = []
    for part in np.split(np.asarray(values, np.float64), ends):
        if parts:
            parts.append(np.array([gap(float(parts[-1][-1]), float(part[0]))]))
        parts.append(thinned(part, max(2, round(MAX_POINTS * len(part) / len(values))), keep_peaks))
    return np.concatenate(parts)


def _decade(power: int) -> str:
    return f"{10.0**power:g}" if -3 <= power <= 4 else f"1e{power}"
