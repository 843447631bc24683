"""When this process itself did not run, so that pictures which were late for that reason are not a camera's fault."""

import threading
import time
from collections import deque
from typing import NamedTuple

from fsd.data.clock import SECOND_NS
from fsd.data.live.captures import ClockNs

PERIOD_NS = SECOND_NS // 50
STALL_NS = SECOND_NS // 20
"""A thread that wakes later than this did not run: a loaded machine wakes threads some milliseconds late."""

KEPT_NS = 20 * SECOND_NS
"""For how long a stall is remembered; no picture that is judged is older."""


class Stall(NamedTuple):
    """The process did not run between these times of the source's clock."""

    start_ns: int
    end_ns: int

    def overlap_ns(self, start_ns: int, end_ns: int) -> int:
        """How much of a span it explains: what arrived meanwhile takes as long again to be read."""
        return max(0, min(end_ns, 2 * self.end_ns - self.start_ns) - max(start_ns, self.start_ns))


class StallWatch:
    """A thread that sleeps, and notes when it wakes late.

    Args:
        clock_ns: in which stalls are told; their length is measured in that of the machine.

    Attributes:
        stalls: number of stalls; stalled_ns: of all; longest_ns: of the longest.
    """

    def __init__(self, clock_ns: ClockNs, stop: threading.Event) -> None:
        self._clock_ns, self._stop = clock_ns, stop
        self.stalls = self.stalled_ns = self.longest_ns = 0
        self._recent: deque[Stall] = deque()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="live-stalls", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread, which ends after `stop` is set."""
        if self._thread.is_alive():
            self._thread.join()

    def add(self, length_ns: int) -> None:
        """Note a stall that has just ended."""
        end_ns = self._clock_ns()
        with self._lock:
            self.stalls += 1
            self.stalled_ns += length_ns
            self.longest_ns = max(self.longest_ns, length_ns)
            self._recent.append(Stall(end_ns - length_ns, end_ns))
            while self._recent[0].end_ns < end_ns - KEPT_NS:
                self._recent.popleft()

    def explained_ns(self, start_ns: int, end_ns: int) -> int:
        """How much of this span no camera is to blame for."""
        with self._lock:
            return min(end_ns - start_ns, sum(stall.overlap_ns(start_ns, end_ns) for stall in self._recent))

    def _run(self) -> None:
        before_ns = time.monotonic_ns()
        while not self._stop.wait(PERIOD_NS / SECOND_NS):
            now_ns = time.monotonic_ns()
            late_ns, before_ns = now_ns - before_ns - PERIOD_NS, now_ns
            if late_ns > STALL_NS:
                self.add(late_ns)
