"""The power model held against a meter, where this machine's meter measures a device of the table.

The model answers for the network alone at 36 Hz; the meter sees the whole board at the same rate. Agreement means that
the measured watts lie within the modelled range.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from fsd.meters.power import EnergyMeter
from fsd.profile.energy.energy_model import DeviceEstimate

ACCELERATORS = ("cuda", "tensorrt")
"""Devices on which the network loads what these meters measure; on the processor it would leave them idle."""


def validate(
    device: str, meters: Sequence[EnergyMeter], energy: Mapping[str, Any], estimates: Sequence[DeviceEstimate]
) -> list[dict[str, Any]]:
    """One entry for each meter whose hardware the table knows; none where the network ran elsewhere.

    Args:
        device: that the network ran on, of `devices.PROVIDERS`.
        energy: of the paced scenario, as `scenario_summary` makes it.
    """
    if device not in ACCELERATORS:
        return []
    found = []
    for meter in meters:
        measured_w = energy["meters"].get(meter.name, {}).get("watts", {}).get("value")
        modelled = next((each for each in estimates if _is(meter.hardware, each.device.known_as)), None)
        if measured_w is None or modelled is None:
            continue
        low_w, high_w = modelled.watts.low or 0.0, modelled.watts.high or 0.0
        found.append(
            {
                "meter": meter.name,
                "hardware": meter.hardware,
                "device": modelled.device.name,
                "measured_w": measured_w,
                "modelled_low_w": low_w,
                "modelled_high_w": high_w,
                "agrees": low_w <= measured_w <= high_w,
            }
        )
    return found


def _is(hardware: str, known_as: Sequence[str]) -> bool:
    return any(fnmatchcase(hardware, pattern) for pattern in known_as)
