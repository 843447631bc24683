"""Name one recording inside a data set by a path whose last part is `NAME#FRAGMENT`, such as `L2D#episode-12`."""

from pathlib import Path


def split_fragment(path: Path) -> tuple[Path, str | None]:
    """The path of the data set and the name of the recording in it; None where the path names no recording.

    A path that exists is never split: `#` is allowed in file names.
    """
    name, separator, fragment = path.name.rpartition("#")
    if not separator or not name or not fragment or path.exists():
        return path, None
    return path.with_name(name), fragment


def with_fragment(path: Path, fragment: str) -> Path:
    """The path of the recording `fragment` in the data set at `path`."""
    name = path.name or path.resolve().name
    parent = path.parent if path.name else path.resolve().parent
    return parent / f"{name}#{fragment}"
