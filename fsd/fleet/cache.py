"""Recordings of an object store as files of this machine, at most so many bytes at a time.

All processes of a machine share one folder. A recording in use is locked and stays; of the others, those that were not
used for the longest time go first when a new one needs the room. A process that is killed leaves nothing that counts as
complete, and the lock of a killed process is free.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from fsd.data.errors import ClipError, OutputError
from fsd.data.files import full_disk_error, write_bytes, writing_to
from fsd.data.folder_lock import locked
from fsd.fleet.places import Place

_ENTRY = "entry.json"
_POLL_S = 0.2


class _Entry(msgspec.Struct):
    """What a folder of the cache holds, or is being filled with."""

    size_bytes: int
    is_complete: bool = False


class ClipCache:
    """The cache in `folder`, which holds at most `limit_bytes`."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder, self._limit_bytes = folder, limit_bytes

    @contextmanager
    def local(self, clip: Place, digest: str, files: list[dict[str, Any]]) -> Iterator[Path]:
        """The path of a local copy, which stays while the block runs.

        Args:
            clip: the recording; digest: names it; files: of it, as `files_of_clip` lists them.

        Raises:
            ClipError: the recording is larger than the cache, or cannot be read.
            OutputError: the cache cannot be written.
        """
        size_bytes = sum(int(each["size"] or 0) for each in files)
        if size_bytes > self._limit_bytes:
            raise ClipError(
                f"{clip} has {size_bytes / 1e9:.3g} GB, and the local cache may hold {self._limit_bytes / 1e9:.3g}. "
                "Raise --cache-gb."
            )
        entry = self._folder / digest
        content = entry / "content"
        with ExitStack() as stack:
            with writing_to(self._folder):
                self._enter(entry, size_bytes, stack)
                if not _read(entry).is_complete:
                    shutil.rmtree(content, ignore_errors=True)
                    _download(clip, files, content)
                    write_bytes(entry / _ENTRY, msgspec.json.encode(_Entry(size_bytes, is_complete=True)))
                (entry / _ENTRY).touch()
            yield content / clip.name

    def _enter(self, entry: Path, size_bytes: int, stack: ExitStack) -> None:
        """Lock the folder of a recording and set room aside for it; waits while others use the room."""
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            # One process at a time looks for room: two would both take the same.
            with suppress(OutputError), ExitStack() as own:
                own.enter_context(locked(self._folder, "fsd replay"))
                entry.mkdir(exist_ok=True)
                with ExitStack() as held:
                    held.enter_context(locked(entry, "fsd replay"))
                    if (entry / _ENTRY).exists() or self._make_room(size_bytes):
                        if not (entry / _ENTRY).exists():
                            write_bytes(entry / _ENTRY, msgspec.json.encode(_Entry(size_bytes)))
                        stack.enter_context(held.pop_all())
                        return
            time.sleep(_POLL_S)

    def _make_room(self, size_bytes: int) -> bool:
        """Remove recordings that nobody uses until this many bytes fit; whether they do."""
        sizes = {path.parent: _read(path.parent).size_bytes for path in self._folder.glob(f"*/{_ENTRY}")}
        total_bytes = sum(sizes.values())
        for entry in sorted(sizes, key=_last_use_s):
            if total_bytes + size_bytes <= self._limit_bytes:
                break
            with suppress(OutputError), locked(entry, "fsd replay"):
                shutil.rmtree(entry, ignore_errors=True)
                total_bytes -= sizes[entry]
        return total_bytes + size_bytes <= self._limit_bytes


def _download(clip: Place, files: list[dict[str, Any]], content: Path) -> None:
    """Copy the files of a recording; its folder, or its video, keeps its name."""
    is_folder = all(str(each["name"]).startswith(f"{clip.path}/") for each in files)
    folder = clip.path if is_folder else clip.path.rpartition("/")[0]
    root = content / clip.name if is_folder else content
    targets = [root / str(each["name"]).removeprefix(folder).lstrip("/") for each in files]
    for parent in {target.parent for target in targets}:
        parent.mkdir(parents=True, exist_ok=True)
    try:
        clip.fs.get([each["name"] for each in files], [str(target) for target in targets])
    except OSError as error:
        if full_disk_error(error) is not None:
            raise
        raise ClipError(f"{clip} cannot be read: {error}. Check the rights to it, or run again.") from error
    for each, target in zip(files, targets, strict=True):
        if not target.exists() or target.stat().st_size != each["size"]:
            raise ClipError(f"{clip} was changed while it was read: {target.name} has another size. Run again.")


def _read(entry: Path) -> _Entry:
    try:
        return msgspec.json.decode((entry / _ENTRY).read_bytes(), type=_Entry)
    except (OSError, msgspec.MsgspecError):
        return _Entry(0)


def _last_use_s(entry: Path) -> float:
    try:
        return (entry / _ENTRY).stat().st_mtime
    except OSError:
        return 0.0
