"""Memory, CPU time, CPU steal and energy during a scenario, read twice per second into preallocated arrays."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from fsd.meters.cpu_steal import cpu_steal, cpu_steal_s
from fsd.meters.machine_load import LoadWatch
from fsd.meters.power import EnergyMeter
from fsd.meters.quantity import measured, unavailable
from fsd.outputs.profile_scenario import Energy, MemoryUse, MeterEnergy, Resources
from fsd.profile.stats.memory_growth import memory_growth

INTERVAL_S = 0.5
PAGE_BYTES = 4096

_TIME, _MEMORY, _STEAL, _METER0 = range(4)


class ResourceTrack:
    """Measures this process; use it as a context manager.

    Args:
        seconds: expected duration; readings beyond twice this are not kept.
        meters: energy meters of this machine.
    """

    def __init__(self, seconds: float, meters: Sequence[EnergyMeter] = ()) -> None:
        self._meters = list(meters)
        room = int(2 * seconds / INTERVAL_S) + 60
        # One column per meter from `_METER0` on. Filled, so that the pages exist before the measurement.
        self._rows = np.full((room, _METER0 + len(self._meters)), np.nan)
        self._count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="profile-resources", daemon=True)
        self.wall_s = 0.0
        self.cpu_s = 0.0

    def __enter__(self) -> Self:
        self._read()
        self._thread.start()
        self._load = LoadWatch()
        self._start_s, self._cpu_start_s = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_s = time.process_time() - self._cpu_start_s
        self.wall_s = time.perf_counter() - self._start_s
        self._load.stop()
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
    def steal_s(self) -> np.ndarray:
        """`cpu_steal_s` at those times."""
        return self._rows[: self._count, _STEAL]

    def energy(self, ticks: int) -> Energy:
        """Joules per tick and mean watts of every meter, and their sum: they cover different parts."""
        found = {}
        joules, watts = 0.0, 0.0
        for column, meter in enumerate(self._meters, start=_METER0):
            meter_j = float(self._rows[self._count - 1, column] - self._rows[0, column])
            meter_w = meter_j / float(self.times_s[-1] - self.times_s[0])
            source = f"{meter.name}, {meter.covers}"
            found[meter.name] = MeterEnergy(
                joules_per_tick=measured(meter_j / ticks, "J", source), watts=measured(meter_w, "W", source)
            )
            joules, watts = joules + meter_j, watts + meter_w
        if not found:
            reason = "no energy meter on this machine"
            return Energy(joules_per_tick=unavailable("J", reason), watts=unavailable("W", reason))
        source = "; ".join(each.watts.source for each in found.values())
        return Energy(
            joules_per_tick=measured(joules / ticks, "J", source), watts=measured(watts, "W", source), meters=found
        )

    def summary(self, planning_s: Mapping[str, tuple[float, float]] | None = None) -> Resources:
        """CPU time, CPU steal, memory and its growth, and the load, of which `planning_s` is as in `LoadWatch.load`."""
        memory_mib = self.memory_bytes / 2**20
        return Resources(
            wall_s=round(self.wall_s, 3),
            cpu_s=round(self.cpu_s, 3),
            cores_used=round(self.cpu_s / self.wall_s, 3) if self.wall_s else None,
            cpu_steal=cpu_steal(self.times_s, self.steal_s, os.cpu_count() or 1),
            load=self._load.load(planning_s),
            memory_mib=MemoryUse(
                start=round(float(memory_mib[0]), 1),
                end=round(float(memory_mib[-1]), 1),
                max=round(float(memory_mib.max()), 1),
            ),
            memory_growth=memory_growth(self.times_s, self.memory_bytes),
        )

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            if self._count < len(self._rows) - 1:
                self._read()

    def _read(self) -> None:
        row = self._rows[self._count]
        row[_TIME] = time.perf_counter()
        row[_MEMORY] = resident_bytes()
        row[_STEAL] = cpu_steal_s()
        for column, meter in enumerate(self._meters, start=_METER0):
            row[column] = meter.joules()
        self._count += 1


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> float:
    """Resident memory of this process; NaN where the system does not report it."""
    try:
        return int(statm.read_bytes().split()[1]) * float(PAGE_BYTES)
    except (OSError, ValueError, IndexError):
        return float("nan")
