"""Name of this machine's processor, and its instructions that decide how 8-bit products are computed."""

import platform
from pathlib import Path

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


def processor_name() -> str:
    """Model of the CPU."""
    return cpuinfo("model name") or platform.processor() or platform.machine()


def processor_instructions() -> str:
    """Its extensions of `INSTRUCTION_SETS`."""
    return instruction_set(cpuinfo("flags") or cpuinfo("Features"))


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
