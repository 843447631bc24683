"""Folders in which units are made before they are published: one per process, removed when that has ended."""

import os
import shutil
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from fsd.data.errors import OutputError
from fsd.data.folder_lock import locked

_POLL_S = 0.1


def default_cache() -> Path:
    """The cache of this user on this machine."""
    return Path(tempfile.gettempdir()) / f"fsd-cache-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def own_folder(parent: Path) -> Path:
    """A new folder for this process, locked until it ends; those of processes that have ended are removed."""
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        with suppress(OutputError), locked(parent, "fsd"):
            _remove_left(parent)
            folder = Path(tempfile.mkdtemp(dir=parent))
            _held.enter_context(locked(folder, "fsd"))
            return folder
        time.sleep(_POLL_S)


def remove_unused(parent: Path) -> None:
    """Remove what ended processes have left in the folder of `scratch_in`, and itself if nobody uses it."""
    if parent.exists():
        with suppress(OutputError, OSError), locked(parent, "fsd"):
            _remove_left(parent)
        with suppress(OSError):
            parent.rmdir()


def _remove_left(parent: Path) -> None:
    for left in parent.iterdir():
        if left.is_dir():
            with suppress(OutputError, OSError), locked(left, "fsd"):
                shutil.rmtree(left, ignore_errors=True)


_held = ExitStack()
"""Locks of this process, which the operating system frees at its end."""
