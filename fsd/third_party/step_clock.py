"""When a model that is slower than the cameras steps."""

from fractions import Fraction

from fsd.data.frames import RATE_HZ

_LARGEST_DENOMINATOR = 1_000_000
"""A rate of `adapter.json` is meant to be a fraction with a smaller one, such as 30000/1001."""


class StepClock:
    """Picks the ticks at which a model of a given rate steps: the first at or after each of its own times.

    Counted from the first tick of a recording's run in whole numbers: no drift.

    Args:
        rate_hz: steps per second, at most the rate of the ticks; None steps at every tick.
    """

    def __init__(self, rate_hz: float | None) -> None:
        rate = RATE_HZ if rate_hz is None else Fraction(rate_hz).limit_denominator(_LARGEST_DENOMINATOR)
        if rate > RATE_HZ:
            raise ValueError(f"rate_hz must be at most {RATE_HZ}, got {rate_hz}.")
        self._steps_per_tick = rate / RATE_HZ
        self.reset()

    def reset(self) -> None:
        """Step at the next tick, and count from it."""
        self._first_tick: int | None = None
        self._steps = 0

    def is_due(self, tick: int) -> bool:
        """Whether the model steps at this tick; ticks rise."""
        if self._first_tick is None:
            self._first_tick = tick
        due = int((tick - self._first_tick) * self._steps_per_tick) + 1
        is_due, self._steps = due > self._steps, due
        return is_due
