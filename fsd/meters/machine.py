"""Description of this machine: CPU, cores, and the versions that matter for speed. Without a host name."""

import os
import platform
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort

from fsd.networks.onnx_session import integer_sums_are_exact

INSTRUCTION_SETS = {
    "sse4.2": ("sse4_2",),
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "vnni": ("avx512_vnni", "avx_vnni"),
    "amx": ("amx_int8",),
    "neon": ("asimd", "neon"),
    "dotprod": ("asimddp",),
    "i8mm": ("i8mm",),
}
"""Extensions that decide how fast and by which kernels 8-bit products run -> their flags in /proc/cpuinfo."""


class MachineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A machine.

    Attributes:
        system, kernel: operating system and its release.
        processor: model of the CPU; instructions: extensions of `INSTRUCTION_SETS` that it has.
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
        processor=cpuinfo("model name") or platform.processor() or platform.machine(),
        instructions=instruction_set(cpuinfo("flags") or cpuinfo("Features")),
        integer_sums="exact" if integer_sums_are_exact() else "saturating",
        cores=os.cpu_count(),
        cores_allowed=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        memory_gib=_memory_gib(),
        is_virtual="hypervisor" in cpuinfo("flags").split(),
        python=platform.python_version(),
        onnxruntime=ort.__version__,
        numpy=np.__version__,
    )


def instruction_set(flags: str) -> str:
    """The extensions of `INSTRUCTION_SETS` among a processor's flags, separated by spaces; `unknown` without any."""
    present = set(flags.split())
    return " ".join(name for name, any_of in INSTRUCTION_SETS.items() if present.intersection(any_of)) or "unknown"


def cpuinfo(field: str) -> str:
    """A field of the first core in /proc/cpuinfo; empty on other systems."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(field):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (OSError, ValueError):
        return None
