"""Totals of a whole run from its tables, with memory that does not grow with the ticks: counts in bins, and the worst.

Quantiles are those of bins that are 2.3% wide.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from fsd.fleet.places import Place
from fsd.fleet.tables import read_rows, read_unit_rows

PLANNER_ERRORS = {
    "network": "ade_3s_m",
    "constant velocity": "constant_velocity_ade_3s_m",
    "hold last": "hold_last_ade_3s_m",
}
"""Planner -> its error of a tick."""
SPEED_BANDS_MPS = (0.0, 0.5, 5.0, 10.0, 15.0, 20.0, 30.0)
EDGES_M = np.geomspace(0.001, 1000, 601)
WORST = 50


@dataclass
class ErrorCounts:
    """Errors of ticks: how many lie in each bin of `EDGES_M`, and their sum."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(len(EDGES_M) + 1, np.int64))
    total_m: float = 0.0

    def add(self, errors_m: np.ndarray) -> None:
        """Count (T,) errors; NaN is left out."""
        known = errors_m[np.isfinite(errors_m)]
        self.counts += np.bincount(np.searchsorted(EDGES_M, known), minlength=len(self.counts))
        self.total_m += float(known.sum())

    @property
    def ticks(self) -> int:
        """How many were counted."""
        return int(self.counts.sum())

    @property
    def mean_m(self) -> float:
        """Mean over all ticks; NaN without any."""
        return self.total_m / self.ticks if self.ticks else float("nan")

    def shares(self) -> np.ndarray:
        """(601,) share of the ticks whose error is at most each of `EDGES_M`."""
        return np.cumsum(self.counts)[:-1] / max(1, self.ticks)

    def quantile_m(self, share: float) -> float:
        """The upper edge of the bin that this share of the ticks reaches."""
        return float(EDGES_M[min(int(np.searchsorted(self.shares(), share)), len(EDGES_M) - 1)])


class WorstMoment(NamedTuple):
    """A worst tick of a recording: `number` is that of its picture in the recording's report."""

    error_m: float
    key: str
    number: int
    tick: int
    time_s: float
    measure: str


@dataclass
class RunTotals:
    """What the ticks of a run sum up to.

    Attributes:
        planners: planner -> errors. speeds, modes: band of speed, driving mode -> planner -> errors.
        cameras: usable cameras -> (ticks, deadline misses).
    """

    planners: dict[str, ErrorCounts] = field(default_factory=dict)
    speeds: dict[str, dict[str, ErrorCounts]] = field(default_factory=dict)
    modes: dict[str, dict[str, ErrorCounts]] = field(default_factory=dict)
    camera_ticks: Counter[int] = field(default_factory=Counter)
    camera_misses: Counter[int] = field(default_factory=Counter)

    def add(self, ticks: pa.Table) -> None:
        """Count the ticks of one recording."""
        errors = {name: _floats(ticks, column) for name, column in PLANNER_ERRORS.items()}
        speed_mps = _floats(ticks, "speed_mps")
        modes = np.array([mode or "unknown" for mode in ticks["driving_mode"].to_pylist()])
        groups = [(self.planners, np.ones(len(modes), bool))]
        with np.errstate(invalid="ignore"):
            bands = np.where(np.isfinite(speed_mps), np.searchsorted(SPEED_BANDS_MPS[1:], speed_mps, "right"), -1)
        groups += [
            (self.speeds.setdefault(speed_band(band), {}), bands == band) for band in np.unique(bands) if band >= 0
        ]
        groups += [(self.modes.setdefault(str(mode), {}), modes == mode) for mode in np.unique(modes)]
        for counts, rows in groups:
            for name, values in errors.items():
                counts.setdefault(name, ErrorCounts()).add(values[rows])
        cameras, misses = (np.asarray(ticks[name]) for name in ("cameras", "deadline_missed"))
        self.camera_ticks.update(cameras.tolist())
        self.camera_misses.update(cameras[misses].tolist())


def speed_band(band: int) -> str:
    """`5 to 10 m/s` of a band."""
    last = len(SPEED_BANDS_MPS) - 1
    low = f"{SPEED_BANDS_MPS[band]:g}"
    return f"over {low} m/s" if band == last else f"{low} to {SPEED_BANDS_MPS[band + 1]:g} m/s"


def run_totals(out: Place, run: str) -> RunTotals:
    """Sum up the ticks of a run, one recording in memory at a time."""
    totals = RunTotals()
    columns = ["speed_mps", "driving_mode", "cameras", "deadline_missed", *PLANNER_ERRORS.values()]
    for ticks in read_rows(out, "ticks", run, columns):
        totals.add(ticks)
    return totals


def worst_moments(out: Place, run: str, count: int = WORST) -> list[WorstMoment]:
    """The worst of the recordings' worst ticks, the worst first: by error where any is known, else by uncertainty."""
    worst: dict[str, list[WorstMoment]] = {"error": [], "uncertainty": []}
    for rows in read_rows(out, "worst_ticks", run, list(WorstMoment._fields)):
        for row in rows.to_pylist():
            moment = WorstMoment(**row)
            heap = worst[moment.measure]
            (heapq.heappush if len(heap) < count else heapq.heappushpop)(heap, moment)
    return sorted(worst["error"] or worst["uncertainty"], reverse=True)


def thumbnails(out: Place, run: str, moments: Sequence[WorstMoment]) -> Iterator[tuple[WorstMoment, bytes]]:
    """The small JPEG of every moment."""
    for moment in moments:
        for rows in read_unit_rows(out, "worst_ticks", run, moment.key, ["number", "image"]):
            images = dict(zip(rows["number"].to_pylist(), rows["image"].to_pylist(), strict=True))
            if moment.number in images:
                yield moment, images[moment.number]


def _floats(table: pa.Table, name: str) -> np.ndarray:
    """(T,) values, NaN for null."""
    return np.asarray(table[name].to_numpy(zero_copy_only=False), np.float64)
