"""Run a script of the project on a processor that this machine is not, in QEMU's user-mode emulator."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

EMULATOR = "qemu-x86_64"

PROCESSORS = {"Haswell": "AVX2 without VNNI", "Nehalem": "SSE4.2 only"}
"""Names of QEMU -> what matters about them here."""

TIMEOUT_S = 600

_START = """
import runpy, site, sys
for folder in {folders!r}:
    site.addsitedir(folder)
sys.path[:0] = {paths!r}
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""The emulated interpreter is the one behind the virtual environment, so it is told where the packages are."""


def is_available() -> bool:
    """Whether this machine can emulate x86 processors."""
    return shutil.which(EMULATOR) is not None


def run_on(processor: str, script: Path, *arguments: str) -> dict[str, Any]:
    """The JSON object that a script prints last, run on an emulated processor; "" is this machine's own.

    Raises:
        AssertionError: the script failed.
    """
    paths = [path for path in sys.path if path]
    start = _START.format(folders=[sysconfig.get_path("purelib")], paths=paths)
    python = [str(Path(sys.executable).resolve()), "-c", start, str(script), *arguments]
    command = [EMULATOR, *python] if processor else python
    environment = {**os.environ, "QEMU_CPU": processor, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result
