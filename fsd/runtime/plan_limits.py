"""Which outputs of a network can be a plan: those that are finite, and that a road vehicle could follow."""

import math
from collections.abc import Mapping

import numpy as np

from fsd.data.physical_limits import MAX_ACCELERATION_MPS2, MAX_CURVATURE_PER_M, MAX_SPEED_MPS, MAX_YAW_RATE_RPS
from fsd.networks.contract import WAYPOINT_TIMES_S

HOLD_TICKS = 18
"""Half a second: how long the last usable plan replaces one that is not; after that, a plan to stop does."""

HORIZON_S = float(WAYPOINT_TIMES_S[-1])

MAX_DISTANCE_M = MAX_SPEED_MPS * HORIZON_S
"""How far from the car any waypoint may lie, along either axis."""

MAX_TURN_RAD = MAX_YAW_RATE_RPS * HORIZON_S

_TRAJECTORY_LIMITS = np.array([MAX_DISTANCE_M, MAX_DISTANCE_M, MAX_TURN_RAD, MAX_SPEED_MPS], np.float32)


def impossible_output(outputs: Mapping[str, np.ndarray]) -> str:
    """The first of the contract's `trajectory`, `curvature` and `acceleration` that no vehicle could follow, or "".

    A number that is not finite is beyond every limit.
    """
    if not (np.abs(outputs["trajectory"]) <= _TRAJECTORY_LIMITS).all():
        return "trajectory"
    if not abs(float(outputs["curvature"][0])) <= MAX_CURVATURE_PER_M:
        return "curvature"
    if not abs(float(outputs["acceleration"][0])) <= MAX_ACCELERATION_MPS2:
        return "acceleration"
    return ""


def is_finite(*arrays: np.ndarray) -> bool:
    """Whether all numbers are finite, by their sum: that takes a fifth of the time of testing each.

    A few thousand numbers below about 10,000 each cannot overflow; larger ones that do are no plan either.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return all(math.isfinite(np.add.reduce(array, axis=None)) for array in arrays)


class HeldPlan:
    """Decides what replaces a plan that cannot be used: the last usable one for `HOLD_TICKS`, then a plan to stop."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """There is no usable plan yet."""
        self._ticks_since_usable = HOLD_TICKS

    def source(self, is_usable: bool) -> str:
        """Where the plan of the next tick comes from: `network`, `held` or `stop`."""
        self._ticks_since_usable = 0 if is_usable else self._ticks_since_usable + 1
        if is_usable:
            return "network"
        return "held" if self._ticks_since_usable <= HOLD_TICKS else "stop"
