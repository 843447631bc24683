"""Work on recordings on a Ray cluster into one destination: what is complete stays, the rest is done.

The process that runs this hands out recordings and counts; memory grows with the failures only.
"""

import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsd.data.errors import ModelError, OutputError, UsageError
from fsd.data.options import Options
from fsd.fleet.clip_units import ClipJob, RunSettings, Work, WorkIdentity, start
from fsd.fleet.config import LOCAL, FleetOptions
from fsd.fleet.destination import check_writable, scratch_in
from fsd.fleet.engine import Ended, Needs, Problem, Start, ray_cluster, run_on_ray
from fsd.fleet.failures import FailureList
from fsd.fleet.keys import run_of
from fsd.fleet.places import Place
from fsd.fleet.scratch import remove_unused
from fsd.fleet.sources import clip_count, clips_in
from fsd.fleet.units import FAILURES_FILE, RUN_FILE, RUNS, RunRecord, as_json, run_folder
from fsd.outputs.progress import progress_bar

if TYPE_CHECKING:
    from tqdm import tqdm

_SHOWN_FAILURES = 20
"""Printed while the run goes on; all are in `failures.parquet`."""

_FATAL = {ModelError.exit_code, OutputError.exit_code, UsageError.exit_code}
"""Errors that every recording will meet, if the first one did."""


@dataclass
class FleetTally:
    """How a run stands.

    Attributes:
        complete: recordings that this run has done; kept: those whose results were there.
        alarms: recordings with an alarm of a second network.
        clip_s, cpu_s: length, and CPU time, of those that this run has done.
    """

    run: str
    out: str
    complete: int = 0
    kept: int = 0
    failed: int = 0
    retried: int = 0
    alarms: int = 0
    clip_s: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0

    @property
    def failures(self) -> str:
        """The list of those that failed."""
        return f"{self.out}/{RUNS}/{self.run}/{FAILURES_FILE}"

    @property
    def ended(self) -> int:
        """All recordings that have ended."""
        return self.complete + self.kept + self.failed

    @property
    def clip_hours_per_core_hour(self) -> float | None:
        """Of the recordings that this run has done."""
        return self.clip_s / self.cpu_s if self.cpu_s else None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        counted = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**counted, "clip_hours_per_core_hour": self.clip_hours_per_core_hour}


def needs_of(options: FleetOptions, decode_workers: int, gpus: float = 0.0) -> Needs:
    """What one recording at a time occupies."""
    return Needs(options.clip_cpus or decode_workers, round(options.clip_memory_gb * 1e9), gpus)


def run_fleet(
    sources: Sequence[str],
    out: str,
    work: Work,
    template: Options,
    needs: Needs,
    options: FleetOptions,
    workers: int | None,
) -> FleetTally:
    """Do the work on all recordings that are not complete in the destination.

    Args:
        sources: folders, patterns, manifests and URLs; out: folder or URL.
        template: settings of the work, for the record of the run.
        workers: recordings at a time; None is as many as fit into the cluster.

    Raises:
        UsageError: no cluster, or one without a machine that is large enough.
        ModelError: the model cannot be used; OutputError: the destination cannot be written.
        KeyboardInterrupt: the run was interrupted; the same command goes on with it.
    """
    place = Place.of(out)
    check_writable(place)
    started_s = time.monotonic()
    run = write_record(place, work, template)
    settings = RunSettings(str(place), run, work, *cache_of(options))
    tally, failures = FleetTally(run, str(place)), FailureList(place, run)
    how = start, settings
    with clips_on_ray(sources, place, how, needs, options, workers) as (ends, progress), closing(failures):
        for ended in ends:
            _count(ended, tally, failures, progress)
    tally.wall_s = time.monotonic() - started_s
    return tally


def cache_of(options: FleetOptions) -> tuple[Path | None, int]:
    """Folder and size in bytes of the cache of a machine."""
    return None if options.cache_dir is None else options.cache_dir.absolute(), round(options.cache_gb * 1e9)


@contextmanager
def clips_on_ray(
    sources: Sequence[str], out: Place, how: tuple[Start, Any], needs: Needs, options: FleetOptions, workers: int | None
) -> Iterator[tuple[Generator[Ended, None, None], "tqdm[Any]"]]:
    """The ends of the jobs of all recordings, as they come, and their progress; nothing runs on after the block.

    Args:
        how: what starts in every actor, and with which settings; see `run_on_ray`.
    """
    begin, settings = how
    with ExitStack() as stack:
        if out.is_local:
            stack.callback(remove_unused, scratch_in(out, out.local))
        waiting = "start Ray" if options.ray == LOCAL else f"connect to {options.ray}"
        progress = stack.enter_context(clip_progress(clip_count(sources), waiting))
        stack.enter_context(ray_cluster(options.ray or LOCAL, needs, workers))
        progress.set_description_str("start workers")

        def jobs() -> Iterator[ClipJob]:
            found = 0
            for clip in clips_in(sources, out):
                found += 1
                yield ClipJob(clip)
            progress.total = found

        yield stack.enter_context(closing(run_on_ray(jobs(), begin, (settings,), needs, workers))), progress


def clip_progress(total: int | None, waiting: str) -> "tqdm[Any]":
    """Progress over recordings, with rate and time left; `waiting`: what is done before the first of them."""
    return progress_bar(total, "clip", waiting, in_logs=True)


def raise_if_fatal(problem: Problem) -> None:
    """Raise an error that every other recording will meet, too.

    Raises:
        ModelError, OutputError, UsageError: the problem is one.
    """
    if problem.exit_code in _FATAL:
        kinds = {kind.exit_code: kind for kind in (ModelError, OutputError, UsageError)}
        raise kinds[problem.exit_code](problem.reason)


def _count(ended: Ended, tally: FleetTally, failures: FailureList, progress: "tqdm[Any]") -> None:
    tally.retried += ended.attempts > 1
    problem = ended.problem
    if problem is not None:
        tally.failed += 1
        failures.add(ended.job.clip, ended.attempts, problem.kind, problem.reason)
        if tally.failed <= _SHOWN_FAILURES:
            clip = "" if problem.reason.startswith(ended.job.clip) else f"{ended.job.clip}: "
            progress.write(f"failed      {clip}{problem.reason}", file=sys.stderr)
        if tally.complete + tally.kept == 0:
            raise_if_fatal(problem)
    elif ended.result.is_kept:
        tally.kept += 1
    else:
        tally.complete += 1
        tally.clip_s += ended.result.seconds
        tally.cpu_s += ended.result.cpu_s
    if problem is None:
        tally.alarms += ended.result.alarm_ticks > 0
    progress.set_description_str("recordings", refresh=False)
    progress.set_postfix_str(f"{tally.kept} kept, {tally.failed} failed", refresh=False)
    progress.update()


def write_record(out: Place, work: WorkIdentity, template: Options) -> str:
    """Write `run.json`, unless it is there; returns the name of the run."""
    digests = work.model_digest, work.options_digest
    own = ("clip", "out", "sources", "model", "adapter")
    record = RunRecord(
        run=run_of(*digests),
        work=work.name,
        model=work.model,
        model_digest=digests[0],
        options_digest=digests[1],
        options={each.name: str(getattr(template, each.name)) for each in fields(template) if each.name not in own},
        started_unix_s=time.time(),
    )
    (run_folder(out, record.run) / RUN_FILE).create(as_json(record))
    return record.run
