"""Replay many recordings, each in its own process, so that a failure or a crashed decoder does not affect the others.

Complete results of the same recording, settings, model and version are kept, so a stopped batch continues where it
was. Shards divide a list between machines. Ctrl-C interrupts the recordings in progress and begins no other.
"""

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal

from fsd.data.errors import INTERRUPTED_EXIT_CODE, FsdError, UsageError, few
from fsd.data.files import cannot_write, full_disk_error, write_text, writing_to
from fsd.data.result_folder import ResultFolder, result_folder
from fsd.data.result_record import SUMMARY_FILE, spoiled_results
from fsd.data.worker_process import start_worker
from fsd.outputs.replay_summary import ReplaySummary
from fsd.outputs.summary_file import load_summary
from fsd.replay.config import ReplayConfig, Shard
from fsd.replay.fingerprint import fingerprint
from fsd.replay.replay import replay
from fsd.version import __version__

ERROR_FILE = ".fsd-error.txt"
BATCH_BYTES, OUTCOME_BYTES = 4096, 1024
"""Space that is set aside for `batch.json`: of any, and per recording."""
END_S = 30.0
"""An interrupted recording that has not ended after this time is killed; its tables are readable all the same."""

OutcomeStatus = Literal["not started", "running", "complete", "kept", "failed", "crashed", "interrupted"]

_OTHERS = {"recording": "another recording", "settings": "other settings", "model": "another model"}
"""Part of a fingerprint -> what an earlier run with another one has."""


@dataclass(frozen=True)
class Outcome:
    """How one recording stands or ended; `kept` was complete before, and `failed` and `crashed` have an `error`.

    `reason` states why results that were there were kept or replaced; it is empty where there were none. `alarm_ticks`
    are the ticks at which a second network differed by more than is allowed; `exit_code` is that of the error.
    """

    clip: str
    out: str
    status: OutcomeStatus
    error: str | None = None
    ticks: int = 0
    plan_hash: str | None = None
    reason: str = ""
    alarm_ticks: int = 0
    exit_code: int = 0

    @property
    def is_good(self) -> bool:
        """Whether its results are complete."""
        return self.status in ("complete", "kept")


