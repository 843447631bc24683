"""The recordings that sources name, one at a time: folders, patterns, manifests, and URLs of all of these.

A folder is searched for recordings, here as `fsd replay` does; in an object store, a folder that holds videos is one
recording, and others are searched. What a pattern or a manifest names is taken as a recording as it is. No list of all
recordings is kept, and nothing is opened that lies in an object store.
"""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from fsd.data.errors import ClipError
from fsd.data.open_clip import recordings_in
from fsd.data.recording_files import VIDEO_SUFFIXES
from fsd.fleet.places import Place, is_url

COLUMNS = ("path", "clip", "url")
"""Of a manifest, the one that names the recordings: the first of these that it has."""

_MANIFESTS = (".parquet", ".csv")
_WILDCARDS = frozenset("*?[")
_ROWS = 1000
_MARKS = ("rig.json", "meta.json", "rlog", "qlog")
"""Files beside which a folder of an object store is a recording, as it is with a video."""


def clips_in(sources: Sequence[str], out: Place) -> Iterator[str]:
    """Every recording, as a path or URL; one that does not exist is named all the same, and fails when it is read.

    Args:
        out: the destination, which is not searched.

    Raises:
        ClipError: a manifest cannot be read, or a pattern matches nothing.
    """
    for source in sources:
        if _is_manifest(source):
            yield from _in_manifest(source)
        elif _is_pattern(source):
            yield from _matches(source)
        elif is_url(source) and not Place.of(source).is_local:
            place = Place.of(source)
            yield from _in_folder(place, out) if not _has_suffix(place) else (str(place),)
        else:
            # Absolute: actors run in folders of their own.
            yield from (str(clip.absolute()) for clip in recordings_in([Path(source.removeprefix("file://"))]))


def clip_count(sources: Sequence[str]) -> int | None:
    """How many recordings there are, as far as this can be told without searching object stores; else None."""
    count = 0
    for source in sources:
        if _is_manifest(source):
            count += sum(1 for _ in _in_manifest(source))
        elif _is_pattern(source) and not is_url(source):
            count += sum(1 for _ in _matches(source))
        elif is_url(source):
            return None
        else:
            count += len(recordings_in([Path(source)]))
    return count


def _is_manifest(source: str) -> bool:
    return source.lower().endswith(_MANIFESTS)


def _is_pattern(source: str) -> bool:
    return not _WILDCARDS.isdisjoint(source) and (is_url(source) or not Path(source).exists())


def _has_suffix(place: Place) -> bool:
    return Path(place.name).suffix.lower() in VIDEO_SUFFIXES


def _matches(source: str) -> Iterator[str]:
    place = Place.of(source) if is_url(source) else None
    found = iter(glob.iglob(source)) if place is None else iter(place.fs.glob(place.path))
    is_empty = True
    for each in sorted(found):
        is_empty = False
        yield str(Path(each).absolute()) if place is None else str(Place(place.fs, place.protocol, each.rstrip("/")))
    if is_empty:
        raise ClipError(f"{source} matches nothing. Name folders of recordings or video files.")


def _in_folder(folder: Place, out: Place) -> Iterator[str]:
    """The folders that hold videos, in order; a folder without any recording is named itself."""
    is_empty = True
    for clip in _search(folder, out):
        is_empty = False
        yield str(clip)
    if is_empty:
        raise ClipError(f"{folder} holds no recording. Name a folder of recordings, or list them in a manifest.")


def _search(folder: Place, out: Place) -> Iterator[Place]:
    if (folder.protocol, folder.path) == (out.protocol, out.path):
        return
    listing = folder.listing()
    files = [str(each["name"]).rpartition("/")[2] for each in listing if each["type"] == "file"]
    if any(Path(name).suffix.lower() in VIDEO_SUFFIXES or name in _MARKS for name in files):
        yield folder
        return
    for each in listing:
        if each["type"] == "directory":
            yield from _search(Place(folder.fs, folder.protocol, str(each["name"]).rstrip("/")), out)


def _in_manifest(source: str) -> Iterator[str]:
    """The recordings that a table names; relative paths are looked up beside it."""
    place = Place.of(source)
    above = Place(place.fs, place.protocol, place.path.rpartition("/")[0])
    try:
        with place.fs.open(place.path, "rb") as file:
            for batch in _batches(source, file):
                for value in batch.column(_column(source, batch.schema)).to_pylist():
                    if not value:
                        raise ClipError(f"{source} has a row that names no recording. Fill it, or leave it out.")
                    is_absolute = is_url(str(value)) or Path(str(value)).is_absolute()
                    yield str(value) if is_absolute else str(above / str(value))
    except (OSError, pa.ArrowException) as error:
        raise ClipError(f"{source} cannot be read as a manifest ({error}). Give a Parquet or CSV file.") from error


def _batches(source: str, file: Any) -> Iterator[pa.RecordBatch]:
    if source.lower().endswith(".csv"):
        return iter(pa_csv.open_csv(file))
    return iter(pq.ParquetFile(file).iter_batches(batch_size=_ROWS, columns=None))


def _column(source: str, schema: pa.Schema) -> str:
    named = [name for name in COLUMNS if name in schema.names]
    if named:
        return named[0]
    raise ClipError(f"{source} has no column {', '.join(COLUMNS)}; it has {', '.join(schema.names)}. Rename one.")
