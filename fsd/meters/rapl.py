"""RAPL: the energy counters of Intel and AMD processors, through Linux powercap.

Covers processor packages and, where available, memory; not the board, not a graphics card. Virtual machines usually
have no RAPL.

Source: Linux kernel documentation, power/powercap (energy_uj, max_energy_range_uj, name).
"""

from pathlib import Path


class RaplMeter:
    """Sum over the packages and their DRAM zones.

    Args:
        zones: powercap folders that do not contain one another.
    """

    name = "rapl"
    hardware = ""  # no device of the energy model is a processor

    def __init__(self, zones: list[Path]) -> None:
        names = [(zone / "name").read_text(encoding="utf-8").strip() for zone in zones]
        self.covers = f"processor only ({', '.join(names)}); no board, no graphics card"
        self._counters = [zone / "energy_uj" for zone in zones]
        self._ranges_uj = [int((zone / "max_energy_range_uj").read_bytes()) for zone in zones]
        self._last_uj = [int(counter.read_bytes()) for counter in self._counters]
        self._total_uj = 0

    def joules(self) -> float:
        """Energy since the meter was opened. Corrects a counter that wrapped once since the last read."""
        for index, counter in enumerate(self._counters):
            now_uj = int(counter.read_bytes())
            step_uj = now_uj - self._last_uj[index]
            self._total_uj += step_uj if step_uj >= 0 else step_uj + self._ranges_uj[index]
            self._last_uj[index] = now_uj
        return self._total_uj / 1e6


def find_rapl(sysfs: Path) -> RaplMeter | str:
    """The meter, or why there is none."""
    # A package zone (intel-rapl:0) already holds its core and uncore zones, but not its DRAM zone. AMD uses the same
    # names. intel-rapl-mmio repeats a package, and psys overlaps all of them: neither is added.
    packages, memory = [], []
    for zone in sorted((sysfs / "class" / "powercap").glob("intel-rapl:*")):
        try:
            name = (zone / "name").read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if name.startswith("package"):
            packages.append(zone)
        elif name == "dram":
            memory.append(zone)
    if not packages:
        return "no powercap package zone on this machine (virtual machines have none)"
    try:
        return RaplMeter(packages + memory)
    except PermissionError:
        return "energy_uj can be read by root only; run once: sudo chmod -R a+r /sys/class/powercap/intel-rapl*/"
    except (OSError, ValueError) as error:
        return f"powercap zones cannot be read ({error})"
