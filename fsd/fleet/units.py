"""What a run over many recordings leaves in its destination: one folder per recording that is complete, once.

    OUT/clips/KEY/unit.json, plan.parquet, ticks.parquet, summary.json, report.html, …
    OUT/runs/RUN/run.json, failures.parquet

`KEY` is `RUN-CLIP`, and `RUN` names a model with all settings, so that results of two models never share a folder, and
the units of a run are those whose key begins with it. A folder appears in one step, or `unit.json` comes last: a folder
without one is not complete.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from fsd.fleet.places import Place
from fsd.version import __version__

CLIPS, RUNS = "clips", "runs"
UNIT_FILE, RUN_FILE, FAILURES_FILE = "unit.json", "run.json", "failures.parquet"

_AT_A_TIME = 256
"""Unit files that are read at the same time."""


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """`unit.json`: one recording whose results are complete.

    Attributes:
        clip: the recording, as a path or URL; clip_digest: of its files (names, sizes, versions).
        model_digest: of the content of all model files; options_digest: of all settings and the version.
        run: of the model and the settings; the first part of `key`.
        seconds: of the recording that were replayed.
        attempts: 1 where the first attempt was good.
        wall_s, cpu_s: of the last attempt, with reading and writing, without starting the process.
        files: name in the folder -> size in bytes, without `unit.json` itself.
    """

    schema_version: int = 1
    key: str
    run: str
    clip: str
    clip_digest: str
    model_digest: str
    options_digest: str
    seconds: float
    ticks: int
    attempts: int
    wall_s: float
    cpu_s: float
    alarm_ticks: int = 0
    files: dict[str, int] = {}


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`: which model and settings a run stands for.

    Attributes:
        work: name of the command; options: name -> value, as text.
        model: file name of the network, or `packaged`; empty without one.
    """

    schema_version: int = 1
    run: str
    work: str = "replay"
    model: str
    model_digest: str
    options_digest: str
    options: dict[str, str]
    started_unix_s: float
    fsd_version: str = __version__


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `failures.parquet`: a recording that every attempt failed at.

    Attributes:
        kind: class of the error such as `ClipError`, or `killed` where the process or its machine ended.
        reason: its message.
    """

    clip: str
    run: str
    attempts: int
    kind: str
    reason: str
    unix_s: float


FAILURES_SCHEMA = pa.schema(
    [
        ("clip", pa.string()),
        ("run", pa.string()),
        ("attempts", pa.int32()),
        ("kind", pa.string()),
        ("reason", pa.string()),
        ("unix_s", pa.float64()),
    ]
)


def unit_folder(out: Place, key: str) -> Place:
    """The folder of a unit."""
    return out / CLIPS / key


def run_folder(out: Place, run: str) -> Place:
    """The folder of what belongs to a run as a whole."""
    return out / RUNS / run


def read_unit(out: Place, key: str) -> Unit | None:
    """The unit of a key; None if it is not complete."""
    content = (unit_folder(out, key) / UNIT_FILE).read_or_none()
    return None if content is None else _decoded(content)


def read_units(out: Place, run: str) -> Iterator[Unit]:
    """The complete units of a run, by key; a few hundred are held in memory at a time."""
    keys = sorted(name for name in (out / CLIPS).names() if name.startswith(f"{run}-"))
    for first in range(0, len(keys), _AT_A_TIME):
        paths = [unit_folder(out, key) / UNIT_FILE for key in keys[first : first + _AT_A_TIME]]
        yield from (unit for content in out.read_many(paths) if content and (unit := _decoded(content)))


def read_run(out: Place, run: str) -> RunRecord | None:
    """The record of a run; None if there is none that this version can read."""
    content = (run_folder(out, run) / RUN_FILE).read_or_none()
    try:
        return None if content is None else msgspec.json.decode(content, type=RunRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def as_json(record: msgspec.Struct) -> bytes:
    """The content of a record's file; raises ValueError for a number that is not finite."""
    content: dict[str, Any] = msgspec.to_builtins(record)
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def _decoded(content: bytes) -> Unit | None:
    try:
        return msgspec.json.decode(content, type=Unit)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
