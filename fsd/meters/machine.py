"""Description of this machine: CPU, cores, and the versions that matter for speed. Without a host name."""

import os
import platform
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort


class MachineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A machine.

    Attributes:
        system, kernel: operating system and its release.
        processor: model of the CPU; cores: logical ones, of which the process may use `cores_allowed`.
        memory_gib: None where the system does not report it.
    """

    system: str
    kernel: str
    processor: str
    cores: int | None
    cores_allowed: int | None
    memory_gib: float | None
    is_virtual: bool
    python: str
    onnxruntime: str
    numpy: str


def describe_machine() -> MachineInfo:
    """Look at this machine."""
    return MachineInfo(
        system=platform.system(),
        kernel=platform.release(),
        processor=_cpuinfo("model name") or platform.processor() or platform.machine(),
        cores=os.cpu_count(),
        cores_allowed=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        memory_gib=_memory_gib(),
        is_virtual="hypervisor" in _cpuinfo("flags").split(),
        python=platform.python_version(),
        onnxruntime=ort.__version__,
        numpy=np.__version__,
    )


def _cpuinfo(field: str) -> str:
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
