"""Replay many recordings, each in its own process, so that a failure or a crashed decoder does not affect the others.

Complete results of the same recording, settings, model and version are kept, so a stopped batch continues where it
was. Shards divide a list between machines.
"""

import json
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fsd.data.errors import FsdError, UsageError
from fsd.data.files import write_text
from fsd.outputs.replay_summary import ReplaySummary
from fsd.outputs.run_folder import make_result_folder
from fsd.outputs.summary_file import SUMMARY_FILE, load_summary
from fsd.replay.config import ReplayConfig, Shard
from fsd.replay.fingerprint import fingerprint
from fsd.replay.replay import replay
from fsd.version import __version__

ERROR_FILE = "error.txt"


@dataclass(frozen=True)
class Outcome:
    """How one recording ended: `complete`, `kept` (was complete before), `failed` or `crashed`, with its `error`.

    `reason` states why results that were there were kept or replaced; it is empty where there were none. `alarm_ticks`
    are the ticks at which a second network differed by more than is allowed.
    """

    clip: str
    out: str
    status: str
    error: str | None = None
    ticks: int = 0
    plan_hash: str | None = None
    reason: str = ""
    alarm_ticks: int = 0

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
    """Replay recordings into a folder each, below `template.out`, and write `batch.json` there.

    Args:
        clips: recordings; template: settings of all of them; workers: recordings at a time.
        shard: the recordings for this machine; None is all.
        force: also replay recordings whose results are complete.
        progress: called when a recording ends.

    Raises:
        UsageError: two recordings have the same name, and so the same result folder.
    """
    shard = shard or Shard()
    configs = [
        replace(template, clip=clip, out=template.out / name) for clip, name in zip(clips, _names(clips), strict=True)
    ]
    mine = configs[shard.index :: shard.count]
    make_result_folder(template.out)
    outcomes: dict[str, Outcome] = {}
    with ThreadPoolExecutor(workers) as pool:
        pending = [pool.submit(_replay_in_process, config, force) for config in mine]
        for future in as_completed(pending):
            outcome = future.result()
            outcomes[outcome.clip] = outcome
            progress(outcome)
    ordered = [outcomes[str(config.clip)] for config in mine]
    name = "batch.json" if shard.count == 1 else f"batch-{shard.index}-of-{shard.count}.json"
    write_text(template.out / name, json.dumps([asdict(outcome) for outcome in ordered], indent=1) + "\n")
    return ordered


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


def _replay_in_process(config: ReplayConfig, force: bool) -> Outcome:
    before = _read_summary(config)
    if before is None:
        unread = (config.out / SUMMARY_FILE).exists()
        return replace(_replay_anew(config), reason="this version cannot read the earlier summary" if unread else "")
    reason = "--force" if force else _difference(config, before)
    if not reason:
        return _outcome(config, before, "kept", "same recording, settings, model and version")
    return replace(_replay_anew(config), reason=reason)


def _difference(config: ReplayConfig, before: ReplaySummary) -> str:
    """Why earlier results cannot stand for this replay; empty if they can."""
    if before.status != "complete":
        return f"the earlier run is {before.status}"
    if before.fsd_version != __version__:
        return f"the earlier run is of version {before.fsd_version}"
    try:
        now = fingerprint(config)
    except (OSError, FsdError) as error:  # the replay itself will say more
        return f"the earlier run cannot be compared: {error}"
    differing = [name for name in now.__struct_fields__ if getattr(now, name) != getattr(before.made_from, name, None)]
    return f"the earlier run has a different {' and '.join(differing)}" if differing else ""


def _replay_anew(config: ReplayConfig) -> Outcome:
    (config.out / ERROR_FILE).unlink(missing_ok=True)
    process = multiprocessing.get_context("spawn").Process(target=_replay_or_exit, args=(config,))
    process.start()
    process.join()
    summary = _read_summary(config)
    if process.exitcode == 0 and summary:
        return _outcome(config, summary, "complete")
    if (error_file := config.out / ERROR_FILE).exists():
        return Outcome(str(config.clip), str(config.out), "failed", error_file.read_text(encoding="utf-8").strip())
    if summary and summary.status in ("failed", "interrupted"):
        return _outcome(config, summary, "failed")
    return Outcome(str(config.clip), str(config.out), "crashed", f"the process ended with {process.exitcode}")


def _replay_or_exit(config: ReplayConfig) -> None:
    try:
        replay(config, show_progress=False)
    except FsdError as error:
        config.out.mkdir(parents=True, exist_ok=True)
        write_text(config.out / ERROR_FILE, f"{error}\n")
        sys.exit(error.exit_code)


def _read_summary(config: ReplayConfig) -> ReplaySummary | None:
    """The summary in the result folder; None if this version cannot read one there."""
    try:
        return load_summary(config.out / SUMMARY_FILE, ReplaySummary)
    except UsageError:
        return None


def _outcome(config: ReplayConfig, summary: ReplaySummary, status: str, reason: str = "") -> Outcome:
    alarm_ticks = summary.cross_check.alarm_ticks if summary.cross_check else 0
    return Outcome(
        str(config.clip), str(config.out), status, summary.error, summary.ticks, summary.plan_hash, reason, alarm_ticks
    )
