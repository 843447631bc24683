"""Joules per tick of a run, measured by the meters of this machine; nothing is estimated."""

import time
from collections.abc import Callable, Sequence

from fsd.meters.power import EnergyMeter, find_meters
from fsd.meters.quantity import Quantity, measured, unavailable

READ_EVERY_S = 1.0
"""Counters wrap, and sampled power is summed between reads, so meters must be read this often."""


class EnergyCount:
    """Counts from its construction; meters that cover different parts are added up."""

    def __init__(self, meters: Sequence[EnergyMeter], clock_s: Callable[[], float] = time.monotonic) -> None:
        self._meters = list(meters)
        self._clock_s = clock_s
        self._broken = ""
        self._read_s = clock_s()
        self._start_j = self._joules()

    def tick(self) -> None:
        """Call this at every tick; it reads the meters every `READ_EVERY_S`."""
        if self._meters and self._clock_s() - self._read_s >= READ_EVERY_S:
            self._read_s = self._clock_s()
            self._joules()

    def per_tick(self, ticks: int) -> Quantity:
        """Joules per tick until now."""
        if not self._meters:
            return unavailable("J", "no energy meter on this machine")
        spent_j = self._joules() - self._start_j
        if self._broken or not ticks:
            return unavailable("J", self._broken or "the run has no tick")
        covers = "; ".join(f"{meter.name}, {meter.covers}" for meter in self._meters)
        return measured(spent_j / ticks, "J", f"{covers}; flat out")

    def _joules(self) -> float:
        try:
            return sum(meter.joules() for meter in self._meters)
        except (OSError, ValueError) as error:  # a driver that fails must not end a run
            self._broken = f"a meter failed ({error})"
            return 0.0


def energy_count() -> EnergyCount:
    """Start counting with the meters of this machine."""
    return EnergyCount(find_meters()[0])
