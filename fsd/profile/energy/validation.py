"""Compare the power model with measured power, if a meter of this machine measures a device of the table.

The model describes the network alone at 36 Hz; the meter measures the whole board at the same rate. They agree if the
measured watts lie within the modelled range.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from fsd.meters.power import EnergyMeter
from fsd.outputs.profile_scenario import Energy
from fsd.outputs.profile_summary import DeviceEstimate, MeterValidation
from fsd.profile.energy.devices import devices

ACCELERATORS = ("cuda", "tensorrt")
"""Devices whose power these meters measure; they idle while the network runs on the CPU."""


def validate(
    device: str, meters: Sequence[EnergyMeter], energy: Energy, estimates: Sequence[DeviceEstimate]
) -> tuple[MeterValidation, ...]:
    """One entry per meter whose hardware is in the table, if the network ran on an accelerator.

    Args:
        device: that ran the network, of `devices.PROVIDERS`.
        energy: of the paced scenario.
    """
    if device not in ACCELERATORS:
        return ()
    found = []
    for meter in meters:
        measured = energy.meters.get(meter.name)
        modelled = next((each for each in estimates if _is_device(meter.hardware, each.device)), None)
        if measured is None or measured.watts.value is None or modelled is None:
            continue
        low_w, high_w = modelled.watts.low or 0.0, modelled.watts.high or 0.0
        found.append(
            MeterValidation(
                meter=meter.name,
                hardware=meter.hardware,
                device=modelled.device,
                measured_w=measured.watts.value,
                modelled_low_w=low_w,
                modelled_high_w=high_w,
                agrees=low_w <= measured.watts.value <= high_w,
            )
        )
    return tuple(found)


def _is_device(hardware: str, device: str) -> bool:
    return any(fnmatchcase(hardware, pattern) for pattern in devices()[device].known_as)
