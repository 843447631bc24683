"""Memory, processor time, stolen time and energy while a scenario runs, read twice a second into arrays made before."""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from fsd.meters.cpu_steal import stolen_figures, stolen_s
from fsd.meters.power import EnergyMeter
from fsd.meters.quantity import Figure, measured
from fsd.profile.stats.trend import slope

INTERVAL_S = 0.5
MIN_GROWTH_S = 60.0
"""Allocators settle for a while; a slope over less than a minute says nothing about a leak."""

TIMELINE_POINTS = 240

PAGE_BYTES = 4096

_TIME, _MEMORY, _STOLEN, _METER0 = range(4)


class ResourceTrack:
    """Watches this process; use it as a context manager around what is measured.

    Args:
        seconds: about how long that takes; room is made for twice as much.
        meters: energy meters of this machine.
    """

    def __init__(self, seconds: float, meters: Sequence[EnergyMeter] = ()) -> None:
        self._meters = list(meters)
        room = int(2 * seconds / INTERVAL_S) + 60
        # One column per meter from `_METER0` on. Full of NaN so that its pages exist already.
        self._rows = np.full((room, _METER0 + len(self._meters)), np.nan)
        self._count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="profile-resources", daemon=True)
        self.wall_s = 0.0
        self.cpu_s = 0.0

    def __enter__(self) -> Self:
        self._read()
        self._thread.start()
        self._start_s, self._cpu_start_s = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cpu_s = time.process_time() - self._cpu_start_s
        self.wall_s = time.perf_counter() - self._start_s
        self._stop.set()
        self._thread.join()
        self._read()

    @property
    def times_s(self) -> np.ndarray:
        """Times of the readings, seconds of `time.perf_counter`."""
        return self._rows[: self._count, _TIME]

    @property
    def memory_bytes(self) -> np.ndarray:
        """Resident memory at those times."""
        return self._rows[: self._count, _MEMORY]

    @property
    def stolen_s(self) -> np.ndarray:
        """Stolen processor seconds until those times, see `stolen_time`."""
        return self._rows[: self._count, _STOLEN]

    def energy(self, ticks: int) -> list[tuple[EnergyMeter, Figure, Figure]]:
        """Per meter: joules a tick and average watts."""
        found = []
        for column, meter in enumerate(self._meters, start=_METER0):
            joules = float(self._rows[self._count - 1, column] - self._rows[0, column])
            seconds = float(self.times_s[-1] - self.times_s[0])
            source = f"{meter.name}, {meter.covers}"
            found.append((meter, measured(joules / ticks, "J", source), measured(joules / seconds, "W", source)))
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: processor time, memory, and whether memory grew."""
        return {
            "wall_s": round(self.wall_s, 3),
            "cpu_s": round(self.cpu_s, 3),
            "cores_used": round(self.cpu_s / self.wall_s, 3) if self.wall_s else None,
            "stolen": stolen_figures(self.times_s, self.stolen_s, os.cpu_count() or 1),
            "memory_mib": {
                "start": round(float(self.memory_bytes[0]) / 2**20, 1),
                "end": round(float(self.memory_bytes[-1]) / 2**20, 1),
                "max": round(float(self.memory_bytes.max()) / 2**20, 1),
            },
            "memory_growth": memory_growth(self.times_s, self.memory_bytes),
        }

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            if self._count < len(self._rows) - 1:
                self._read()

    def _read(self) -> None:
        row = self._rows[self._count]
        row[_TIME] = time.perf_counter()
        row[_MEMORY] = resident_bytes()
        row[_STOLEN] = stolen_s()
        for column, meter in enumerate(self._meters, start=_METER0):
            row[column] = meter.joules()
        self._count += 1


def memory_growth(times_s: np.ndarray, memory_bytes: np.ndarray) -> dict[str, Any] | None:
    """JSON-ready: how fast memory grew over all of a run, over its second half, and when.

    Pools fill up once; a leak goes on: the second half alone, where it is a minute or more, tells the two apart. An
    allocator that gives pages back and takes them again moves in steps that a slope may take for growth; a leak raises
    the peak, so the peaks of both halves are given too.

    Args:
        times_s, memory_bytes: (T,) readings.

    Returns:
        None over less than a minute, or where the system does not tell.
    """
    whole = _growth_over(times_s, memory_bytes)
    if whole is None:
        return None
    is_late = times_s >= 0.5 * (times_s[0] + times_s[-1])
    shown = np.unique(np.linspace(0, len(times_s) - 1, TIMELINE_POINTS).astype(int))
    return whole | {
        "second_half": _growth_over(times_s[is_late], memory_bytes[is_late]),
        "peak_mib": {
            "first_half": round(float(memory_bytes[~is_late].max()) / 2**20, 3),
            "second_half": round(float(memory_bytes[is_late].max()) / 2**20, 3),
        },
        "timeline": {
            "seconds": np.round(times_s[shown] - times_s[0], 1).tolist(),
            "mib": np.round(memory_bytes[shown] / 2**20, 2).tolist(),
        },
    }


def _growth_over(times_s: np.ndarray, memory_bytes: np.ndarray) -> dict[str, Any] | None:
    if times_s[-1] - times_s[0] < MIN_GROWTH_S or not np.isfinite(memory_bytes).all():
        return None
    found = slope(times_s, memory_bytes)
    if found is None:
        return None
    return {
        "kib_per_minute": found.per_s * 60 / 1024,
        "low_95": found.low_per_s * 60 / 1024,
        "high_95": found.high_per_s * 60 / 1024,
        "zero_within_noise": found.is_zero_within_noise,
        "samples": found.samples,
        "seconds": round(found.seconds, 1),
    }


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> float:
    """Resident memory of this process; NaN where the system does not tell."""
    try:
        return int(statm.read_bytes().split()[1]) * float(PAGE_BYTES)
    except (OSError, ValueError, IndexError):
        return float("nan")
