from pathlib import Path

import pytest

from fsd.meters.ina3221 import find_ina3221
from fsd.meters.quantity import measured, unavailable
from fsd.networks.network_cost import NetworkCost, OperatorCost
from fsd.outputs.profile_scenario import Energy, MeterEnergy
from fsd.outputs.profile_summary import DeviceEstimate
from fsd.profile.energy.devices import devices
from fsd.profile.energy.energy_model import estimate
from fsd.profile.energy.validation import validate

NETWORK = NetworkCost("net", (OperatorCost("a", "Conv", 10**9, 10**7, False),))


class Meter:
    name, covers = "nvml", "one board"

    def __init__(self, hardware: str) -> None:
        self.hardware = hardware

    def joules(self) -> float:
        return 0.0


def energy(watts: float | None, meter: str = "nvml") -> Energy:
    if watts is None:
        return Energy(joules_per_tick=unavailable("J", "no meter"), watts=unavailable("W", "no meter"))
    found = MeterEnergy(joules_per_tick=measured(watts / 36, "J", meter), watts=measured(watts, "W", meter))
    return Energy(joules_per_tick=found.joules_per_tick, watts=found.watts, meters={meter: found})


@pytest.fixture
def estimates() -> list[DeviceEstimate]:
    return [estimate(NETWORK, device, 27.78) for device in devices().values()]


@pytest.mark.parametrize(("watts", "agrees"), [(30.0, True), (500.0, False)])
def test_measured_watts_are_compared_with_the_device_that_was_measured(
    watts: float, agrees: bool, estimates: list[DeviceEstimate]
) -> None:
    (entry,) = validate("cuda", [Meter("NVIDIA L4")], energy(watts), estimates)
    assert (entry.device, entry.agrees) == ("nvidia_l4", agrees)
    assert entry.modelled_low_w < entry.modelled_high_w <= 72


@pytest.mark.parametrize(
    ("device", "hardware", "watts"),
    [("cpu", "NVIDIA L4", 30.0), ("cuda", "NVIDIA L40S", 30.0), ("cuda", "", 30.0), ("cuda", "NVIDIA L4", None)],
)
def test_nothing_is_validated_by_a_meter_of_something_else(
    device: str, hardware: str, watts: float | None, estimates: list[DeviceEstimate]
) -> None:
    assert validate(device, [Meter(hardware)], energy(watts), estimates) == ()


def test_a_jetson_is_identified_by_its_device_tree(tmp_path: Path, estimates: list[DeviceEstimate]) -> None:
    chip, tree = tmp_path / "class/hwmon/hwmon0", tmp_path / "firmware/devicetree/base"
    chip.mkdir(parents=True)
    tree.mkdir(parents=True)
    for name, text in {"name": "ina3221", "in1_label": "VDD_IN", "in1_input": "5000", "curr1_input": "100"}.items():
        (chip / name).write_text(text)
    (tree / "model").write_text("NVIDIA Jetson AGX Orin Developer Kit\0")
    meter = find_ina3221(tmp_path)
    assert not isinstance(meter, str)
    (entry,) = validate("tensorrt", [meter], energy(20.0, "ina3221"), estimates)
    assert entry.device == "jetson_agx_orin_64gb"
