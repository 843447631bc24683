"""The recordings of a run without results, from `failures.parquet` or, without a cluster, from `batch.json`."""

import fnmatch
import io
import json
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from fsd.fleet.places import Place
from fsd.fleet.units import FAILURES_FILE, RUNS, run_folder

_BATCH_FILES = "batch*.json"
_GOOD = ("complete", "kept")


class RunFailure(NamedTuple):
    """A recording without results: `kind` is the class of the error, or how the replay ended."""

    clip: str
    kind: str
    reason: str


def failures_of(out: Place, run: str) -> list[RunFailure]:
    """The failures of a run; those of a batch are of all its runs. Nothing where no list can be read."""
    content = (run_folder(out, run) / FAILURES_FILE).read_or_none()
    if content is not None:
        try:
            rows = pq.read_table(io.BytesIO(content), columns=["clip", "kind", "reason"]).to_pylist()
        except (pa.ArrowException, OSError, ValueError):
            return []
        return [RunFailure(**row) for row in rows]
    if (out / RUNS).exists():
        return []
    found = []
    for name in fnmatch.filter(out.names(), _BATCH_FILES):
        try:
            outcomes = json.loads((out / name).read_or_none() or b"[]")
            bad = [each for each in outcomes if each["status"] not in _GOOD]
            found += [RunFailure(each["clip"], each["status"], each["error"] or "") for each in bad]
        except (ValueError, KeyError, TypeError):
            continue
    return found
