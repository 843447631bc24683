"""One writer per folder; the lock of a run that was killed is free."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fsd.data.errors import OutputError
from fsd.data.folder_lock import LOCK_FILE, locked

HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
from fsd.data.folder_lock import locked
with locked(Path(sys.argv[1]), "fsd replay"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.close(1)
    time.sleep(60)
    os._exit(0)
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock, and has two children that outlive it."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    children = [int(process.stdout.readline()) for _ in range(2)]
    try:
        yield process
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_run_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with holder(tmp_path) as process, pytest.raises(OutputError) as refused, locked(tmp_path, "fsd compress"):
        pass
    assert refused.value.exit_code == 6
    for fact in (str(tmp_path), "fsd replay", str(process.pid), os.uname().nodename, "UTC", "another folder"):
        assert fact in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_lock_of_a_killed_run_is_free_although_its_children_live(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        process.wait()
        assert (tmp_path / LOCK_FILE).exists()
        with locked(tmp_path, "fsd replay"):
            pass
    assert not (tmp_path / LOCK_FILE).exists()


def test_one_process_does_not_hold_a_folder_twice(tmp_path: Path) -> None:
    (tmp_path / "same").symlink_to(tmp_path)
    with locked(tmp_path, "fsd replay"):
        with pytest.raises(OutputError, match=str(os.getpid())), locked(tmp_path / "same", "fsd replay"):
            pass
        with locked(tmp_path, "fsd replay", "shard-0-of-2"):
            pass
    with locked(tmp_path, "fsd replay"):
        pass


def test_a_file_system_without_locks_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path, "fsd replay"):
        assert (tmp_path / LOCK_FILE).exists()


def test_a_lock_file_without_content_still_protects(tmp_path: Path) -> None:
    with locked(tmp_path, "fsd replay"):
        (tmp_path / LOCK_FILE).write_bytes(b"")
        with pytest.raises(OutputError, match="another run"), locked(tmp_path, "fsd replay"):
            pass
