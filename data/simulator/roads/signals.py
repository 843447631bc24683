"""Traffic lights of one junction: a fixed cycle of two phases, for the route's road and the crossing road."""

from dataclasses import dataclass

import numpy as np

GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True)
class SignalPlan:
    """Durations in seconds; the cycle is green, yellow, all red for the route's road, then for the crossing road.

    `offset_s` is how far into the cycle time 0 lies.
    """

    green_s: float
    cross_green_s: float
    yellow_s: float = 3.0
    all_red_s: float = 1.5
    offset_s: float = 0.0

    def __post_init__(self) -> None:
        if min(self.green_s, self.cross_green_s, self.yellow_s) <= 0 or self.all_red_s < 0:
            raise ValueError(f"A signal plan needs positive durations, got {self}.")

    @property
    def cycle_s(self) -> float:
        return self.green_s + self.cross_green_s + 2 * (self.yellow_s + self.all_red_s)

    def colours(self, time_s: float) -> tuple[str, str]:
        at = (time_s + self.offset_s) % self.cycle_s
        half_s = self.green_s + self.yellow_s + self.all_red_s
        if at < half_s:
            return _phase(at, self.green_s, self.yellow_s), RED
        return RED, _phase(at - half_s, self.cross_green_s, self.yellow_s)


def _phase(at_s: float, green_s: float, yellow_s: float) -> str:
    if at_s < green_s:
        return GREEN
    return YELLOW if at_s < green_s + yellow_s else RED


def sample_signal(rng: np.random.Generator) -> SignalPlan:
    """Draw a plan with phases short enough that a drive sees both colours."""
    plan = SignalPlan(green_s=float(rng.uniform(7, 12)), cross_green_s=float(rng.uniform(4, 8)))
    return SignalPlan(plan.green_s, plan.cross_green_s, offset_s=float(rng.uniform(0, plan.cycle_s)))
