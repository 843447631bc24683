"""Bring the tables of all runs in a folder up to date: every complete recording once, and none that is gone.

Also for the results of `fsd replay SOURCES...` without a cluster, of which each recording has a folder below `OUT`.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fsd.data.errors import UsageError
from fsd.data.result_record import SUMMARY_FILE
from fsd.fleet.places import Place
from fsd.fleet.table_schemas import TABLES
from fsd.fleet.tables import add_unit, keys_in, remove_unit, runs_in
from fsd.fleet.units import CLIPS, RUNS, Unit, read_run, read_units
from fsd.outputs.replay_summary import ReplaySummary
from fsd.replay.config import ERRORS_FILE, WORST_TICKS_FILE

_READ = (SUMMARY_FILE, "plan.parquet", "ticks.parquet", ERRORS_FILE, WORST_TICKS_FILE)
"""Files of a recording's results that go into tables."""


@dataclass(frozen=True)
class Collected:
    """What was done: recordings in the tables, by run; and how many of them were added, and removed."""

    clips: dict[str, int]
    added: int
    removed: int


def collect(out: Place, progress: Callable[[Unit], None] = lambda unit: None) -> Collected:
    """Add the complete recordings that the tables lack, and remove those whose results are gone.

    Args:
        out: folder of all results; progress: called when a recording has been added.

    Raises:
        UsageError: there is no complete recording.
    """
    found: dict[str, set[str]] = {}
    added = removed = 0
    there: dict[str, set[str]] = {}
    for unit, folder in units_in(out):
        if unit.run not in there:
            there[unit.run] = set.intersection(*(keys_in(out, name, unit.run) for name in TABLES))
        if unit.key not in there[unit.run]:
            with _local(out, folder) as local:
                add_unit(out, unit, local, folder)
            added += 1
            progress(unit)
        found.setdefault(unit.run, set()).add(unit.key)
    for run in runs_in(out):
        for key in set.union(*(keys_in(out, name, run) for name in TABLES)) - found.get(run, set()):
            if not _has_results(out, key):  # otherwise it is in progress, or was killed and will go on
                remove_unit(out, run, key)
                removed += 1
    if not found:
        raise UsageError(
            f"{out} holds no complete replay. Name a folder that `fsd replay SOURCES... --out` has written."
        )
    return Collected({run: len(keys) for run, keys in sorted(found.items())}, added, removed)


def units_in(out: Place) -> Iterator[tuple[Unit, str]]:
    """Every complete recording and the folder of its results, relative to `out`."""
    runs = (out / RUNS).names()
    for run in runs:
        if (record := read_run(out, run)) is not None and record.work != "replay":
            continue
        for unit in read_units(out, run):
            yield unit, f"{CLIPS}/{unit.key}"
    if runs:
        return
    folders = [
        str(each["name"]).rstrip("/").rpartition("/")[2] for each in out.listing() if each["type"] == "directory"
    ]
    for name in folders:
        content = (out / name / SUMMARY_FILE).read_or_none()
        found = None if content is None else _unit_of(name, content)
        if found is not None:
            yield found, name


def _unit_of(name: str, content: bytes) -> Unit | None:
    """The recording of a summary; None if that is of another command or version, or not of a complete run."""
    try:
        summary = msgspec.json.decode(content, type=ReplaySummary)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if summary.status != "complete":
        return None
    made_from = summary.made_from
    recording, model, options = (made_from.recording, made_from.model, made_from.settings) if made_from else ("",) * 3
    return Unit(
        key=name,
        run=f"{model[:6]}{options[:6]}" or "unnamed",
        clip=summary.clip.name,
        clip_digest=recording or name,
        model_digest=model,
        options_digest=options,
        seconds=summary.drive_s,
        ticks=summary.ticks,
        attempts=1,
        wall_s=summary.wall_s,
        cpu_s=summary.wall_s * summary.cores_used,
    )


def _has_results(out: Place, key: str) -> bool:
    return any((out / folder / SUMMARY_FILE).exists() for folder in (f"{CLIPS}/{key}", key))


@contextmanager
def _local(out: Place, folder: str) -> Iterator[Path]:
    """The results of a recording on this machine."""
    place = out / folder
    if place.is_local:
        yield place.local
        return
    with tempfile.TemporaryDirectory(prefix="fsd-collect-") as made:
        contents = place.read_many([place / name for name in _READ])
        for name, content in zip(_READ, contents, strict=True):
            if content is not None:
                (Path(made) / name).write_bytes(content)
        yield Path(made)
