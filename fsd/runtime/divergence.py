"""How far two networks differ on one tick, and by how much they may: values only.

Knows neither files nor hardware; `cross_check.py` measures the differences.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

UNITS = {
    "waypoints_m": "m",
    "waypoint_3s_m": "m",
    "curvature_per_m": "1/m",
    "acceleration_mps2": "m/s²",
    "saliency": "",
    "state": "",
    "state_rms": "of the state's RMS",
}
"""What is measured, and its unit; a tolerance can be set for each.

The largest distance of two waypoints, that at 3 s, the difference of the controls, the largest difference in the
saliency and in the recurrent state, and the root mean square of the difference in an array of the state.
"""

PairKind = Literal["same", "threads", "float", "precision", "network"]
"""What two networks have in common.

`same`: file, device and results to the bit. `threads`: file and device, but the number of threads may change its sums.
`float`: the weights, in FP32, on other devices. `precision`: the weights, in another precision or rounded elsewhere.
`network`: nothing.
"""

Part = Literal["state", "saliency", "plan", "detections"]


class Difference(NamedTuple):
    """An output, or an array of the recurrent state, that differs by more than is allowed."""

    part: Part
    output: str

    def __str__(self) -> str:
        return f"{self.part}:{self.output}"


@dataclass(frozen=True, slots=True)
class TickDivergence:
    """The difference of two networks on one tick.

    Attributes:
        values: name of `UNITS` -> difference; None where the networks do not share that output, infinite where one of
            them is not a number.
        alarms: what differs by more than is allowed, in the order of the data: state, saliency, plan, detections.
        second_ms: time of the second network; compare_ms: of the comparison.
    """

    values: Mapping[str, float | None]
    alarms: tuple[Difference, ...]
    second_ms: float
    compare_ms: float

    @property
    def check_ms(self) -> float:
        """What the check adds to the tick."""
        return self.second_ms + self.compare_ms


@dataclass(frozen=True)
class CrossCheckSettings:
    """The second network, and how far it may differ from the first.

    Attributes:
        model, precision, device, threads: of the second network.
        kind: what it has in common with the first.
        limits: name of `UNITS` -> largest difference without an alarm; a name that is missing raises none.
    """

    model: str
    precision: str
    device: str
    threads: int
    kind: PairKind
    limits: Mapping[str, float]

    @property
    def is_exact(self) -> bool:
        """Whether no difference at all is allowed."""
        return self.limits.keys() == UNITS.keys() and not any(self.limits.values())

    def is_over(self, name: str, value: float | None) -> bool:
        """Whether a difference by name of `UNITS` is not allowed: over its limit, or not finite."""
        return value is not None and not value <= self.limits.get(name, sys.float_info.max)
