"""The driving plan of one tick: `Plan`, the program's final result.

Values only: it does not know how they are computed, scored or written.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Plan:
    """The driving plan of one tick, in the ego frame of that tick (ISO 8855: x forward, y left).

    Attributes:
        trajectory: (16, 4) float32, x m, y m, yaw rad, v m/s at 0.25 … 4.00 s.
        trajectory_scale: (16, 4) float32, Laplace scale of the same, same units.
        curvature_per_m, acceleration_mps2: to apply now; curvature is left positive.
        lead_distance_m, lead_probability, light_probabilities (none, green, yellow, red): what the network detects;
            no control depends on them.
        health: `ok`, or the faults that the plan was made with, `;`-separated: `missing=rear`, `stale=…`,
            `frozen=…`, `masked=…`, `no_ego`, `plan=held` or `plan=stop` (the network's output was not
            finite, or one that no vehicle could follow, and was replaced).
        hypothesis: (M,) float32, probability of each way to go on that the network considered, and hypothesis_speed_mps
            (M, 17) its speed at 0, 0.25 … 4.00 s; None for networks without, and where the plan is one to stop.
    """

    tick: int
    timestamp_ns: int
    trajectory: np.ndarray
    trajectory_scale: np.ndarray
    curvature_per_m: float
    curvature_scale_per_m: float
    acceleration_mps2: float
    acceleration_scale_mps2: float
    lead_distance_m: float
    lead_probability: float
    light_probabilities: np.ndarray
    health: str
    hypothesis: np.ndarray | None = None
    hypothesis_speed_mps: np.ndarray | None = None

    @classmethod
    def from_outputs(cls, tick: int, timestamp_ns: int, outputs: Mapping[str, np.ndarray], health: str) -> "Plan":
        """Copy a plan out of the engine's output buffers."""
        light = np.exp(outputs["light"] - outputs["light"].max())
        # A plan to stop has none: all its other outputs are zero.
        has_hypotheses = "hypothesis" in outputs and bool(outputs["hypothesis"].any())
        return cls(
            tick=tick,
            timestamp_ns=timestamp_ns,
            trajectory=outputs["trajectory"].copy(),
            trajectory_scale=outputs["trajectory_scale"].copy(),
            curvature_per_m=float(outputs["curvature"][0]),
            curvature_scale_per_m=float(outputs["curvature_scale"][0]),
            acceleration_mps2=float(outputs["acceleration"][0]),
            acceleration_scale_mps2=float(outputs["acceleration_scale"][0]),
            lead_distance_m=float(outputs["lead"][0]),
            lead_probability=float(1.0 / (1.0 + np.exp(-outputs["lead"][1]))),
            light_probabilities=light / light.sum(),
            health=health,
            hypothesis=outputs["hypothesis"].copy() if has_hypotheses else None,
            hypothesis_speed_mps=outputs["hypothesis_speed"].copy() if has_hypotheses else None,
        )
