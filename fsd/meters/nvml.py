"""NVML: the energy counter of NVIDIA graphics cards, read from the driver's library through ctypes.

Covers the boards, not the rest of the computer.

Source: NVIDIA NVML API Reference (nvmlDeviceGetTotalEnergyConsumption, millijoules since the driver was loaded, from
Volta on; nvmlDeviceGetPowerUsage, milliwatts).
"""

import ctypes
from collections.abc import Callable
from typing import Any

from fsd.meters.power_integral import PowerIntegral

LIBRARY = "libnvidia-ml.so.1"
SUCCESS = 0


class NvmlMeter:
    """Energy of all NVIDIA boards of this machine.

    Args:
        library: the driver's library, initialised.
        boards: device handles.
    """

    name = "nvml"

    def __init__(self, library: Any, boards: list[ctypes.c_void_p]) -> None:
        self.covers = f"{len(boards)} NVIDIA board{'s' * (len(boards) > 1)}; no processor, no other parts"
        self.hardware = _board_name(library, boards[0]) if len(boards) == 1 else ""
        self._sources = [_board_joules(library, board) for board in boards]
        self._start_j = [source() for source in self._sources]

    def joules(self) -> float:
        """Energy since the meter was opened."""
        return sum(source() - start for source, start in zip(self._sources, self._start_j, strict=True))


def find_nvml(load: Callable[[str], Any] = ctypes.CDLL) -> NvmlMeter | str:
    """The meter, or why there is none."""
    try:
        library = load(LIBRARY)
    except OSError:
        return f"no NVIDIA driver on this machine ({LIBRARY} not found)"
    if library.nvmlInit_v2() != SUCCESS:
        return "the NVIDIA driver does not start (nvmlInit failed)"
    count = ctypes.c_uint()
    library.nvmlDeviceGetCount_v2(ctypes.byref(count))
    boards = []
    for index in range(count.value):
        board = ctypes.c_void_p()
        if library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(board)) == SUCCESS:
            boards.append(board)
    if not boards:
        return "the NVIDIA driver lists no board"
    try:
        return NvmlMeter(library, boards)
    except OSError as error:
        return str(error)


def _board_name(library: Any, board: ctypes.c_void_p) -> str:
    name = ctypes.create_string_buffer(96)
    is_known = library.nvmlDeviceGetName(board, name, ctypes.c_uint(len(name))) == SUCCESS
    return name.value.decode(errors="replace") if is_known else ""


def _board_joules(library: Any, board: ctypes.c_void_p) -> Callable[[], float]:
    """A function that reads one board's energy counter or, without a counter, sums its power over time."""
    millijoules, milliwatts = ctypes.c_ulonglong(), ctypes.c_uint()

    def counter_j() -> float:
        library.nvmlDeviceGetTotalEnergyConsumption(board, ctypes.byref(millijoules))
        return millijoules.value / 1e3

    def power_w() -> float:
        library.nvmlDeviceGetPowerUsage(board, ctypes.byref(milliwatts))
        return milliwatts.value / 1e3

    if library.nvmlDeviceGetTotalEnergyConsumption(board, ctypes.byref(millijoules)) == SUCCESS:
        return counter_j
    if library.nvmlDeviceGetPowerUsage(board, ctypes.byref(milliwatts)) == SUCCESS:
        return PowerIntegral(power_w).joules
    raise OSError("an NVIDIA board reports neither energy nor power")