def replay_many(
    clips: Sequence[Path],
    template: ReplayConfig,
    workers: int = 1,
    shard: Shard | None = None,
    force: bool = False,
    progress: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Replay recordings into a folder each, below `template.out`, and keep `batch.json` there up to date.

    Args:
        clips: recordings; template: settings of all of them; workers: recordings at a time.
        shard: the recordings for this machine; None is all.
        force: also replay recordings whose results are complete.
        progress: called when a recording ends.

    Raises:
        UsageError: two recordings have the same name, and so the same result folder.
        KeyboardInterrupt: the batch was interrupted; `batch.json` states how far every recording got.
    """
    shard = shard or Shard()
    configs = [
        replace(template, clip=clip, out=template.out / name) for clip, name in zip(clips, _names(clips), strict=True)
    ]
    mine = configs[shard.index :: shard.count]
    part = "" if shard.count == 1 else f"shard-{shard.index}-of-{shard.count}"
    name = "batch.json" if shard.count == 1 else f"batch-{shard.index}-of-{shard.count}.json"
    with result_folder(template.out, "replay of several recordings", (name,), part=part) as folder:
        folder.begin(reserve_bytes=BATCH_BYTES + len(mine) * OUTCOME_BYTES)
        batch = _Batch(folder, template.out / name, mine, force, progress)
        batch.run(workers)
    return batch.outcomes


@dataclass(frozen=True)
class _Replay:
    """A recording in progress; `before` is the summary of an earlier run in its folder, and `reason` its fate."""

    config: ReplayConfig
    process: BaseProcess
    before: ReplaySummary | None
    reason: str

    def outcome(self, is_interrupted: bool) -> Outcome:
        """How it ended; `is_interrupted` if the batch interrupted it, or killed it in the end."""
        config, code, summary = self.config, self.process.exitcode, _read_summary(self.config)
        if code == 0 and summary:
            return _outcome(config, summary, "complete", self.reason)
        ended = Outcome(
            str(config.clip), str(config.out), "crashed", f"the process ended with {code}", 0, None, self.reason
        )
        if summary and self.before and summary.started_unix_s == self.before.started_unix_s:
            summary = None  # this run ended before it wrote one
        if (error_file := config.out / ERROR_FILE).exists():
            error = error_file.read_text(encoding="utf-8").strip()
            return replace(ended, status="failed", error=error, exit_code=code or 0)
        if is_interrupted or code == INTERRUPTED_EXIT_CODE:
            ended = replace(ended, status="interrupted", error=None)
            return _outcome(config, summary, "interrupted", self.reason) if summary else ended
        if summary and summary.status == "failed":
            return replace(_outcome(config, summary, "failed", self.reason), exit_code=code or 0)
        return ended


class _Batch:
    """Runs the recordings, and keeps `path` up to date with the outcome of each."""

    def __init__(
        self,
        folder: ResultFolder,
        path: Path,
        configs: Sequence[ReplayConfig],
        force: bool,
        progress: Callable[[Outcome], None],
    ) -> None:
        self._folder, self._path, self._force, self._progress = folder, path, force, progress
        self._waiting = deque(configs)
        self._running: list[_Replay] = []
        self._outcomes = {config.out: Outcome(str(config.clip), str(config.out), "not started") for config in configs}

    @property
    def outcomes(self) -> list[Outcome]:
        """Of every recording, in their order."""
        return list(self._outcomes.values())

    def run(self, workers: int) -> None:
        """Replay `workers` recordings at a time until all have ended."""
        self._write()
        try:
            while self._waiting or self._running:
                while self._waiting and len(self._running) < workers:
                    self._begin(self._waiting.popleft())
                if self._running:
                    connection.wait([each.process.sentinel for each in self._running])
                for each in [each for each in self._running if not each.process.is_alive()]:
                    self._end(each)
        except BaseException:
            self._interrupt()
            raise

    def _begin(self, config: ReplayConfig) -> None:
        """Keep the results of a recording, or start the process that makes them."""
        before = _read_summary(config)
        if before is None:
            unread = (config.out / SUMMARY_FILE).exists()
            reason = "this version cannot read the earlier summary" if unread else ""
        else:
            reason = "--force" if self._force else _difference(config, before)
            if not reason:
                why = "same recording, settings, model and version"
                self._set(config, _outcome(config, before, "kept", why))
                return
        try:
            (config.out / ERROR_FILE).unlink(missing_ok=True)
        except OSError as error:
            refused = cannot_write(config.out, error)
            failed = Outcome(str(config.clip), str(config.out), "failed", str(refused), exit_code=refused.exit_code)
            self._set(config, failed)
            return
        process = start_worker(_replay_or_exit, config)
        self._running.append(_Replay(config, process, before, reason))
        self._set(config, Outcome(str(config.clip), str(config.out), "running", reason=reason))

    def _end(self, ended: _Replay, is_interrupted: bool = False) -> None:
        self._running.remove(ended)
        ended.process.join()
        self._set(ended.config, ended.outcome(is_interrupted))

    def _interrupt(self) -> None:
        """End the recordings in progress."""
        interrupted = list(self._running)
        for each in interrupted:
            each.process.terminate()
        end_s = time.monotonic() + END_S
        for each in interrupted:
            each.process.join(max(0.0, end_s - time.monotonic()))
            each.process.kill()
        for each in interrupted:
            self._end(each, is_interrupted=True)

    def _set(self, config: ReplayConfig, outcome: Outcome) -> None:
        self._outcomes[config.out] = outcome
        self._write()
        if outcome.status != "running":
            self._progress(outcome)

    def _write(self) -> None:
        content = json.dumps([asdict(outcome) for outcome in self.outcomes], indent=1) + "\n"
        with writing_to(self._path.parent):
            try:
                write_text(self._path, content)
            except OSError as error:
                if full_disk_error(error) is None:
                    raise
                self._folder.free_summary()
                write_text(self._path, content)


def _names(clips: Sequence[Path]) -> list[str]:
    """A name for the result folder of each recording: its own, with folders above it where several have the same."""
    paths = [clip.resolve() for clip in clips]
    if len(set(paths)) < len(paths):
        twice = next(str(clip) for clip, path in zip(clips, paths, strict=True) if paths.count(path) > 1)
        raise UsageError(f"{twice} is given twice. Name each recording once.")
    depth = [1] * len(paths)
    while True:
        names = [_name(path, parts) for path, parts in zip(paths, depth, strict=True)]
        deeper = [k for k, name in enumerate(names) if names.count(name) > 1 and depth[k] < len(paths[k].parts)]
        if not deeper:
            return names
        for k in deeper:
            depth[k] += 1


def _name(path: Path, parts: int) -> str:
    last = path.stem if path.is_file() else path.name
    return "-".join([*path.parts[len(path.parts) - parts : -1], last]).replace("/", "")


def _difference(config: ReplayConfig, before: ReplaySummary) -> str:
    """Why earlier results cannot stand for this replay; empty if they can."""
    if before.status != "complete":
        return "the earlier run was killed" if before.status == "running" else f"the earlier run is {before.status}"
    if before.fsd_version != __version__:
        return f"the earlier run is of version {before.fsd_version}"
    spoiled = spoiled_results(config.out, "replay")
    if spoiled:
        return f"{few(spoiled)} of the earlier run was removed or changed"
    try:
        now = fingerprint(config)
    except (OSError, FsdError) as error:  # the replay itself will say more
        return f"the earlier run cannot be compared: {error}"
    differing = [name for name in now.__struct_fields__ if getattr(now, name) != getattr(before.made_from, name, None)]
    return f"the earlier run has {' and '.join(_OTHERS[name] for name in differing)}" if differing else ""


def _replay_or_exit(config: ReplayConfig) -> None:
    try:
        replay(config, show_progress=False)
    except FsdError as error:
        with suppress(OSError):  # on a full disk; the summary may say it all the same
            config.out.mkdir(parents=True, exist_ok=True)
            write_text(config.out / ERROR_FILE, f"{error}\n")
        sys.exit(error.exit_code)


def _read_summary(config: ReplayConfig) -> ReplaySummary | None:
    """The summary in the result folder; None if this version cannot read one there."""
    try:
        return load_summary(config.out / SUMMARY_FILE, ReplaySummary)
    except UsageError:
        return None


def _outcome(config: ReplayConfig, summary: ReplaySummary, status: OutcomeStatus, reason: str = "") -> Outcome:
    alarm_ticks = summary.cross_check.alarm_ticks if summary.cross_check else 0
    return Outcome(
        str(config.clip), str(config.out), status, summary.error, summary.ticks, summary.plan_hash, reason, alarm_ticks
    )
