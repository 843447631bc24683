"""Exact time in integer nanoseconds: ticks, container times, and the timestamp files that replace them.

Tick times round up and container times round down. Together they keep an exact 36 Hz recording exact whatever its
start: with start s and period p, floor(s + i p) <= floor(s) + ceil(i p), so frame i is never later than tick i, and
frame i + 1, a whole period later, is always later than it. Likewise the last frame still has its tick, since
floor(s) + floor(i p) <= floor(s + i p).
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.errors import ClipError, ClockError
from fsd.data.frames import RATE_HZ
from fsd.data.text_files import check_column, check_is_no_pipe, read_csv

SECOND_NS = 10**9

MAX_TIME_NS = 2**62
"""Times in ns are within this of 0 (2116 as Unix time), so that sums and differences of two fit 64 bits."""

_LEAST_STEP_NS = 500_000
"""No camera here takes 2000 pictures/s: times that are closer count another unit than nanoseconds."""
_ENOUGH_STEPS = 8
_UNITS_NS = {"microseconds": 10**3, "milliseconds": 10**6, "seconds": 10**9}


def tick_time_ns(tick: int, start_ns: int = 0) -> int:
    """Time of a tick of a recording that starts at `start_ns`: computed from the index, never accumulated."""
    return start_ns - (-tick * SECOND_NS * RATE_HZ.denominator // RATE_HZ.numerator)


def tick_count(start_ns: int, end_ns: int) -> int:
    """Number of ticks of a recording from `start_ns` that are not later than its last frame, at `end_ns`.

    Frame times were rounded down, so the tick's time is rounded down for this comparison too.
    """
    if end_ns < start_ns:
        return 0
    return -(-(end_ns - start_ns + 1) * RATE_HZ.numerator // (RATE_HZ.denominator * SECOND_NS))


def floor_ns(time_s: Fraction) -> int:
    """A time in seconds as whole nanoseconds, rounded down."""
    return time_s.numerator * SECOND_NS // time_s.denominator


@dataclass(frozen=True)
class Timestamps:
    """The authoritative times of a camera's frames: `timestamp_ns[row]` is the time of frame `frame_index[row]`.

    Both are (n,) int64 and rise strictly. Frames without a row are not shown.
    """

    path: Path
    frame_index: np.ndarray
    timestamp_ns: np.ndarray

    def __len__(self) -> int:
        return len(self.timestamp_ns)

    def time_of(self, index: int) -> int | None:
        """The time of frame `index`, or None where it has no row."""
        is_dense = self.frame_index[0] == 0 and self.frame_index[-1] == len(self.frame_index) - 1
        row = index if is_dense else int(np.searchsorted(self.frame_index, index))
        if row >= len(self.timestamp_ns) or self.frame_index[row] != index:
            return None
        return int(self.timestamp_ns[row])

    @property
    def period_ns(self) -> int | None:
        """The median step from one row to the next, or None where there is only one row."""
        return int(np.median(np.diff(self.timestamp_ns))) if len(self.timestamp_ns) > 1 else None


def load_timestamps(path: Path) -> Timestamps:
    """Read `<camera>.timestamps.parquet` (frame_index, t_ns) or `<video>.csv` (timestamp_ns, optionally frame).

    Raises:
        ClipError: the file cannot be read or lacks the column.
        ClockError: times or frame numbers do not rise strictly; the message names the row and the values.
    """
    is_csv = path.suffix == ".csv"
    if is_csv:
        frame_index, timestamp_ns = _read_csv(path)
    else:
        table = read_parquet(path, "frame_index", "t_ns")
        frame_index, timestamp_ns = (integer_column(path, table, name) for name in ("frame_index", "t_ns"))
    if len(timestamp_ns) == 0:
        raise ClockError(f"{path} has no rows. Remove the file to use the times of the video, or write it again.")
    name = "timestamp_ns" if is_csv else "t_ns"
    check_times(path, name, timestamp_ns)
    check_rising(path, name, timestamp_ns)
    check_steps(path, name, timestamp_ns)
    check_rising(path, "frame_index", frame_index)
    if frame_index[0] < 0:
        raise ClockError(f"{path} row 0: frame number {frame_index[0]} is negative. Count frames from 0.")
    return Timestamps(path, frame_index, timestamp_ns)


def csv_columns(path: Path) -> list[str]:
    """Names of the columns of a CSV file; empty where there is no such file.

    Raises:
        ClipError: there is one, but it cannot be read.
    """
    return read_csv(path)[0] if path.is_file() else []


def read_parquet(path: Path, *columns: str, only_these: bool = False, filters: Any = None) -> Any:
    """A Parquet file as a pyarrow table.

    Args:
        path: the file.
        columns: must be there.
        only_these: no other columns are read.
        filters: rows to read, as `pyarrow.parquet.read_table` takes them.

    Raises:
        ClipError: the file cannot be read or lacks one of the columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_is_no_pipe(path)
    try:
        # Not by name: pyarrow takes some for URLs, and refuses those that are not UTF-8.
        with path.open("rb") as file:
            names = pq.read_schema(file).names
        twice = next((name for name in columns if names.count(name) > 1), None)
        if twice is not None:
            raise ClipError(f"{path} has the column `{twice}` more than once. Keep the one that is meant.", field=twice)
        with path.open("rb") as file:
            table = pq.read_table(file, columns=list(columns) if only_these else None, filters=filters)
        table.validate(full=True)  # text that is not UTF-8 would end in an error where it is read
        found = table.column_names
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise ClipError(f"{path} cannot be read as Parquet ({error}). Write it again, or remove it.") from error
    for name in columns:
        check_column(path, name, found)
    return table


