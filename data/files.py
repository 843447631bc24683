"""Write a file in one step: a reader sees the old content or the new content, never half of it.

The content goes to `<name>.part` beside the file, which is renamed at the end. Errors are those of the operating system
(`OSError`); the caller knows what to say about them.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path to write to; it replaces `path` when the block ends, and is removed when the block raises."""
    unfinished = path.with_name(path.name + ".part")
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error is the one that matters
            unfinished.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file by `content`."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace the file by `content`, as UTF-8 with `\\n` line ends on every platform.

    Bytes of a file name that are no text are written as their escape.
    """
    write_bytes(path, content.encode("utf-8", "backslashreplace"))
