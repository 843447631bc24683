"""Energy meters: one small protocol, and the search for what this machine has.

A meter only measures. Nothing here estimates: where no meter is found the reasons are returned instead.
"""

from pathlib import Path
from typing import Protocol

from fsd.meters.ina3221 import find_ina3221
from fsd.meters.nvml import find_nvml
from fsd.meters.rapl import find_rapl


class EnergyMeter(Protocol):
    """Counts joules.

    Attributes:
        name: `rapl`, `nvml`, `ina3221`.
        covers: what the figure includes, for people: "CPU packages and DRAM", "whole GPU board".
        hardware: the maker's name of the one device that is measured, as its driver tells; empty where nobody tells, or
            where there are several.
    """

    name: str
    covers: str
    hardware: str

    def joules(self) -> float:
        """Energy since the meter was opened. Read it about once a second: counters wrap, sampled power is summed."""
        ...


def find_meters(sysfs: Path = Path("/sys")) -> tuple[list[EnergyMeter], list[str]]:
    """Every meter of this machine, and for each kind that is missing the reason.

    Args:
        sysfs: root of the kernel's tree; a test passes its own.
    """
    meters: list[EnergyMeter] = []
    reasons: list[str] = []
    found: dict[str, EnergyMeter | str] = {
        "RAPL": find_rapl(sysfs),
        "INA3221": find_ina3221(sysfs),
        "NVML": find_nvml(),
    }
    for name, meter in found.items():
        if isinstance(meter, str):
            reasons.append(f"{name}: {meter}")
        else:
            meters.append(meter)
    return meters, reasons
