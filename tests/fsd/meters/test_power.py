import ctypes
from pathlib import Path

import pytest

from fsd.meters.ina3221 import Ina3221Meter, find_ina3221
from fsd.meters.nvml import NvmlMeter, find_nvml
from fsd.meters.power import find_meters
from fsd.meters.power_integral import PowerIntegral
from fsd.meters.rapl import RaplMeter, find_rapl


def zone(sysfs: Path, folder: str, name: str, energy_uj: int, range_uj: int = 1000_000_000) -> Path:
    path = sysfs / "class" / "powercap" / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return path


def rail(sysfs: Path, chip: str, number: int, label: str, millivolts: int, milliamperes: int) -> None:
    path = sysfs / "class" / "hwmon" / chip
    path.mkdir(parents=True, exist_ok=True)
    (path / "name").write_text("ina3221\n")
    (path / f"in{number}_label").write_text(f"{label}\n")
    (path / f"in{number}_input").write_text(f"{millivolts}\n")
    (path / f"curr{number}_input").write_text(f"{milliamperes}\n")


def test_rapl_adds_packages_and_memory_but_not_the_zones_inside_them(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    memory = zone(tmp_path, "intel-rapl:0:1", "dram", 1_000_000)
    core = zone(tmp_path, "intel-rapl:0:0", "core", 2_000_000)
    platform = zone(tmp_path, "intel-rapl:1", "psys", 9_000_000)
    meter = find_rapl(tmp_path)
    assert isinstance(meter, RaplMeter)
    for path, energy_uj in ((package, 8_000_000), (memory, 1_500_000), (core, 4_000_000), (platform, 20_000_000)):
        (path / "energy_uj").write_text(str(energy_uj))
    assert meter.joules() == pytest.approx(3.5)
    assert "package-0, dram" in meter.covers


def test_rapl_survives_the_wrap_of_its_counter(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 990_000, range_uj=1_000_000)
    meter = find_rapl(tmp_path)
    assert isinstance(meter, RaplMeter)
    (package / "energy_uj").write_text("10000")
    assert meter.joules() == pytest.approx(0.02)


def test_rapl_that_only_root_may_read_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    read_bytes = Path.read_bytes

    def guarded(path: Path) -> bytes:
        if path == package / "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", guarded)
    assert "sudo chmod" in str(find_rapl(tmp_path))


def test_a_jetson_with_a_module_input_rail_uses_that_rail_alone(tmp_path: Path) -> None:
    rail(tmp_path, "hwmon3", 1, "VDD_IN", 5000, 2000)
    rail(tmp_path, "hwmon3", 2, "VDD_CPU_GPU_CV", 5000, 800)
    meter = find_ina3221(tmp_path)
    assert isinstance(meter, Ina3221Meter)
    assert meter.watts() == pytest.approx(10.0)
    assert "VDD_CPU_GPU_CV" not in meter.covers


def test_a_jetson_without_one_adds_its_top_rails(tmp_path: Path) -> None:
    rail(tmp_path, "hwmon3", 1, "VDD_GPU_SOC", 12000, 500)
    rail(tmp_path, "hwmon3", 2, "VDD_CPU_CV", 12000, 250)
    rail(tmp_path, "hwmon3", 3, "VIN_SYS_5V0", 5000, 200)
    rail(tmp_path, "hwmon4", 2, "VDDQ_VDD2_1V8AO", 5000, 100)
    meter = find_ina3221(tmp_path)
    assert isinstance(meter, Ina3221Meter)
    assert meter.watts() == pytest.approx(6 + 3 + 1)


def test_power_is_summed_over_time_by_the_trapezoid_rule() -> None:
    watts, times_ns = iter([10.0, 20.0, 20.0]), iter([0, 10**9, 3 * 10**9])
    integral = PowerIntegral(lambda: next(watts), lambda: next(times_ns))
    assert integral.joules() == pytest.approx(15.0)
    assert integral.joules() == pytest.approx(15.0 + 40.0)


class FakeDriver:
    """Two boards: the first counts energy, the second (older than Volta) only reports its power."""

    def __init__(self, boards: int = 2) -> None:
        self.boards = boards
        self.millijoules = 1000
        self.handles: list[object] = []

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetCount_v2(self, count: "ctypes._Pointer[ctypes.c_uint]") -> int:
        count._obj.value = self.boards  # type: ignore[attr-defined]
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, handle: "ctypes._Pointer[ctypes.c_void_p]") -> int:
        handle._obj.value = 100 + index.value  # type: ignore[attr-defined]
        return 0

    def nvmlDeviceGetName(
        self, board: ctypes.c_void_p, name: "ctypes.Array[ctypes.c_char]", size: ctypes.c_uint
    ) -> int:
        name.value = b"NVIDIA L4"
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, board: ctypes.c_void_p, energy: object) -> int:
        if board.value != 100:
            return 3  # not supported
        energy._obj.value = self.millijoules  # type: ignore[attr-defined]
        return 0

    def nvmlDeviceGetPowerUsage(self, board: ctypes.c_void_p, power: object) -> int:
        power._obj.value = 70_000  # type: ignore[attr-defined]
        return 0


def test_nvml_reads_the_energy_counter_where_there_is_one() -> None:
    driver = FakeDriver(boards=1)
    meter = find_nvml(lambda name: driver)
    assert isinstance(meter, NvmlMeter)
    assert meter.hardware == "NVIDIA L4"
    driver.millijoules = 3500
    assert meter.joules() == pytest.approx(2.5)


def test_nvml_sums_the_power_of_older_boards() -> None:
    meter = find_nvml(lambda name: FakeDriver(boards=2))
    assert isinstance(meter, NvmlMeter)
    assert meter.covers.startswith("2 NVIDIA boards")
    assert meter.hardware == ""  # the sum of two boards is no device of the table
    assert 0 <= meter.joules() < 70  # less than a second has passed


def test_without_a_driver_there_is_no_nvml_meter() -> None:
    def refuse(name: str) -> None:
        raise OSError(name)

    assert "libnvidia-ml" in str(find_nvml(refuse))


def test_a_machine_without_meters_gives_a_reason_for_each(tmp_path: Path) -> None:
    meters, reasons = find_meters(tmp_path)
    kinds = {reason.split(":")[0] for reason in reasons}
    assert kinds >= {"RAPL", "INA3221"}
    assert all(meter.name == "nvml" for meter in meters)
