"""INA3221: the power monitor of NVIDIA Jetson modules, through Linux hwmon.

Measures volts and amperes of up to three rails per chip; power is summed over time between reads.

Sources: Linux kernel documentation, hwmon/ina3221 (in*_label, in*_input in mV, curr*_input in mA); NVIDIA Jetson Linux
Developer Guide, "Software-Based Power Consumption Modeling" (VDD_IN is the whole module's input).
"""

from pathlib import Path

from fsd.meters.power_integral import PowerIntegral

MODULE_INPUT = "VDD_IN"
TOP_RAILS = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")
"""Jetson AGX Orin has no VDD_IN rail; its input feeds these three, and they feed the others."""

Rail = tuple[Path, Path]


class Ina3221Meter:
    """Power of the given rails, summed over time.

    Args:
        rails: label -> (file with mV, file with mA).
        hardware: name of the module or board.
    """

    name = "ina3221"

    def __init__(self, rails: dict[str, Rail], hardware: str = "") -> None:
        self.hardware = hardware
        self.covers = f"module rails {', '.join(rails)}"
        self._rails = list(rails.values())
        self._integral = PowerIntegral(self.watts)

    def watts(self) -> float:
        """Present power."""
        return sum(int(volts.read_bytes()) * int(amperes.read_bytes()) for volts, amperes in self._rails) / 1e6

    def joules(self) -> float:
        """Energy since the meter was opened."""
        return self._integral.joules()


def find_ina3221(sysfs: Path) -> Ina3221Meter | str:
    """The meter, or why there is none."""
    rails: dict[str, Rail] = {}
    for chip in sorted((sysfs / "class" / "hwmon").glob("hwmon*")):
        try:
            if (chip / "name").read_text(encoding="utf-8").strip() != "ina3221":
                continue
            for label in sorted(chip.glob("in*_label")):
                number = label.name.removeprefix("in").removesuffix("_label")
                rail = (chip / f"in{number}_input", chip / f"curr{number}_input")
                if rail[1].exists():
                    rails[label.read_text(encoding="utf-8").strip()] = rail
        except OSError:
            continue
    if not rails:
        return "no ina3221 chip under hwmon (NVIDIA Jetson boards have one)"
    try:
        return Ina3221Meter(_whole_module(rails), _module_name(sysfs))
    except (OSError, ValueError) as error:
        return f"the rails cannot be read ({error})"


def _module_name(sysfs: Path) -> str:
    """`NVIDIA Jetson AGX Orin Developer Kit` for example; empty without a device tree."""
    try:
        return (sysfs / "firmware" / "devicetree" / "base" / "model").read_text(encoding="utf-8").strip("\0\n ")
    except OSError:
        return ""


def _whole_module(rails: dict[str, Rail]) -> dict[str, Rail]:
    """The rails that add up to the module; a rail that another one feeds is left out."""
    if MODULE_INPUT in rails:
        return {MODULE_INPUT: rails[MODULE_INPUT]}
    return {label: rails[label] for label in TOP_RAILS if label in rails} or rails
