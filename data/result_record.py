"""The record of a result folder: which files in it fsd wrote, by which command, and where those before them are."""

import re
from collections.abc import Collection
from pathlib import Path

import msgspec

HIDDEN = ".fsd"
"""Begin of the names of all hidden files, the lock's included."""
RECORD_FILE = f"{HIDDEN}-results.json"
RESERVE_FILE = f"{HIDDEN}-reserve"
SUMMARY_FILE = "summary.json"
PREVIOUS = "previous"
UNKNOWN_SIZE = -1
_PREVIOUS = re.compile(rf"{PREVIOUS}(-\d+)?")


class Results(msgspec.Struct):
    """The files of one run.

    Attributes:
        command: that wrote them; is_complete: whether it ended well.
        files: path in the folder -> size in bytes; None for one that is being written, `UNKNOWN_SIZE` for one that may
            not be removed.
    """

    command: str
    is_complete: bool = False
    files: dict[str, int | None] = {}


class Record(msgspec.Struct):
    """Content of the record: the results of every command in the folder, and those of the run before.

    Attributes:
        previous: folder -> what is, or is being, moved there.
        is_moving: the move to the last of these folders has not ended.
    """

    results: dict[str, Results] = {}
    previous: dict[str, Results] = {}
    is_moving: bool = False


def results_in(folder: Path) -> frozenset[str]:
    """The results of fsd in a folder, as its record lists them; those in folders below as `previous/plan.parquet`."""
    record = read_record(folder / RECORD_FILE)
    if record is None:
        return frozenset()
    listed = {file for each in record.results.values() for file in each.files}
    listed |= {f"{place}/{file}" for place, each in record.previous.items() for file in each.files}
    return frozenset(listed)


class _AnySummary(msgspec.Struct):
    """What every `summary.json` of fsd states."""

    command: str
    fsd_version: str
    status: str = "complete"


def _read_summary(path: Path) -> _AnySummary | None:
    try:
        return msgspec.json.decode((path / SUMMARY_FILE).read_bytes(), type=_AnySummary)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def has_complete_summary(path: Path) -> bool:
    """Whether the summary in a folder is that of a complete run."""
    summary = _read_summary(path)
    return summary is not None and summary.status == "complete"


def spoiled_results(path: Path, command: str) -> list[str]:
    """The results of a command that the record in a folder lists, and that are gone or have another size by now."""
    record = read_record(path / RECORD_FILE)
    listed = record.results.get(command) if record else None
    return [name for name, size in (listed.files if listed else {}).items() if not _is_as_written(path / name, size)]


def _is_as_written(path: Path, size: int | None) -> bool:
    try:
        return path.stat().st_size == size or size in (None, UNKNOWN_SIZE)
    except OSError:
        return False


def record_without_file(path: Path, command: str, names: Collection[str]) -> Record:
    """The record of results from before there were records: a summary says whose they are.

    They may be moved, but are not removed: a file among them may be somebody else's.
    """
    summary = _read_summary(path)
    if summary is None:
        return Record()
    files = names if summary.command == command else (SUMMARY_FILE,)
    is_complete = summary.status == "complete"
    return Record({summary.command: Results(summary.command, is_complete, dict.fromkeys(files, UNKNOWN_SIZE))})


def read_record(path: Path) -> Record | None:
    """The record in a file; None without one. One that names files elsewhere was not written by fsd."""
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    names = [name for each in (*record.results.values(), *record.previous.values()) for name in each.files]
    is_inside = all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in names)
    return record if is_inside and all(map(_PREVIOUS.fullmatch, record.previous)) else None
