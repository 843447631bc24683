"""Displacement errors of plans, losses and their intervals. Pure arithmetic.

An error is the mean distance between two plans over the waypoints of the first 1, 2 or 3 s (ADE). Intervals resample
drives, not ticks, because neighbouring ticks are nearly the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from fsd.networks.contract import WAYPOINT_STEP_S

HORIZONS_S = (1, 2, 3)
RESAMPLES = 2000


def ade_m(plans: np.ndarray, truth: np.ndarray, horizon_s: int) -> np.ndarray:
    """(…,) mean distance in metres between (…, 16, 4) plans and a truth, over the waypoints up to a horizon."""
    count = round(horizon_s / WAYPOINT_STEP_S)
    offset = plans[..., :count, :2] - truth[..., :count, :2]
    return np.hypot(offset[..., 0], offset[..., 1]).mean(axis=-1)


@dataclass(frozen=True)
class ErrorTable:
    """Errors of all variants at one horizon, against one truth.

    Attributes:
        by_tick: one (V, R) array per drive, R ticks.
        scenario: (D,) scenario of every drive.
    """

    by_tick: tuple[np.ndarray, ...]
    scenario: tuple[str, ...]

    @property
    def by_drive(self) -> np.ndarray:
        """(V, D) mean error of every drive."""
        return np.stack([errors.mean(axis=1) for errors in self.by_tick], axis=1)

    @property
    def mean(self) -> np.ndarray:
        """(V,) mean over drives; every drive has the same weight."""
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


def interval(
    statistic: Callable[..., Any], *samples: np.ndarray, resamples: int = RESAMPLES, is_vectorized: bool = True
) -> tuple[float, float]:
    """95% percentile bootstrap interval of a statistic of one or more (D,) samples.

    The samples are paired: every resample takes the same drives from each. The seed is fixed, so all variants see the
    same resamples.

    Args:
        statistic: maps the samples to a number; with `is_vectorized` it also takes `axis`.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if len(samples[0]) < 2:  # SciPy refuses a single observation
        value = float(statistic(*samples))
        return value, value
    found = bootstrap(
        samples,
        statistic,
        paired=True,
        vectorized=is_vectorized,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def loss(by_drive: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """How much larger (D,) errors are than a reference's on the same drives, as a share, with its paired interval."""

    def share(errors: np.ndarray, others: np.ndarray, axis: int = -1) -> Any:
        return errors.mean(axis) / others.mean(axis) - 1.0

    low, high = interval(share, by_drive, reference)
    return {"loss": float(share(by_drive, reference)), "low": low, "high": high}


def summarise(tables: dict[int, ErrorTable], variant: int) -> dict[str, Any]:
    """All metrics of one variant against one truth, by horizon."""
    found: dict[str, Any] = {}
    for horizon_s, table in tables.items():
        scenario, worst = table.worst_scenario()[variant]
        low, high = interval(np.mean, table.by_drive[variant])
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
    """Errors by horizon of the drives' plans (V, R, 16, 4) against truths (R, 16, 4)."""
    return {
        horizon_s: ErrorTable(
            tuple(ade_m(drive, truth[None], horizon_s) for drive, truth in zip(plans, truths, strict=True)),
            tuple(scenarios),
        )
        for horizon_s in HORIZONS_S
    }
