"""When the images of a folder were taken: from a table, from their names, or from a constant rate."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from fsd.data.clock import MAX_TIME_NS, SECOND_NS, floor_ns
from fsd.data.errors import ClipError, ClockError
from fsd.data.text_files import read_text

_UNIT_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND_NS}

_UNIX_S = (10**9, 5 * 10**9)
"""Unix times in seconds from 2001 to 2128: 10 digits in s, 13 in ms, 16 in us, 19 in ns."""

_STEP_NS = (SECOND_NS // 120, SECOND_NS // 2)
"""The usual time from picture to picture, 2 to 120 Hz; no two units fit the same number."""

_ELAPSED = 10**9
"""Whole numbers that are no Unix times are times only if they reach this; smaller ones count pictures."""

_TIME_COLUMN = re.compile(r"#?\s*(?:timestamp|time|t)(?:_(ns|us|ms|s))?\s*(?:\[(ns|us|ms|s)\])?", re.IGNORECASE)
_NAME_COLUMN = re.compile(r"\s*(?:file_?name|file|image|name|path)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class TimeTable:
    """Rows of a table of image times.

    Attributes:
        timestamp_ns: (n,) int64, in any order; rows of several cameras may have the same time.
        names: file name of each row, or None where the rows are those of the images in order.
        note: a sentence that states which unit was inferred, or None where the table says it.
    """

    path: Path
    timestamp_ns: np.ndarray
    names: tuple[str, ...] | None
    note: str | None


def read_time_table(path: Path) -> TimeTable:
    """Read a table of image times.

    The file is CSV, or has blanks between its columns. With a header, the times are in the column `timestamp_ns` (or
    `_us`, `_ms`, `_s`) and file names, where there are any, in `filename`. Without a header, the times are in the first
    column and the file names in the second.

    Raises:
        ClipError: it cannot be read, or has no column of times.
        ClockError: a time is no number, or the unit of the times cannot be told.
    """
    rows = _rows(path)
    time_column, name_column, unit = 0, 1, None
    has_header = bool(rows) and _number(rows[0][0]) is None
    if has_header:
        time_column, name_column, unit = _columns(path, rows.pop(0))
    if not rows:
        raise ClockError(f"{path} has no rows. Write one time per image, or remove the file.")
    values = []
    for number, row in enumerate(rows):
        value = _number(row[time_column]) if time_column < len(row) else None
        if value is None:
            raise ClockError(
                f"{path} row {number}: {' '.join(row)!r} has no time. Write integer nanoseconds.", field="timestamp_ns"
            )
        values.append(value)
    note = None
    if unit is None:
        inferred = infer_unit(values)
        if inferred is None:
            raise ClockError(
                f"{path}: the unit of the times cannot be told (they begin with {values[0]}). Name the column "
                "timestamp_ns, timestamp_us, timestamp_ms or timestamp_s.",
                field="timestamp_ns",
            )
        unit, reason = inferred
        note = f"The times in {path.name} are taken as {unit}, from {reason}."
    far = next((value for value in values if abs(value) * _UNIT_NS[unit] > MAX_TIME_NS), None)
    if far is not None:
        raise ClockError(f"{path}: {far} {unit} is no time (it is after 2116). Correct it.", field="timestamp_ns")
    timestamp_ns = _nanoseconds(values, unit)
    short = next((row for row in rows if len(row) <= name_column), None) if has_header else None
    if short is not None:
        raise ClockError(
            f"{path}: {' '.join(short)!r} has no file name, but others may. Correct the row.", field="filename"
        )
    has_names = 0 <= name_column < min(len(row) for row in rows)
    names = tuple(row[name_column] for row in rows) if has_names else None
    return TimeTable(path, timestamp_ns, names, note)


def times_in_names(images: Sequence[Path]) -> tuple[list[Path], np.ndarray, str] | None:
    """The images in order of the times that their names are, those times (n,) int64 ns, and a note on the unit.

    A name may be a whole number, or seconds with a decimal point; text before it, such as `frame_`, is ignored.

    Returns:
        None where the names are no times.
    """
    values = {}
    for image in images:
        match = re.fullmatch(r"(?:.*[^0-9.])?([0-9]+(?:\.[0-9]+)?)", image.stem)
        if match is None:
            return None
        values[image] = Decimal(match[1])
    ordered = sorted(images, key=lambda image: values[image])
    times = [values[image] for image in ordered]
    inferred = infer_unit(times) if len(set(times)) == len(times) else None
    if inferred is None or times[-1] * _UNIT_NS[inferred[0]] > MAX_TIME_NS:
        return None
    unit, reason = inferred
    note = f"The names of the images in {images[0].parent.name} are taken as times in {unit}, from {reason}."
    return ordered, _nanoseconds(times, unit), note


def times_at_rate(count: int, rate_hz: float) -> np.ndarray:
    """Times (n,) int64 ns of pictures at a constant rate, from 0."""
    rate = Fraction(str(rate_hz))
    return np.array([floor_ns(index / rate) for index in range(count)], np.int64)


def infer_unit(values: Sequence[Decimal]) -> tuple[str, str] | None:
    """The unit of times (`ns`, `us`, `ms` or `s`) and what shows it, as a phrase; None where they are no times."""
    values = sorted(set(values))
    steps = sorted(after - before for before, after in pairwise(values))
    step = steps[len(steps) // 2] if steps else None
    first = values[0]
    for unit, unit_ns in _UNIT_NS.items():
        low, high = (limit * SECOND_NS // unit_ns for limit in _UNIX_S)
        if low <= first < high and (step is None or SECOND_NS // 1000 <= step * unit_ns <= 60 * SECOND_NS):
            return unit, "their size, which is that of Unix times"
    is_whole = all(value == value.to_integral_value() for value in values)
    for unit, unit_ns in _UNIT_NS.items():
        has_form = is_whole and values[-1] >= _ELAPSED if unit != "s" else not is_whole
        if step is not None and has_form and _STEP_NS[0] <= step * unit_ns <= _STEP_NS[1]:
            return unit, f"their spacing, which is then {float(SECOND_NS / (step * unit_ns)):.3g} Hz"
    return None


def _nanoseconds(values: Sequence[Decimal], unit: str) -> np.ndarray:
    return np.array([int(value * _UNIT_NS[unit]) for value in values], np.int64)


def _rows(path: Path) -> list[list[str]]:
    rows = []
    for line in read_text(path).splitlines():
        if line.strip():
            separator = next((each for each in ",;\t" if each in line), None)
            rows.append([cell.strip().strip('"') for cell in line.split(separator)])
    return rows


def _columns(path: Path, header: list[str]) -> tuple[int, int, str | None]:
    """Places of the times and of the names (-1 where there are none), and the unit, where the header says it."""
    names = next((place for place, cell in enumerate(header) if _NAME_COLUMN.fullmatch(cell)), -1)
    twice = next((cell for place, cell in enumerate(header) if cell and cell in header[:place]), None)
    if twice is not None:
        raise ClipError(f"{path} has the column `{twice}` more than once. Keep the one that is meant.", field=twice)
    for place, cell in enumerate(header):
        match = _TIME_COLUMN.fullmatch(cell)
        if match:
            unit = match[1] or match[2]
            return place, names, unit.lower() if unit else None
    raise ClipError(
        f"{path} has no column `timestamp_ns` (it has {', '.join(header)}). Add it, or remove the file.",
        field="timestamp_ns",
    )


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) < Decimal(2**63) else None
