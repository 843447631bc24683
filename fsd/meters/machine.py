"""Description of this machine: CPU, cores, and the versions that matter for speed. Without a host name."""

import os
import platform

import msgspec
import numpy as np
import onnxruntime as ort

from fsd.networks.onnx_session import integer_sums_are_exact
from fsd.networks.processor import cpuinfo, processor_instructions, processor_name


class MachineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A machine.

    Attributes:
        system, kernel: operating system and its release.
        processor: model of the CPU; instructions: extensions of `processor.INSTRUCTION_SETS` that it has.
        integer_sums: `exact`, or `saturating` where ONNX Runtime's fast 8-bit kernels are: files that are not
            `pair_safe` then run with slower ones.
        cores: logical ones, of which the process may use `cores_allowed`.
        memory_gib: None where the system does not report it.
    """

    system: str
    kernel: str
    processor: str
    instructions: str = "unknown"
    integer_sums: str = "unknown"
    cores: int | None
    cores_allowed: int | None
    memory_gib: float | None
    is_virtual: bool
    python: str
    onnxruntime: str
    numpy: str

    def __str__(self) -> str:
        """Processor, cores, instructions and integer sums, for people."""
        virtual = ", virtual machine" if self.is_virtual else ""
        return f"{self.processor}, {self.cores} cores{virtual}, {self.instructions}, 8-bit sums {self.integer_sums}"


def describe_machine() -> MachineInfo:
    """Look at this machine."""
    return MachineInfo(
        system=platform.system(),
        kernel=platform.release(),
        processor=processor_name(),
        instructions=processor_instructions(),
        integer_sums="exact" if integer_sums_are_exact() else "saturating",
        cores=os.cpu_count(),
        cores_allowed=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        memory_gib=_memory_gib(),
        is_virtual="hypervisor" in cpuinfo("flags").split(),
        python=platform.python_version(),
        onnxruntime=ort.__version__,
        numpy=np.__version__,
    )


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (OSError, ValueError):
        return None
