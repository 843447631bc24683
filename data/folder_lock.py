"""One writer per folder: an operating-system lock on a small file that says who holds it.

The operating system frees the lock when its holder ends, however it ends, so a lock file that a killed run left behind
hinders nobody. Child processes do not inherit the lock.
"""

import errno
import json
import os
import socket
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fsd.data.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = ".fsd.lock"

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""File systems without locks, such as Lustre by default: runs go on without one."""

_LOCKED_BYTE = 1 << 30
"""Windows locks bytes: one far behind the content, which others must be able to read."""


@contextmanager
def locked(folder: Path, command: str, part: str = "") -> Iterator[None]:
    """Hold the lock of a folder.

    Args:
        folder: exists; command: of the holder, for the message to others.
        part: of the folder, such as `shard-0-of-4`; each part has a lock of its own.

    Raises:
        OutputError: another run holds it; names the folder and the holder.
        OSError: the lock file cannot be written.
    """
    path = folder / (f"{LOCK_FILE}-{part}" if part else LOCK_FILE)
    lock = _Lock(path)
    if not lock.is_held:
        raise OutputError(
            f"{folder} is in use by {_describe_holder(path)}. Wait until that run has ended, or name another folder."
        )
    try:
        lock.write({"pid": os.getpid(), "host": socket.gethostname(), "command": command, "since_unix_s": time.time()})
        yield
    finally:
        lock.release()


class _Lock:
    """A lock file, opened and locked if nobody else holds it."""

    def __init__(self, path: Path) -> None:
        self._path, self._process = path, os.getpid()
        self.is_held = False
        while not self.is_held:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            if not _try_lock(self._descriptor):
                os.close(self._descriptor)
                return
            # A holder that ends removes the file: a lock on a file that has no name any more protects nothing.
            self.is_held = _is_at(self._descriptor, path)
            if not self.is_held:
                os.close(self._descriptor)
        _held.add(self)

    def write(self, holder: dict[str, object]) -> None:
        """State who holds the lock; on a full disk it is held without."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, json.dumps(holder).encode())

    def release(self) -> None:
        """Remove the file, then free the lock."""
        if os.getpid() != self._process:  # a forked child, which has not got it
            return
        _held.discard(self)
        with suppress(OSError):
            self._path.unlink()
        self.close()

    def close(self) -> None:
        """Close the file; the lock is free when no process has it open any more."""
        with suppress(OSError):
            os.close(self._descriptor)


_held: "weakref.WeakSet[_Lock]" = weakref.WeakSet()


def _close_in_child() -> None:
    """A forked child shares the open file, and would hold the lock after the end of its parent."""
    for lock in list(_held):
        lock.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def _try_lock(descriptor: int) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one that has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _describe_holder(path: Path) -> str:
    """Command, process, machine and start of the run that holds a lock, as far as its file says."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder["since_unix_s"]))
        return f"`{holder['command']}` (process {holder['pid']} on {holder['host']}, since {since})"
    except (OSError, ValueError, KeyError, TypeError):  # it has only just begun, or has just ended
        return "another run"
