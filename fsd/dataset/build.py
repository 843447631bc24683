"""Build a data set: each clip once, in parallel by clips. What is done is kept, and a bad clip costs only itself."""

import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from fsd.data.errors import ClipError, OutputError, UsageError
from fsd.data.files import replacing
from fsd.data.open_clip import recordings_in
from fsd.data.result_folder import result_folder
from fsd.data.result_record import HIDDEN
from fsd.data.worker_process import start_worker
from fsd.dataset.clip_job import CLAIM, JobResult, build_job
from fsd.dataset.config import PAGE_FILE, RESULT_FILES, DatasetConfig
from fsd.dataset.page import write_dataset_page
from fsd.dataset.totals import summarise
from fsd.networks.drives.clip_builder import UNFINISHED
from fsd.networks.drives.clip_record import CLIPS_FOLDER, ClipRecord, read_record
from fsd.networks.drives.recorded_dataset import INDEX_FILE, index_table
from fsd.outputs.dataset_summary import BadClip, DatasetSummary
from fsd.outputs.run_info import Status
from fsd.outputs.run_status import run_reported

Progress = Callable[[Path, JobResult], None]
BuildAll = Callable[[], Generator[tuple[Path, JobResult], None, None]]
_CRASHED = "a decoder crashed, or memory is short"
END_S = 30.0
"""After a stop, a clip in progress that has not ended within this time is killed."""


def build_dataset(
    config: DatasetConfig, progress: Progress = lambda path, result: None, build_all: BuildAll | None = None
) -> DatasetSummary:
    """Build the clips that are missing, and write the index, the page and the summary.

    Args:
        progress: called as progress(path, result) when a clip ends.
        build_all: builds the clips that are missing, and yields how each ended; without one, those of `config.sources`
            are built in processes of this machine.

    Raises:
        UsageError: the sources hold no recording.
        ClipError: no clip could be used.
        OutputError: the folder holds a data set of other options, or cannot be written.
    """
    build = _Build(config, progress)
    if build_all is None:
        paths = list(config.sources) if config.cameras else recordings_in(config.sources)
        if not paths:
            raise UsageError("The sources hold no recording. Name folders of recordings, or video files.")
        build_all = _InProcesses(config, paths)
    with result_folder(config.out, "dataset build", RESULT_FILES, config.sources) as folder:
        build.check_options()
        folder.begin()
        return run_reported(
            folder,
            lambda: build.run(build_all),
            build.summary,
            lambda summary: write_dataset_page(config.out / PAGE_FILE, summary, config.out.resolve().name),
        )


@dataclass(frozen=True)
class _Running:
    """A clip in progress."""

    process: BaseProcess
    path: Path
    result_path: Path


@dataclass
class _InProcesses:
    """Builds clips in processes of this machine, each in one of its own."""

    config: DatasetConfig
    paths: Sequence[Path]
    _running: list[_Running] = field(default_factory=list)

    def __call__(self) -> Generator[tuple[Path, JobResult], None, None]:
        waiting = deque(enumerate(self.paths))
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self.config.workers:
                    number, path = waiting.popleft()
                    result_path = self.config.out / f"{HIDDEN}-clip-{number}.json"
                    process = start_worker(build_job, path, self.config, result_path)
                    self._running.append(_Running(process, path, result_path))
                connection.wait([each.process.sentinel for each in self._running])
                for each in [each for each in self._running if not each.process.is_alive()]:
                    self._running.remove(each)
                    yield each.path, self._end(each)
        finally:
            self._end_workers()

    def _end(self, ended: _Running) -> JobResult:
        process = ended.process
        process.join()
        try:
            return msgspec.json.decode(ended.result_path.read_bytes(), type=JobResult)
        except FileNotFoundError:
            if process.exitcode == OutputError.exit_code or shutil.disk_usage(self.config.out).free < 1 << 20:
                raise OutputError(
                    f"Cannot write to {self.config.out}. Free some space, and start again to continue."
                ) from None
            return JobResult(reason=f"its process ended with {process.exitcode}: {_CRASHED}")

    def _end_workers(self) -> None:
        for each in self._running:
            each.process.terminate()
        end_s = time.monotonic() + END_S
        for each in self._running:
            each.process.join(max(0.0, end_s - time.monotonic()))
            each.process.kill()
        self._running.clear()


@dataclass
class _Build:
    config: DatasetConfig
    progress: Progress
    bad: list[BadClip] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    started_s: float = field(default_factory=time.perf_counter)
    records: list[ClipRecord] = field(default_factory=list)

    @property
    def clips(self) -> Path:
        return self.config.out / CLIPS_FOLDER

    def check_options(self) -> None:
        """Refuse a folder whose clips were built with other options.

        Raises:
            OutputError: names the option and both values.
        """
        self._read_records()
        wanted = msgspec.json.decode(self.config.settings.text)
        for each in self.records[:1]:
            found = msgspec.json.decode(each.options)
            differing = [name for name in wanted if wanted[name] != found.get(name)]
            if differing:
                name = differing[0]
                raise OutputError(
                    f"{self.config.out} was built with {name} = {found.get(name)}, which now is {wanted[name]}. Name "
                    "another folder with --out."
                )

    def run(self, build_all: BuildAll) -> None:
        self.clips.mkdir(exist_ok=True)
        self._clear()
        try:
            with closing(build_all()) as ends:
                for path, result in ends:
                    if result.reason:
                        self.bad.append(BadClip(path.name, result.reason))
                    elif not result.was_there:
                        self.built.append(result.key)
                    self.progress(path, result)
        finally:
            self._clear()
            self._read_records()
            self._write_index()
        if not self.records:
            first = f" The first: {self.bad[0].clip}: {self.bad[0].reason}" if self.bad else ""
            raise ClipError(f"None of {len(self.bad)} recordings can be used.{first}")

    def summary(self, status: Status, error: BaseException | None) -> DatasetSummary:
        wall_s = time.perf_counter() - self.started_s
        return summarise(self.config, self.records, self.bad, self.built, wall_s, status, error)

    def _clear(self) -> None:
        """Remove what a build that was killed has left."""
        for path in self.config.out.glob(f"{HIDDEN}-clip-*.json"):
            path.unlink(missing_ok=True)
        for path in self.clips.glob(f"{CLAIM}*"):
            path.unlink(missing_ok=True)
        for folder in self.clips.glob(f"*{UNFINISHED}"):
            shutil.rmtree(folder, ignore_errors=True)

    def _read_records(self) -> None:
        folders = sorted(self.clips.iterdir()) if self.clips.is_dir() else []
        self.records = [read_record(folder) for folder in folders if folder.is_dir() and folder.suffix != UNFINISHED]

    def _write_index(self) -> None:
        with replacing(self.config.out / INDEX_FILE) as path:
            pq.write_table(index_table(self.records), str(path), compression="zstd")


def print_progress(path: Path, result: JobResult) -> None:
    """One line per clip, on standard error."""
    state = "bad" if result.reason else "kept" if result.was_there else "built"
    print(f"{state:6} {path}{': ' if result.reason else ''}{result.reason}", file=sys.stderr, flush=True)