def integer_column(path: Path, table: Any, name: str) -> np.ndarray:
    """(n,) int64 column of a table that was read from `path`.

    Raises:
        ClockError: it has another type, or empty rows.
    """
    import pyarrow as pa

    column = table[name]
    if not pa.types.is_integer(column.type) or column.null_count:
        raise ClockError(
            f"{path}: `{name}` must be whole numbers without gaps, got {column.type} with {column.null_count} empty "
            "rows. Write int64.",
            field=name,
        )
    try:
        return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)
    except pa.ArrowInvalid as error:
        raise ClockError(f"{path}: `{name}` has a number over 2^63. Write int64.", field=name) from error


def check_times(path: Path, name: str, timestamp_ns: np.ndarray) -> None:
    """Refuse times that are none in nanoseconds.

    Raises:
        ClockError: names the first such row and its value.
    """
    # Not by the magnitude: that of -2^63 does not fit 64 bits.
    wrong = np.flatnonzero((timestamp_ns > MAX_TIME_NS) | (timestamp_ns < -MAX_TIME_NS))
    if len(wrong):
        row = int(wrong[0])
        raise ClockError(
            f"{path} row {row}: `{name}` {timestamp_ns[row]} is no time in nanoseconds ({len(wrong)} such rows; the "
            f"largest is {MAX_TIME_NS}, in the year 2116). Write Unix time, or time from the start, in nanoseconds.",
            field=name,
        )


def check_steps(path: Path, name: str, timestamp_ns: np.ndarray) -> None:
    """Refuse times of pictures, which rise, that count another unit than nanoseconds.

    Raises:
        ClockError: most pictures are less than 0.5 ms apart.
    """
    steps = np.diff(timestamp_ns)
    if len(steps) < _ENOUGH_STEPS or (step := int(np.median(steps))) >= _LEAST_STEP_NS:
        return
    unit = next((unit for unit, unit_ns in _UNITS_NS.items() if 1 <= SECOND_NS / (step * unit_ns) <= 300), None)
    guess = "" if unit is None else f"They look like {unit} ({SECOND_NS / (step * _UNITS_NS[unit]):.3g} pictures/s). "
    factor = "" if unit is None else f", which is the numbers times {_UNITS_NS[unit]}"
    raise ClockError(
        f"{path}: {len(timestamp_ns)} pictures within {timestamp_ns[-1] - timestamp_ns[0]} ns, by `{name}`: no camera "
        f"is that fast. {guess}Write nanoseconds{factor}, or remove the file to use the times of the video.",
        field=name,
    )


def check_rising(path: Path, name: str, values: np.ndarray) -> None:
    """Refuse a column that does not rise strictly.

    Raises:
        ClockError: names the first such row and its values.
    """
    falls = np.flatnonzero(np.diff(values) <= 0)
    if len(falls):
        row = int(falls[0]) + 1
        raise ClockError(
            f"{path} row {row}: `{name}` {values[row]} does not rise above {values[row - 1]} of row {row - 1} "
            f"({len(falls)} such rows). Sort the rows and remove repeated ones, or remove the file.",
            field=name,
        )


def _read_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    header, rows = read_csv(path)
    check_column(path, "timestamp_ns", header)
    timestamp_ns = _integers(path, rows, header.index("timestamp_ns"), "timestamp_ns")
    for name in ("frame_index", "frame"):
        if name in header:
            return _integers(path, rows, header.index(name), name), timestamp_ns
    return np.arange(len(timestamp_ns), dtype=np.int64), timestamp_ns


def _integers(path: Path, rows: list[list[str]], column: int, name: str) -> np.ndarray:
    values = np.empty(len(rows), np.int64)
    for i, row in enumerate(rows):
        try:
            values[i] = int(row[column])
        except (ValueError, IndexError, OverflowError) as error:
            received = row[column] if column < len(row) else "nothing"
            raise ClockError(
                f"{path} row {i}: `{name}` is {received!r} and must be a whole number. Write integer nanoseconds.",
                field=name,
            ) from error
    return values
