"""The range of one activation over many ticks: its extremes, or a part of them that loses less to rounding.

Histograms are added up tick by tick; no tensor is stored. Percentiles and entropy are computed as ONNX Runtime's own
calibrators do.
"""

from dataclasses import dataclass, field

import numpy as np
from onnxruntime.quantization.calibrate import HistogramCollector

from fsd.data.errors import ModelError
from fsd.export.config import RANGE_METHODS

BINS = {"percentile": 2048, "entropy": 512}
"""Of the histogram between minus and plus its reach; entropy compares as many ranges as half of its bins."""

QUANTIZED_BINS = 128
"""Levels that the entropy method compares with; ONNX Runtime's default."""


@dataclass(frozen=True)
class RangeMethod:
    """How a range is made: `minmax`, `percentile` (a share of values, in percent, lies inside) or `entropy`."""

    name: str = "minmax"
    percentile: float = 99.99

    def __post_init__(self) -> None:
        if self.name not in RANGE_METHODS:
            raise ValueError(f"method must be one of {', '.join(RANGE_METHODS)}; got {self.name!r}.")
        if not 0 < self.percentile <= 100:
            raise ValueError(f"percentile must be above 0 and at most 100, got {self.percentile}.")

    def __str__(self) -> str:
        return f"percentile {self.percentile:g}" if self.name == "percentile" else self.name


MIN_MAX = RangeMethod()


@dataclass
class ActivationRange:
    """Accumulates one tensor; `bounds` is its range."""

    method: RangeMethod
    lowest: float = np.inf
    highest: float = -np.inf
    reach: float = 0.0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)

    def add(self, values: np.ndarray, name: str) -> None:
        """Add a tensor of one tick; `name` is that of the tensor in errors.

        Raises:
            ModelError: a value is not finite.
        """
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(low) or not np.isfinite(high):
            raise ModelError(
                f"The tensor {name} holds values that are not finite on these clips, so it has no range. Leave the "
                "nodes around it in float with `--exclude`, or use finite masks."
            )
        self.lowest, self.highest = min(self.lowest, low), max(self.highest, high)
        if self.method.name != "minmax":
            self._count(values, max(abs(low), abs(high)))

    def merge(self, other: "ActivationRange") -> None:
        """Add the values of another range by the same method: counts at the centres of their bins."""
        self.lowest, self.highest = min(self.lowest, other.lowest), max(self.highest, other.highest)
        if not self.reach:
            self.reach, self.counts = other.reach, other.counts
        elif other.reach:
            while self.reach < other.reach:
                self._double()
            bins = self.counts.size
            centres = ((np.arange(bins) + 0.5) * 2 / bins - 1) * other.reach
            added = np.histogram(centres, bins, (-self.reach, self.reach), weights=other.counts)[0]
            self.counts = self.counts + added.astype(np.int64)

    def bounds(self) -> tuple[float, float]:
        """(lowest, highest) to be represented; zeros without a value."""
        if self.lowest > self.highest:
            return 0.0, 0.0
        if self.method.name == "minmax" or self.reach == 0:
            return self.lowest, self.highest
        edges = np.linspace(-self.reach, self.reach, self.counts.size + 1).astype(np.float32)
        low, high = self._percentile(edges) if self.method.name == "percentile" else self._entropy(edges)
        return max(low, self.lowest), min(high, self.highest)

    def _count(self, values: np.ndarray, largest: float) -> None:
        bins = BINS[self.method.name]
        if self.reach == 0:
            self.counts, self.reach = np.zeros(bins, np.int64), largest
        while self.reach and largest > self.reach:
            self._double()
        if self.reach:
            self.counts += np.histogram(values, bins, (-self.reach, self.reach))[0]

    def _double(self) -> None:
        """Double the reach; bins merge in pairs, so that no count is lost."""
        merged = self.counts.reshape(-1, 2).sum(axis=1)
        self.counts = np.pad(merged, self.counts.size // 4)
        self.reach *= 2

    def _percentile(self, edges: np.ndarray) -> tuple[float, float]:
        """As in `HistogramCollector.compute_percentile`, which prints."""
        below = np.cumsum(self.counts / self.counts.sum())
        cut = (100.0 - self.method.percentile) / 200.0
        return float(edges[np.searchsorted(below, cut)]), float(edges[np.searchsorted(below, 1.0 - cut)])

    def _entropy(self, edges: np.ndarray) -> tuple[float, float]:
        collector = HistogramCollector("entropy", False, edges.size - 1, QUANTIZED_BINS, self.method.percentile, "same")
        extremes = np.float32(self.lowest), np.float32(self.highest)
        low, high = collector.get_entropy_threshold((self.counts, edges, *extremes), QUANTIZED_BINS)[:2]
        return float(low), float(high)
