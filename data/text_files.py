"""Read text, JSON and CSV files that people and other programs wrote: one clear error for each way of being wrong."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fsd.data.errors import ClipError, FsdError

_BYTE_ORDER_MARKS: Mapping[bytes, str] = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_DELIMITERS = (",", ";", "\t", "|")


def read_text(path: Path, error: type[FsdError] = ClipError) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises:
        error: it cannot be read, or is not such text; states where.
    """
    check_is_no_pipe(path, error)
    try:
        content = path.read_bytes()
    except OSError as cause:
        raise error(f"{path} cannot be read ({cause.strerror}). Check the path and the permissions.") from cause
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as cause:
        raise error(
            f"{path} is not UTF-8 text (byte 0x{content[cause.start]:02x} at {cause.start}). "
            "Save it as UTF-8, or write it again."
        ) from cause


def check_is_no_pipe(path: Path, error: type[FsdError] = ClipError) -> None:
    """Refuse a pipe in a folder, which nobody may ever write to; one of the shell's, such as `<(...)`, is read.

    Raises:
        error: it is one.
    """
    if path.is_fifo() and path.parts[:2] not in (("/", "dev"), ("/", "proc")):
        raise error(f"{path} is a pipe, not a file. Remove it, or write a file.")


def read_json(path: Path, error: type[FsdError] = ClipError) -> Any:
    """The content of a JSON file.

    Raises:
        error: it cannot be read, or is no JSON.
    """
    text = read_text(path, error)
    if not text.strip():
        raise error(f"{path} is empty, and must be JSON. Write it again, or remove it.")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as cause:
        raise error(f"{path} is not JSON: {cause}. Correct the syntax.") from cause


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Names of the columns and rows of a CSV file; the columns may be separated by `,`, `;`, a tab or `|`.

    Raises:
        ClipError: it cannot be read, is empty, or names a column twice.
    """
    # Not at every character that Unicode takes for the end of a line: a damaged byte would make two rows of one.
    lines = read_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    head = next((line for line in lines if line.strip()), None)
    if head is None:
        raise ClipError(f"{path} is empty. Write it again, or remove it.")
    delimiter = max(_DELIMITERS, key=head.count)
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if any(cell.strip() for cell in row)]
    except csv.Error as cause:
        raise ClipError(f"{path} cannot be read as CSV ({cause}). Write it again, or remove it.") from cause
    if not rows:
        raise ClipError(f"{path} has no names of columns, only separators. Write it again, or remove it.")
    header = [name.strip() for name in rows[0]]
    twice = next((name for place, name in enumerate(header) if name and name in header[:place]), None)
    if twice is not None:
        raise ClipError(f"{path} has the column `{twice}` more than once. Keep the one that is meant.", field=twice)
    return header, rows[1:]


def check_column(path: Path, name: str, found: list[str]) -> None:
    """Refuse a table without a column.

    Raises:
        ClipError: names the columns that it has.
    """
    if name not in found:
        raise ClipError(
            f"{path} has no column `{name}` (it has {', '.join(found) or 'nothing'}). Add it, or remove the file.",
            field=name,
        )
