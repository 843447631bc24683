"""Records of single hazards to metrics per policy: latency percentiles and recall. Pure arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SETTLED_TICKS = 54
"""A hazard that is visible before this tick of a drive has no appearance: it was there when the recording began."""


@dataclass(frozen=True)
class HazardMetrics:
    """Metrics of one policy.

    Attributes:
        appearance_ticks, onset_ticks: latency of every event; inf if the hazard was seen for more than `bound_ticks`
            ticks and no patch showed it.
        too_short: events that ended sooner without being shown; they are counted only here.
        hazard_ticks: ticks over which recall is computed.
        recall, recall_same_tick: as `rate_distortion.hazards` defines them.
    """

    appearance_ticks: np.ndarray
    onset_ticks: np.ndarray
    too_short: int
    hazard_ticks: int
    recall: float
    recall_same_tick: float

    @property
    def latency_ticks(self) -> np.ndarray:
        """Latencies of all appearances and all onsets."""
        return np.concatenate([self.appearance_ticks, self.onset_ticks])

    def to_dict(self) -> dict[str, Any]:
        """The metrics as JSON values."""
        latencies = {"appearance": self.appearance_ticks, "onset": self.onset_ticks, "all": self.latency_ticks}
        return {
            "recall": self.recall,
            "recall_same_tick": self.recall_same_tick,
            "hazard_ticks": self.hazard_ticks,
            "too_short": self.too_short,
            "latency_ticks": {name: _percentiles(values) for name, values in latencies.items()},
        }


def hazard_metrics(records: Sequence[dict[str, Any]], policy: str, bound_ticks: int) -> HazardMetrics:
    """Summarise hazards; `rate_distortion.hazards` defines the records and the terms."""
    appearance: list[float] = []
    onset: list[float] = []
    too_short = ticks = recalled = same_tick = 0
    for record in records:
        if record["appears"] is None:
            continue
        seen, shown = np.array(record["ticks"]), np.array(record["shown"][policy])
        for begin, latencies in ((record["appears"], appearance), (record["onset"], onset)):
            if begin is None or begin < SETTLED_TICKS:
                continue
            latency_ticks = latency(begin, seen, shown, bound_ticks)
            if latency_ticks is None:
                too_short += 1
            else:
                latencies.append(latency_ticks)
        counted = np.array(record["dangerous"], bool) & (seen >= SETTLED_TICKS)
        ticks += int(counted.sum())
        same_tick += int((shown == seen)[counted].sum())
        recalled += int((seen - np.maximum.accumulate(shown) <= bound_ticks)[counted].sum())
    share = math.nan if ticks == 0 else 1.0 / ticks
    return HazardMetrics(np.array(appearance), np.array(onset), too_short, ticks, recalled * share, same_tick * share)


def latency(begin: int, seen: np.ndarray, shown: np.ndarray, bound_ticks: int) -> float | None:
    """Ticks from `begin` to the first patch of a picture taken since.

    Args:
        begin: a tick.
        seen: (n,) rising ticks at which the hazard was seen; shown: (n,) when the newest picture that shows it was
            taken, -1 for none.
        bound_ticks: how long somebody must be seen to count as overlooked.

    Returns:
        inf if it was overlooked, None if it ended, not shown, before it counts as that.
    """
    is_shown = (seen >= begin) & (shown >= begin)
    if is_shown.any():
        return float(seen[is_shown.argmax()] - begin)
    return math.inf if seen[-1] - begin > bound_ticks else None


def _percentiles(values: np.ndarray) -> dict[str, Any]:
    """Nearest-rank percentiles: interpolation would turn one infinite latency into several."""
    if not len(values):
        return {"events": 0, "p50": None, "p99": None, "worst": None, "never": 0}
    ordered = np.sort(values)

    def rank(share: float) -> float | None:
        value = ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]
        return float(value) if np.isfinite(value) else None

    return {
        "events": len(values),
        "p50": rank(0.5),
        "p99": rank(0.99),
        "worst": rank(1.0),
        "never": int(np.isinf(values).sum()),
    }
