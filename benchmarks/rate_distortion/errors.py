"""From plans to figures: displacement errors, losses and their intervals, rate-distortion curves. Pure arithmetic.

An error is the mean distance between two plans over the waypoints of the first 1, 2 or 3 s (ADE). Drives are what is
resampled, never ticks: neighbouring ticks are nearly the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsd.networks.contract import WAYPOINT_STEP_S

HORIZONS_S = (1, 2, 3)
RESAMPLES = 2000


def ade_m(plans: np.ndarray, truth: np.ndarray, horizon_s: int) -> np.ndarray:
    """(…,) mean distance in metres of (…, 16, 4) plans from a truth over the waypoints until a horizon."""
    count = round(horizon_s / WAYPOINT_STEP_S)
    offset = plans[..., :count, :2] - truth[..., :count, :2]
    return np.hypot(offset[..., 0], offset[..., 1]).mean(axis=-1)


@dataclass(frozen=True)
class ErrorTable:
    """Errors of all variants at one horizon, against one truth.

    `by_tick` holds (V, R) arrays, one a drive; `by_drive` (V, D) their means; `scenario` (D,) names.
    """

    by_tick: tuple[np.ndarray, ...]
    scenario: tuple[str, ...]

    @property
    def by_drive(self) -> np.ndarray:
        """(V, D) mean error of every drive."""
        return np.stack([errors.mean(axis=1) for errors in self.by_tick], axis=1)

    @property
    def mean(self) -> np.ndarray:
        """(V,) mean over drives, every drive counting the same."""
        return self.by_drive.mean(axis=1)

    @property
    def p95(self) -> np.ndarray:
        """(V,) 95th percentile over all ticks."""
        return np.percentile(np.concatenate(self.by_tick, axis=1), 95, axis=1)

    def worst_scenario(self) -> list[tuple[str, float]]:
        """For every variant, the scenario with the highest mean error, and that error."""
        names = sorted(set(self.scenario))
        drives = self.by_drive
        means = np.stack([drives[:, [name == other for other in self.scenario]].mean(axis=1) for name in names], axis=1)
        return [(names[index], float(row[index])) for row, index in zip(means, means.argmax(axis=1), strict=True)]


def resampled_drives(count: int, seed: int = 0) -> np.ndarray:
    """(`RESAMPLES`, count) indices of drives, drawn with replacement; the same for all variants, so pairs stay pairs.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    return np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))


def interval(values: np.ndarray) -> tuple[float, float]:
    """2.5 and 97.5 percentiles of resampled figures; not-a-numbers are left out."""
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def mean_interval(by_drive: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """95% interval of the mean of (D,) errors."""
    return interval(by_drive[drawn].mean(axis=1))


def loss(by_drive: np.ndarray, reference: np.ndarray, drawn: np.ndarray) -> dict[str, Any]:
    """How much larger an error is than a reference's on the same drives, as a share, with its paired interval.

    Args:
        by_drive, reference: (D,) errors; drawn: of `resampled_drives`.
    """
    share = by_drive.mean() / reference.mean() - 1.0
    low, high = interval(by_drive[drawn].mean(axis=1) / reference[drawn].mean(axis=1) - 1.0)
    return {"loss": float(share), "low": low, "high": high}


def summarise(tables: dict[int, ErrorTable], variant: int, drawn: np.ndarray) -> dict[str, Any]:
    """All figures of one variant against one truth, by horizon."""
    found: dict[str, Any] = {}
    for horizon_s, table in tables.items():
        scenario, worst = table.worst_scenario()[variant]
        low, high = mean_interval(table.by_drive[variant], drawn)
        found[f"ade_{horizon_s}s_m"] = {
            "mean": float(table.mean[variant]),
            "low": low,
            "high": high,
            "p95": float(table.p95[variant]),
            "worst_scenario": scenario,
            "worst_scenario_mean": worst,
        }
    return found


def error_tables(
    plans: Sequence[np.ndarray], truths: Sequence[np.ndarray], scenarios: Sequence[str]
) -> dict[int, ErrorTable]:
    """Errors by horizon of drives' plans (V, R, 16, 4) against truths (R, 16, 4)."""
    return {
        horizon_s: ErrorTable(
            tuple(ade_m(drive, truth[None], horizon_s) for drive, truth in zip(plans, truths, strict=True)),
            tuple(scenarios),
        )
        for horizon_s in HORIZONS_S
    }
