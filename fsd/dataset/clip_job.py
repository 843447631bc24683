"""Build one clip in a process of its own, and say how it ended in a small file: a crashed decoder costs one clip."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fsd.data.errors import FsdError, OutputError
from fsd.data.files import full_disk_error, write_bytes
from fsd.data.open_clip import open_clip
from fsd.dataset.config import DatasetConfig
from fsd.networks.drives.clip_builder import build_clip
from fsd.networks.drives.clip_record import CLIPS_FOLDER, RECORD_FILE
from fsd.replay.fingerprint import files_of_recording

CLAIM = ".claim-"
"""Begin of the name of a file that says that a process of this build has taken a clip."""

SAMPLE_BYTES = 1 << 20
"""Of each file the first and last MiB are read for the digest, and its size; reading all costs as much as decoding."""


class JobResult(msgspec.Struct, frozen=True):
    """How a clip ended: its key, and why it is not in the data set; `was_there`: it was complete before."""

    key: str = ""
    reason: str = ""
    was_there: bool = False


def content_key(files: Iterable[Path], names_from: Path) -> str:
    """Digest of a recording: of each file its name in the recording, its size, and its first and last MiB."""
    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(names_from) if path.is_relative_to(names_from) else Path(path.name)
        size = path.stat().st_size
        digest.update(f"{name.as_posix()}\0{size}\0".encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            digest.update(file.read(SAMPLE_BYTES))
            file.seek(max(0, size - SAMPLE_BYTES))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:24]


def clip_key(path: Path, config: DatasetConfig) -> str:
    """The name of a recording in the data set; the same wherever it lies."""
    folder = path if path.is_dir() else path.parent
    key = content_key(files_of_recording(path, config, config.out), folder)
    if "#" in str(path):  # recordings of one data set share its files
        key = hashlib.sha256(f"{key}{str(path).rpartition('#')[2]}".encode()).hexdigest()[:24]
    return key


def build_job(path: Path, config: DatasetConfig, result_path: Path) -> None:
    """Build the clip at `path` unless it is there, and write a `JobResult`."""
    try:
        result = _build(path, config)
    except FsdError as error:
        if isinstance(error, OutputError) or full_disk_error(error) is not None:
            raise
        result = JobResult(reason=str(error))
    except OSError as error:
        if full_disk_error(error) is not None:
            raise
        result = JobResult(reason=f"{path} cannot be read: {error}.")
    write_bytes(result_path, msgspec.json.encode(result))


def _build(path: Path, config: DatasetConfig) -> JobResult:
    clip = open_clip(path, config)
    key = clip_key(path, config)
    target = config.out / CLIPS_FOLDER / key
    if (target / RECORD_FILE).exists():
        return JobResult(key, was_there=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:  # another process may build the same content, from a copy of it
        target.with_name(f"{CLAIM}{key}").open("x").close()
    except FileExistsError:
        return JobResult(key, was_there=True)
    build_clip(clip, key, target, config.settings, config.decode_workers, config.mask_cameras)
    return JobResult(key)
