"""Run a script of the project on a processor that this machine is not, in QEMU's user-mode emulator."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.portable.arm64 import Arm64Python

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "portable"
"""Kernels and packages that emulated processors use; ignored by git."""

PACKAGE = "qemu-user"
"""What Debian and Ubuntu call the emulator."""

TIMEOUT_S = 3600
"""The first ticks of the compressor compile its kernels, which takes minutes in an emulator."""


@dataclass(frozen=True)
class Processor:
    """A processor to emulate.

    Attributes:
        name: QEMU's. machine: as in `uname -m`. instructions: for people.
        features: what kernels may use, as LLVM names it; empty to let them find out on the processor.
    """

    name: str
    machine: str
    instructions: str
    features: str = ""

    @property
    def emulator(self) -> str:
        return f"qemu-{self.machine}"

    @property
    def is_available(self) -> bool:
        """Whether this machine has the emulator, and packages that it can run."""
        is_x86 = self.machine == "x86_64"
        return shutil.which(self.emulator) is not None and (not is_x86 or sysconfig.get_platform().endswith("x86_64"))


PROCESSORS = {
    processor.name: processor
    for processor in (
        Processor(
            "Haswell", "x86_64", "AVX2 without VNNI", "+sse4.2,+popcnt,+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+movbe"
        ),
        Processor("Nehalem", "x86_64", "SSE4.2 only", "+sse4.2,+popcnt"),
        Processor("neoverse-n1", "aarch64", "NEON with dot product"),
        Processor("cortex-a72", "aarch64", "NEON without dot product"),
    )
}

_START = """
import runpy, site, sys
for folder in {folders!r}:
    site.addsitedir(folder)
sys.path[:0] = {paths!r}
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""The emulated x86 interpreter is the one behind the virtual environment, so it is told where the packages are."""


def run_on(
    processor: Processor | None, script: Path, *arguments: str, arm64: Arm64Python | None = None
) -> dict[str, Any]:
    """The JSON object that a script prints last.

    Args:
        processor: None is this machine's own.
        arm64: the interpreter for processors of that kind.

    Raises:
        AssertionError: the script failed.
    """
    command = _x86_python()
    environment = {"OMP_NUM_THREADS": "1"} | ({} if processor is None else _kernels(processor))
    if processor is not None and processor.machine != "x86_64":
        assert arm64 is not None
        command = arm64.command
        environment |= {"PYTHONPATH": arm64.python_path, "PYTHONDONTWRITEBYTECODE": "1"}
    if processor is not None:
        command = [processor.emulator, *command]
        environment["QEMU_CPU"] = processor.name
    done = _run([*command, str(script), *arguments], environment)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def compile_kernels(processor: Processor, script: Path, *arguments: str) -> None:
    """Compile the compressor's kernels for an x86 processor on this one, ten times as fast as in the emulator.

    Runs the script for that. If this machine cannot run them they are compiled in the emulator, later.
    """
    if processor.features:
        _run([*_x86_python(), str(script), *arguments], _kernels(processor))


def _x86_python() -> list[str]:
    start = _START.format(folders=[sysconfig.get_path("purelib")], paths=[path for path in sys.path if path])
    return [str(Path(sys.executable).resolve()), "-c", start]


def _kernels(processor: Processor) -> dict[str, str]:
    """Where a processor's kernels are kept, and what they are compiled for."""
    environment = {"NUMBA_CACHE_DIR": str(OUT / f"kernels-{processor.name}")}
    if processor.features:
        environment |= {"NUMBA_CPU_NAME": processor.name.lower(), "NUMBA_CPU_FEATURES": processor.features}
    return environment


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    whole = {**os.environ, **environment}
    return subprocess.run(command, env=whole, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
