"""The card of a network: errors beside baselines, by bins, without some inputs, and its uncertainty.

Collects errors stretch by stretch, a few hundred bytes per tick. Every planner is scored over the same ticks.
"""

from collections.abc import Mapping

import numpy as np

from fsd.evaluate.intervals import DriveBootstrap
from fsd.evaluate.measures import ACCELERATION, COLUMNS, CURVATURE, STATED, STEERING, Errors
from fsd.networks.drives.clip_builder import EDGES
from fsd.outputs.evaluate_summary import BinScores, Estimate, Scores, StatedUncertainty, WithheldScores

NETWORK = "network"

METRICS: dict[str, tuple[str, bool]] = {
    **{name: (name, False) for name in COLUMNS if name.endswith("_m") and name != CURVATURE},
    "curvature_mae_per_m": (CURVATURE, False),
    "curvature_rmse_per_m": (CURVATURE, True),
    "acceleration_mae_mps2": (ACCELERATION, False),
    "steering_wheel_rmse_rad": (STEERING, True),
}
"""Metric -> its column, and whether it is a root mean square in place of a mean."""

BIN_METRICS = ("ade_3s_m", "curvature_mae_per_m", "acceleration_mae_mps2")

NOMINAL = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


class Card:
    """Errors of all scored ticks so far."""

    def __init__(self) -> None:
        self._drives: dict[str, int] = {}
        self._drive: list[np.ndarray] = []
        self._errors: dict[str, list[Errors]] = {}
        self._ratios: list[Errors] = []
        self._speed_mps: list[np.ndarray] = []
        self._curvature: list[np.ndarray] = []

    def add(
        self,
        drive: str,
        speed_mps: np.ndarray,
        curvature_per_m: np.ndarray,
        planners: Mapping[str, Errors],
        ratios: Errors,
    ) -> None:
        """Add the scored ticks of a stretch: (T,) each; `planners` must be the same each time."""
        index = self._drives.setdefault(drive, len(self._drives))
        self._drive.append(np.full(len(speed_mps), index))
        self._speed_mps.append(speed_mps)
        self._curvature.append(np.abs(curvature_per_m))
        self._ratios.append({name: values.astype(np.float32) for name, values in ratios.items()})
        for name, errors in planners.items():
            self.add_withheld(name, errors)

    def add_withheld(self, name: str, errors: Errors) -> None:
        """Add what a run without some inputs has at the scored ticks of a stretch, in the same order."""
        self._errors.setdefault(name, []).append({each: values.astype(np.float32) for each, values in errors.items()})

    def tables(self, baselines: tuple[str, ...] = ()) -> "CardTables":
        """What can be said of the stretches for which all runs were added; `baselines` are those that were added."""
        runs = {name: parts for name, parts in self._errors.items() if name not in (NETWORK, *baselines)}
        stretches = min([len(self._drive), *(len(parts) for parts in runs.values())])
        columns = {
            name: {column: _joined([part[column] for part in parts[:stretches]]) for column in COLUMNS}
            for name, parts in self._errors.items()
        }
        return CardTables(
            DriveBootstrap(_joined(self._drive[:stretches]).astype(np.int64)),
            _at_common_ticks(columns),
            tuple(name for name in baselines if name in columns),
            {name: _joined([part[name] for part in self._ratios[:stretches]]) for name in STATED},
            _joined(self._speed_mps[:stretches]),
            _joined(self._curvature[:stretches]),
        )


class CardTables:
    """Estimates of all scored ticks.

    Attributes:
        planners, gains: as of `DatasetRun`.
    """

    def __init__(
        self,
        bootstrap: DriveBootstrap,
        columns: dict[str, Errors],
        baselines: tuple[str, ...],
        ratios: Errors,
        speed_mps: np.ndarray,
        curvature_per_m: np.ndarray,
    ) -> None:
        self._bootstrap, self._columns, self._baselines = bootstrap, columns, baselines
        self._ratios, self._speed_mps, self._curvature = ratios, speed_mps, curvature_per_m
        planners = [name for name in (NETWORK, *baselines) if name in columns]
        self.planners = {name: self._scores(columns[name]) for name in planners}
        self.gains = {name: self._differences(NETWORK, name) for name in planners[1:]}

    def withheld(self, descriptions: Mapping[str, str]) -> dict[str, WithheldScores]:
        """Name of a run without some inputs -> its scores."""
        return {
            name: WithheldScores(
                description=text, scores=self._scores(self._columns[name]), losses=self._differences(name, NETWORK)
            )
            for name, text in descriptions.items()
            if name in self._columns
        }

    def speed_bins(self) -> tuple[BinScores, ...]:
        return self._bins(self._speed_mps, EDGES["speed_mps"])

    def curvature_bins(self) -> tuple[BinScores, ...]:
        edges = EDGES["curvature_per_m"]
        return self._bins(self._curvature, (0.0, *(edge for edge in edges if edge > 0)))

    def uncertainty(self) -> dict[str, StatedUncertainty]:
        """Output -> how its stated scale fits its errors; those without a known error are left out."""
        within = -np.log1p(-np.array(NOMINAL))  # of a Laplace distribution of scale 1
        found = {}
        for name, ratio in self._ratios.items():
            mean = self._bootstrap.mean(ratio)
            if mean is not None:
                known = ratio[np.isfinite(ratio)]
                covered = tuple(round(float((known <= limit).mean()), 4) for limit in within)
                found[name] = StatedUncertainty(mean_ratio=mean, covered=covered)
        return found

    def _scores(self, errors: Errors, metrics: tuple[str, ...] = tuple(METRICS)) -> Scores:
        found = ((name, self._bootstrap.mean(errors[METRICS[name][0]], METRICS[name][1])) for name in metrics)
        return _known(dict(found))

    def _differences(self, one: str, other: str) -> Scores:
        """Means of one error minus the other at each tick."""
        names = (name for name, (_, is_rms) in METRICS.items() if not is_rms)
        columns = ((name, METRICS[name][0]) for name in names)
        return _known(
            {
                name: self._bootstrap.mean(self._columns[one][column] - self._columns[other][column])
                for name, column in columns
            }
        )

    def _bins(self, values: np.ndarray, edges: tuple[float, ...]) -> tuple[BinScores, ...]:
        """Values beyond the last edge are in the last bin; ticks without a value are in none."""
        found = []
        number = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
        for index, low in enumerate(edges[:-1]):
            inside = (number == index) & np.isfinite(values)
            if not inside.any():
                continue
            high = edges[index + 1] if index < len(edges) - 2 else None
            planners = {
                name: self._scores(
                    {column: np.where(inside, errors, np.nan) for column, errors in self._columns[name].items()},
                    BIN_METRICS,
                )
                for name in self.planners
            }
            counted = self._bootstrap.mean(np.where(inside, 0.0, np.nan))
            drives = 0 if counted is None else counted.drives
            found.append(BinScores(low=low, high=high, ticks=int(inside.sum()), drives=drives, planners=planners))
        return tuple(found)


def _at_common_ticks(columns: dict[str, Errors]) -> dict[str, Errors]:
    """NaN at ticks where a planner has no error that has one elsewhere, so that means are over the same ticks."""
    for column in COLUMNS:
        known = [np.isfinite(errors[column]) for errors in columns.values()]
        common = np.all([each for each in known if each.any()] or known, axis=0)
        for errors in columns.values():
            errors[column] = np.where(common, errors[column], np.nan)
    return columns


def _known(found: dict[str, Estimate | None]) -> Scores:
    return {name: each for name, each in found.items() if each is not None}


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)
