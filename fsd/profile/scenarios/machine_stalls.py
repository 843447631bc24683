"""Measure stalls of the machine itself: threads that only read the clock, one per core, while nothing else runs.

A gap between two readings is time that a hypervisor, an interrupt or another program took from a thread that never
waits: a lower limit for the latency tail of any program on this machine. The threads would take CPU time from a
scenario, so they run right before and right after it.
"""

import ctypes
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from fsd.outputs.profile_scenario import MachineStallSummary

STALL_MS = 0.5
"""Gaps longer than this are stalls; two context switches take a few hundredths of it."""

MAX_STALLS = 100_000
_CLOCK_MONOTONIC = 1

_clock_gettime = ctypes.CDLL(None).clock_gettime
_clock_gettime.argtypes = (ctypes.c_int, ctypes.c_void_p)
_clock_gettime.restype = ctypes.c_int


@dataclass(frozen=True, slots=True)
class MachineStalls:
    """Gaps between clock readings.

    Attributes:
        seconds: of measurement, summed over threads.
        stalls_ms: (n,) gaps longer than 0.5 ms, in order.
    """

    seconds: float
    threads: int
    stalls_ms: np.ndarray


def measure_stalls(seconds: float, threads: int | None = None) -> MachineStalls:
    """Spin for `seconds` on `threads` threads (every core by default) and return the gaps between clock readings."""
    threads = threads or os.cpu_count() or 1
    _spin(0, np.zeros(2, np.int64), np.empty(1))  # compiled, or loaded from its cache, before the measurement
    found: list[np.ndarray] = []

    def run() -> None:
        gaps_ns = np.empty(MAX_STALLS)
        count = _spin(int(seconds * 1e9), np.zeros(2, np.int64), gaps_ns)
        found.append(gaps_ns[:count] / 1e6)

    workers = [threading.Thread(target=run, name=f"control-{number}", daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return MachineStalls(seconds * threads, threads, np.concatenate(found))


def merge_stalls(parts: Sequence[MachineStalls]) -> MachineStallSummary:
    """Number, length and share of the stalls of at least one measurement."""
    seconds = sum(part.seconds for part in parts)
    stalls_ms = np.concatenate([part.stalls_ms for part in parts])
    return MachineStallSummary(
        watched_s=round(seconds, 3),
        threads=max(part.threads for part in parts),
        stalls_over_ms=STALL_MS,
        stalls=len(stalls_ms),
        stalls_per_second=round(len(stalls_ms) / seconds, 4) if seconds else None,
        longest_ms=round(float(stalls_ms.max(initial=0.0)), 3),
        share_of_time_lost=round(float(stalls_ms.sum()) / 1e3 / seconds, 6) if seconds else None,
    )


@numba.njit(nogil=True)
def _spin(duration_ns: int, clock: np.ndarray, gaps_ns: np.ndarray) -> int:
    """Read the clock repeatedly; store gaps longer than the limit, return their number. `clock` is a timespec."""
    count = 0
    _clock_gettime(_CLOCK_MONOTONIC, clock.ctypes.data)
    start_ns = clock[0] * 1_000_000_000 + clock[1]
    last_ns = start_ns
    while last_ns - start_ns < duration_ns and count < gaps_ns.size:
        _clock_gettime(_CLOCK_MONOTONIC, clock.ctypes.data)
        now_ns = clock[0] * 1_000_000_000 + clock[1]
        if now_ns - last_ns > STALL_MS * 1e6:
            gaps_ns[count] = now_ns - last_ns
            count += 1
        last_ns = now_ns
    return count
