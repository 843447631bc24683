"""The `EnergyMeter` protocol, and the search for the meters of this machine. Nothing is estimated."""

from pathlib import Path
from typing import Protocol

from fsd.meters.ina3221 import find_ina3221
from fsd.meters.nvml import find_nvml
from fsd.meters.rapl import find_rapl


class EnergyMeter(Protocol):
    """Measures energy.

    Attributes:
        name: `rapl`, `nvml`, `ina3221`.
        covers: what it includes, such as "processor only (package-0)"; results repeat it.
        hardware: the name that the driver reports for the measured device; empty if unknown, or for several devices.
    """

    name: str
    covers: str
    hardware: str

    def joules(self) -> float:
        """Energy since the meter was opened. Read it about once per second: counters wrap, sampled power is summed."""
        ...


def find_meters(sysfs: Path = Path("/sys")) -> tuple[list[EnergyMeter], list[str]]:
    """Every meter of this machine, and why each other kind is missing.

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
