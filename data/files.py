"""Write a file in one step: a reader sees the old content or the new content, never half of it.

The content goes to a hidden file of an unused name beside it, which is renamed at the end. Errors are those of the
operating system (`OSError`); `writing_to` turns them into `OutputError`.
"""

import errno
import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fsd.data.errors import OutputError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a file system without room: the disk is full, or a quota or a limit on file sizes is reached."""

UNFINISHED = ".part"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path to write to; it replaces `path` when the block ends, and is removed when the block raises."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error is the one that matters
            unfinished.unlink(missing_ok=True)
        raise


def remove_unfinished(path: Path) -> None:
    """Remove what `replacing(path)` left behind when it was killed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED}"):
        left.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file by `content`."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace the file by `content`, as UTF-8 with `\\n` line ends on every platform."""
    write_bytes(path, content.encode())


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn an `OSError` inside into an `OutputError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise cannot_write(folder, error) from error


def cannot_write(folder: Path, error: OSError) -> OutputError:
    """The error for the user."""
    why = str(error) if error.errno is None else os.strerror(error.errno)  # libraries put more into theirs
    if error.errno in FULL:
        return OutputError(
            f"Cannot write to {folder}: {why}. What was written until then is kept. Free some space, or name another "
            "folder with --out."
        )
    return OutputError(f"Cannot write to {folder}: {why}. Name another folder with --out.")


def full_disk_error(error: BaseException | None) -> OSError | None:
    """The error of a file system without room that caused `error`; None if another thing did."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = error.__cause__ or error.__context__
    return None
