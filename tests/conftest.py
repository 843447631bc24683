"""For every folder of tests: a full disk, and the priority of ordinary programs."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Call it with a size in KiB: a folder on a file system of that size; skips where none can be mounted."""
    folder = tmp_path / "small"

    def mount(size_kib: int) -> Path:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no file system can be mounted here: {error}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def limited_files() -> Iterator[Callable[[int], None]]:
    """Call it with a size in KiB: no file can become larger, with the errors of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size_kib: resource.setrlimit(resource.RLIMIT_FSIZE, (size_kib << 10, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(autouse=True)
def ordinary_priority() -> Iterator[None]:
    """The AV1 encoder of the tests makes the process real-time where it runs as root, which starves all others."""
    yield
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
