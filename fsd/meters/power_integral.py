"""Energy from power, for meters that only measure the present power."""

import time
from collections.abc import Callable


class PowerIntegral:
    """Sums power over time by the trapezoid rule between reads.

    Args:
        read_w: one reading, in watts.
        clock_ns: steady clock; a test passes its own.
    """

    def __init__(self, read_w: Callable[[], float], clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._read_w = read_w
        self._clock_ns = clock_ns
        self._joules = 0.0
        self._last_w, self._last_ns = read_w(), clock_ns()

    def joules(self) -> float:
        """Energy since construction."""
        watts, now_ns = self._read_w(), self._clock_ns()
        self._joules += (watts + self._last_w) / 2 * (now_ns - self._last_ns) / 1e9
        self._last_w, self._last_ns = watts, now_ns
        return self._joules
