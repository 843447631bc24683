"""Write a file in one step: a reader sees the old content or the new content, never half of it.

The content goes to a hidden file of an unused name beside it, which is renamed at the end. Errors are those of the
operating system (`OSError`); `writing_to` turns them into `OutputError`.
"""

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fsd.data.errors import OutputError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a file system without room: the disk is full, or a quota or a limit on file sizes is reached."""

_NO_FOLDER = frozenset({errno.EEXIST, errno.ENOTDIR})
"""Errors of making a folder where something else is, or below it."""

UNFINISHED = ".part"

FFMPEG_BUFFER_BYTES, INDEX_BYTES = 256 << 10, 64
"""Held in memory of each video; per picture, in the index at its end and in the tables, at most."""


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
    """Replace the file by `content`, as UTF-8 with `\\n` line ends on every platform.

    Bytes of a file name that are no text are written as their escape.
    """
    write_bytes(path, content.encode("utf-8", "backslashreplace"))


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn an `OSError` inside into an `OutputError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise cannot_write(folder, error) from error


def check_space(folder: Path, pictures: int, cameras: int, width_px: int, height_px: int) -> None:
    """Stop before the disk is full: FFmpeg cannot end a file, and so loses it, once a write has failed.

    Args:
        pictures: written so far, over all cameras; width_px, height_px: of the largest camera.

    Raises:
        OSError: there may be too little space for one more picture of every camera and the ends of the files.
    """
    one_more = width_px * height_px * 3 // 2 + FFMPEG_BUFFER_BYTES
    if shutil.disk_usage(folder).free < cameras * one_more + pictures * INDEX_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def cannot_write(folder: Path, error: OSError) -> OutputError:
    """The error for the user."""
    why = str(error) if error.errno is None else os.strerror(error.errno)  # libraries put more into theirs
    if error.errno in FULL:
        return OutputError(f"Cannot write to {folder}: {why}. Free some space, or name another folder.")
    if error.errno in _NO_FOLDER:
        why = next(
            (f"{each} is {kind}, not a folder" for each in (folder, *folder.parents) if (kind := _kind(each))), why
        )
    return OutputError(f"Cannot write to {folder}: {why}. Name another folder.")


def _kind(path: Path) -> str:
    """What a path is, as a phrase; empty for a folder, and where nothing is."""
    if path.is_symlink() and not path.exists():
        return "a link to nothing"
    if not path.exists() or path.is_dir():
        return ""
    return "a file" if path.is_file() else "a pipe or a device"


def full_disk_error(error: BaseException | None) -> OSError | None:
    """The error of a file system without room that caused `error`; None if another thing did."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = error.__cause__ or error.__context__
    return None
