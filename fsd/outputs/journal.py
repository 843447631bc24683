"""Tables that survive a crash: rows go to an Arrow stream at once, and become Parquet when the run ends.

A Parquet file without its footer cannot be read, so a killed run would leave nothing. An Arrow stream can be read up to
its last whole batch. `read_table` reads either.
"""

import errno
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from fsd.data.files import replacing
from fsd.data.frames import RATE_HZ

JOURNAL_SUFFIX = ".arrows"
END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
"""Source: Arrow columnar format, IPC streaming format."""


class TableJournal:
    """Writes `<stem>.parquet`, by way of `<stem>.arrows` while the run lasts.

    Args:
        parquet_path: the table that will be there after `close`.
        schema: fixed-size lists take numpy arrays of that many values.
        flush_rows: rows a batch; at 36 Hz, 36 rows lose at most one second of a killed run.
    """

    def __init__(self, parquet_path: Path, schema: pa.Schema, flush_rows: int = int(RATE_HZ)) -> None:
        self.parquet_path = parquet_path
        self._journal_path = parquet_path.with_suffix(JOURNAL_SUFFIX)
        self._schema = schema
        self._flush_rows = flush_rows
        self._rows: list[Mapping[str, Any]] = []
        parquet_path.unlink(missing_ok=True)
        self._file = self._journal_path.open("wb", buffering=0)
        self._write(schema.serialize())

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row: a value per column of the schema."""
        self._rows.append(row)
        if len(self._rows) >= self._flush_rows:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are in memory; where that fails, they stay there."""
        if self._rows:
            columns = [_column(field, [row[field.name] for row in self._rows]) for field in self._schema]
            self._write(pa.RecordBatch.from_arrays(columns, schema=self._schema).serialize())
            self._rows.clear()

    def close(self) -> None:
        """Write the Parquet file and remove the journal; where that fails, the journal stays."""
        try:
            self.flush()
            self._write(END_OF_STREAM)
        finally:
            self._file.close()
        with (
            replacing(self.parquet_path) as unfinished,
            pyarrow.ipc.open_stream(self._journal_path) as stream,
            pq.ParquetWriter(unfinished, self._schema) as out,
        ):
            batches: list[pa.RecordBatch] = []
            for batch in stream:
                batches.append(batch)
                if len(batches) == 100:
                    out.write_table(pa.Table.from_batches(batches))
                    batches.clear()
            out.write_table(pa.Table.from_batches(batches, self._schema))
        self._journal_path.unlink()

    def _write(self, message: pa.Buffer | bytes) -> None:
        """Write all of a message, or nothing: behind a part of one, nothing could be read."""
        begin = self._file.tell()
        left = memoryview(message)
        try:
            while len(left):
                left = left[self._file.write(left) or 0 :]
        except OSError:
            with suppress(OSError):
                self._file.truncate(begin)
                self._file.seek(begin)
            raise


def read_table(parquet_path: Path) -> pa.Table:
    """Read a finished table, or what an unfinished run left of it.

    Raises:
        FileNotFoundError: there is neither a `.parquet` nor an `.arrows` file, or the run was killed as it began.
    """
    if parquet_path.exists():
        return pq.read_table(parquet_path)
    journal_path = parquet_path.with_suffix(JOURNAL_SUFFIX)
    if journal_path.stat().st_size == 0:
        raise FileNotFoundError(errno.ENOENT, "has no content yet", str(journal_path))
    batches = []
    with pyarrow.ipc.open_stream(journal_path) as stream:
        try:
            for batch in stream:
                batches.append(batch)  # noqa: PERF402 - the batches before a torn one must be kept
        except (pa.ArrowInvalid, OSError):
            pass  # the last batch was cut off by the crash
        return pa.Table.from_batches(batches, stream.schema)


def _column(field: pa.Field, values: list[Any]) -> pa.Array:
    if pa.types.is_fixed_size_list(field.type):
        flat = np.concatenate([np.ravel(value) for value in values])
        return pa.FixedSizeListArray.from_arrays(pa.array(flat, field.type.value_type), type=field.type)
    return pa.array(values, field.type)
