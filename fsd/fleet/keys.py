"""Digests that name results: of a recording's files, of a model's content, and of all settings.

They do not depend on where a model lies or on which machine reads a recording, so that a run that is started again,
also from another machine, finds what is complete.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fsd.data.errors import ClipError
from fsd.data.recording_options import CameraOptions
from fsd.data.result_record import HIDDEN
from fsd.fleet.places import Place, is_url
from fsd.replay.fingerprint import digest, recording_digest
from fsd.version import __version__

RUN_LENGTH, CLIP_LENGTH = 12, 20
"""Hexadecimal digits in a key. Of 10^9 recordings in one run, two share 80 bits with a probability below 10^-6."""

_VERSIONS = ("ETag", "etag", "md5Hash", "crc32c", "content_md5", "generation", "mtime", "LastModified", "last_modified")
"""What object stores state about the content of a file, the best first."""

Files = Mapping[str, bytes]
"""Name -> content."""


def options_digest(settings: str) -> str:
    """Of all settings, given by their digest, and of the version."""
    return digest([settings.encode(), __version__.encode()])


def model_digest(files: Files) -> str:
    """Of the names and contents of all files of a model."""
    return digest(part for name, content in sorted(files.items()) for part in (name.encode(), content))


def run_of(model: str, options: str) -> str:
    """The run that a model and settings, given by their digests, stand for."""
    return digest([model.encode(), options.encode()])[:RUN_LENGTH]


def unit_key(run: str, clip: str) -> str:
    """The key of a recording, given by its digest, in a run."""
    return f"{run}-{clip[:CLIP_LENGTH]}"


def clip_digest(clip: str, files: list[dict[str, Any]], reading: CameraOptions, out: Path) -> str:
    """Of what a recording is called and of the names, sizes and versions of its files; no video is read.

    Args:
        files: of a recording in an object store, as `files_of_clip` lists them; not used for a local one.
        reading: how recordings are opened.
        out: folder of the results, which are no part of a recording that holds them.
    """
    if not is_url(clip):
        return recording_digest(Path(clip), reading, out)
    rows = [(each["name"], each["size"], _version(each)) for each in files]
    return digest([clip.encode(), json.dumps(rows).encode()])


def files_of_clip(clip: Place) -> list[dict[str, Any]]:
    """The files of a recording in an object store, by name: all below a folder, or those with the stem of a video.

    Raises:
        ClipError: there are none.
    """
    found = list(clip.fs.find(clip.path, detail=True).values())
    if len(found) == 1 and found[0]["name"].strip("/") == clip.path.strip("/"):
        folder = Place(clip.fs, clip.protocol, clip.path.rpartition("/")[0])
        stem = clip.name.rpartition(".")[0]
        found = [
            each
            for each in folder.listing()
            if each["type"] == "file" and each["name"].rpartition("/")[2].rpartition(".")[0].partition(".")[0] == stem
        ]
    found = [each for each in found if not each["name"].rpartition("/")[2].startswith(HIDDEN)]
    if not found:
        raise ClipError(f"{clip} does not exist, or is empty. Give a folder of recordings or a video file.")
    return sorted(found, key=lambda each: str(each["name"]))


def _version(file: Mapping[str, Any]) -> str:
    """What tells one content of a file from another of the same size."""
    return next((str(file[name]) for name in _VERSIONS if file.get(name)), "")
