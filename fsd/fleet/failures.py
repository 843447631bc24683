"""`failures.parquet` of a run: the recordings that every attempt failed at."""

import io
import time

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from fsd.fleet.places import Place
from fsd.fleet.units import FAILURES_FILE, FAILURES_SCHEMA, Failure, run_folder

_WRITE_S = 30.0
"""How often the file is written while a run goes on."""


class FailureList:
    """Collects the failures of a run that goes on; `close` writes them.

    Failures of earlier starts are replaced, since those recordings were tried again. Those of another start that goes
    on at the same time stay.
    """

    def __init__(self, out: Place, run: str) -> None:
        self._path = run_folder(out, run) / FAILURES_FILE
        self._out, self._run = out, run
        self._rows: list[Failure] = []
        self._since_unix_s = time.time()
        self._written, self._written_s = -1, time.monotonic()

    def add(self, clip: str, attempts: int, kind: str, reason: str) -> None:
        """Add a recording."""
        self._rows.append(
            Failure(clip=clip, run=self._run, attempts=attempts, kind=kind, reason=reason, unix_s=time.time())
        )
        if time.monotonic() - self._written_s > _WRITE_S:
            self.close()

    def close(self) -> None:
        """Write the file."""
        if self._written == len(self._rows):
            return
        rows = [msgspec.structs.asdict(row) for row in self._rows]
        mine = {row.clip for row in self._rows}
        earlier = read_failures(self._out, self._run).to_pylist()
        rows += [row for row in earlier if row["unix_s"] >= self._since_unix_s and row["clip"] not in mine]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, FAILURES_SCHEMA), buffer)
        self._path.write(buffer.getvalue())
        self._written, self._written_s = len(self._rows), time.monotonic()


def read_failures(out: Place, run: str) -> pa.Table:
    """The failures of the last start of a run; an empty table without any."""
    content = (run_folder(out, run) / FAILURES_FILE).read_or_none()
    return FAILURES_SCHEMA.empty_table() if content is None else pq.read_table(io.BytesIO(content))
