"""A folder that a command writes its results into: one run at a time, and no file is lost that this run did not make.

A hidden record in the folder lists the files that fsd wrote there. Files of the same name that it does not list are
somebody else's: a run that would replace one is refused. Results of the run before move to `previous/` and are removed
when the new run is complete, so that a run that fails costs nothing that was complete.
"""

import itertools
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec

from fsd.data.errors import OutputError, UsageError
from fsd.data.files import cannot_write, full_disk_error, remove_unfinished, write_bytes, writing_to
from fsd.data.folder_lock import locked
from fsd.data.result_record import (
    PREVIOUS,
    RECORD_FILE,
    RESERVE_FILE,
    SUMMARY_FILE,
    UNKNOWN_SIZE,
    Results,
    has_complete_summary,
    read_record,
    record_without_file,
)

ROWS_BYTES, SUMMARY_BYTES = 256 << 10, 256 << 10
"""Space that is set aside for the last rows of the tables, and for the summary, of a run that fills the disk."""

RESERVED_SHARE = 4
"""At most one part in so many of the free space is set aside: a small disk is for results first."""


class ResultFolder:
    """The folder of a run that holds its lock; made by `result_folder`.

    Attributes:
        path: of the folder.
        earlier: name of the folder inside it with the results of the run before; None if there is none.
    """

    def __init__(self, path: Path, command: str, names: Collection[str], part: str) -> None:
        self.path = path
        self.earlier: str | None = None
        self._command, self._names = command, names
        self._record_path = path / (f"{RECORD_FILE}-{part}" if part else RECORD_FILE)
        self._record = read_record(self._record_path) or record_without_file(path, command, names)
        self._reserve_path = path / f"{RESERVE_FILE}{part and '-'}{part}"

    def check(self, names: Iterable[str], inputs: Iterable[Path]) -> None:
        """Refuse a run that would replace a file that it reads, or that is not a result of this command.

        Raises:
            UsageError, OutputError: names the file.
        """
        owners = {name: each.command for each in self._record.results.values() for name in each.files}
        inputs = [path for path in inputs if path.exists()]
        for name in names:
            path = self.path / name
            if not _exists(path):
                continue
            if _is_one_of(path, inputs):
                raise UsageError(
                    f"{path} is an input of this run, and its result of that name would replace it. "
                    "Name another folder with --out."
                )
            if owners.get(name) not in (None, self._command):
                raise OutputError(
                    f"{self.path} holds results of `fsd {owners[name]}`, and {name} would be replaced. Name another "
                    "folder with --out."
                )
            if name not in owners:
                raise OutputError(
                    f"{path} is not listed as written by fsd, and a result of that name would replace it. Name another "
                    "folder with --out, or move the file away."
                )
        self._check_previous(inputs)

    def _check_previous(self, inputs: Collection[Path]) -> None:
        for name, results in self._record.previous.items():
            for file in results.files:
                if _is_one_of(self.path / name / file, inputs):
                    raise UsageError(
                        f"{self.path / name / file} is an input of this run, which would remove it at its end. Move it "
                        "away, or name another folder with --out."
                    )

    def set_aside(self, names: Collection[str] | None = None) -> None:
        """Move the results of the run before to `previous/`, and take note of what this run writes.

        Args:
            names: of the files that it writes; None is all that it may write.
        """
        record = self._record
        if record.is_moving and record.previous:
            self._move(*next(reversed(record.previous.items())))
        before = self._before()
        if before is not None:
            is_previous_complete = any(each.is_complete for each in self._previous().values())
            if not is_previous_complete or before.is_complete:
                self._remove_previous()
            if self._previous() and not any(self._is_changed(name, size) for name, size in before.files.items()):
                for name in before.files:
                    (self.path / name).unlink(missing_ok=True)
                    del record.results[self._command].files[name]
            else:
                folder = next(name for name in self._places() if not _exists(self.path / name))
                record.previous[folder], record.is_moving = before, True
                self._write_record()
                self._move(folder, before)
        self.earlier = next(iter(self._previous()), None)
        self.begin(names)

    def _before(self) -> Results | None:
        """What is there of the run before, of the files that this run may write; None if nothing is."""
        found = self._record.results.get(self._command)
        if found is None:
            return None
        files = {name: size for name, size in found.files.items() if name in self._names and _exists(self.path / name)}
        # A run that was killed at its very end has said so in its summary only.
        is_complete = found.is_complete or (SUMMARY_FILE in files and has_complete_summary(self.path))
        return Results(self._command, is_complete, files) if files else None

    def begin(self, names: Collection[str] | None = None, reserve_bytes: int = ROWS_BYTES + SUMMARY_BYTES) -> None:
        """Take note of what this run writes; what is there already stays.

        Args:
            names: of the files that it writes; None is all that it may write.
            reserve_bytes: set aside, if there is room for it.

        Raises:
            OutputError: somebody has changed a file that this run would replace.
        """
        names = self._names if names is None else names
        old = self._record.results.get(self._command, Results(self._command))
        for name, size in old.files.items():
            if name in names and size != UNKNOWN_SIZE and self._is_changed(name, size):
                raise OutputError(
                    f"{self.path / name} was changed since fsd wrote it, and would be replaced. Name another folder "
                    "with --out, or move the file away."
                )
        kept = {name: size for name, size in old.files.items() if name not in names and _exists(self.path / name)}
        self._record.results[self._command] = Results(self._command, files=kept | dict.fromkeys(names))
        self._write_record()
        for name in names:
            remove_unfinished(self.path / name)
        self._reserve(reserve_bytes)

    def free_rows(self) -> None:
        """Free the space that was set aside for the last rows of the tables."""
        with suppress(FileNotFoundError):
            reserved_bytes = self._reserve_path.stat().st_size
            os.truncate(self._reserve_path, reserved_bytes * SUMMARY_BYTES // (ROWS_BYTES + SUMMARY_BYTES))

    def free_summary(self) -> None:
        """Free all space that was set aside."""
        self._reserve_path.unlink(missing_ok=True)

    def end(self, is_complete: bool) -> None:
        """Take note of what was written; after a complete run, the results of the run before are removed.

        Where this fails, nothing is lost: the next run finds all files, noted as not complete.
        """
        with suppress(OSError):
            self._end(is_complete)

    def _end(self, is_complete: bool) -> None:
        self.free_summary()
        results = self._record.results.get(self._command)
        if results is None or not self._has_begun:
            return
        results.files = {
            name: _size(self.path / name) if size is None else size
            for name, size in results.files.items()
            if _exists(self.path / name)
        }
        results.is_complete = is_complete
        self._write_record()
        if is_complete and self._previous():
            self._remove_previous()
            self._write_record()

    _has_begun = False

    def _move(self, name: str, results: Results) -> None:
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        listed = self._record.results.setdefault(results.command, Results(results.command)).files
        for file in results.files:
            if _exists(self.path / file) and not _exists(folder / file):
                (self.path / file).rename(folder / file)
            listed.pop(file, None)
        self._record.is_moving = False
        self._write_record()

    def _remove_previous(self) -> None:
        """Remove the results of earlier runs; files that were changed since, and those of others, stay."""
        for name, results in self._previous().items():
            for file, size in results.files.items():
                if not self._is_changed(f"{name}/{file}", size):
                    with suppress(OSError):
                        (self.path / name / file).unlink(missing_ok=True)
            with suppress(OSError):
                (self.path / name).rmdir()
            del self._record.previous[name]

    @property
    def kept(self) -> str | None:
        """Name of the folder with earlier files that the end of a complete run does not remove; None if it removes all.

        Such files were changed since, or are not known to be of fsd.
        """
        return next(
            (
                name
                for name, each in self._previous().items()
                if any(self._is_changed(f"{name}/{file}", size) for file, size in each.files.items())
            ),
            None,
        )

    def _previous(self) -> dict[str, Results]:
        """Folder -> results of earlier runs of this command."""
        return {name: each for name, each in self._record.previous.items() if each.command == self._command}

    def _places(self) -> Iterator[str]:
        """Folders for the results of the run before, in the order in which they are tried."""
        return (PREVIOUS if number == 1 else f"{PREVIOUS}-{number}" for number in itertools.count(1))

    def _is_changed(self, name: str, size: int | None) -> bool:
        """Whether a file has another size than when the run that wrote it ended."""
        path = self.path / name
        return size is not None and _exists(path) and not path.is_dir() and _size(path) != size

    def _write_record(self) -> None:
        self._has_begun = True
        write_bytes(self._record_path, msgspec.json.encode(self._record))

    def _reserve(self, size_bytes: int) -> None:
        """Set space of the disk aside, `RESERVED_SHARE` permitting."""
        with suppress(OSError):
            size_bytes = min(size_bytes, shutil.disk_usage(self.path).free // RESERVED_SHARE)
            # Random, since some file systems store zeros in no space.
            self._reserve_path.write_bytes(os.urandom(size_bytes))

    @property
    def has_results(self) -> bool:
        """Whether there is something of this run besides its summary."""
        if not self._names:  # it makes the names itself
            return any(path.is_file() and path.name[0] != "." for path in self.path.rglob("*"))
        sizes = [_size(self.path / name) for name in self._names if name != SUMMARY_FILE]
        return any(sizes)


@contextmanager
def result_folder(
    path: Path, command: str, names: Collection[str], inputs: Iterable[Path] = (), part: str = ""
) -> Iterator[ResultFolder]:
    """Hold a folder for the results of one run.

    Args:
        path: made if absent; command: without `fsd`; names: of the files that it may write.
        inputs: files that the run reads.
        part: of the folder that this run has for itself; parts may be written at the same time.

    Raises:
        UsageError: a result would replace an input.
        OutputError: another run holds the folder, a result would replace a file that is no result of this command, or
            the folder cannot be written, also because the disk is full.
    """
    with ExitStack() as stack:
        with writing_to(path):
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(path, f"fsd {command}", part))
        folder = ResultFolder(path, command, names, part)
        folder.check(names, list(inputs))
        try:
            yield folder
        except BaseException as error:
            folder.end(is_complete=False)
            if full_disk_error(error) is not None and folder.has_results:
                error.add_note("What was written until then is kept.")
            if folder.earlier is not None:
                error.add_note(f"The results of the run before are in {path / folder.earlier}.")
            shown = error_for_user(error, path)
            if shown is not error:
                raise shown from error
            raise
        kept = folder.kept
        folder.end(is_complete=True)
        if kept is not None:
            print(
                f"fsd: note: {path / kept} holds earlier files that fsd does not list as its own, or that were "
                "changed. They are not removed.",
                file=sys.stderr,
                flush=True,
            )


def error_for_user(error: BaseException, path: Path) -> BaseException:
    """An `OutputError` in place of an error that a full disk has caused; any other error itself."""
    cause = full_disk_error(error)
    if cause is None or isinstance(error, OutputError) or not isinstance(error, Exception):
        return error
    shown = cannot_write(path, cause)
    for note in getattr(error, "__notes__", ()):
        shown.add_note(note)
    return shown


def _is_one_of(path: Path, inputs: Collection[Path]) -> bool:
    return path.exists() and any(path.samefile(each) for each in inputs)


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
