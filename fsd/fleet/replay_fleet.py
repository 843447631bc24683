"""Replay recordings on a Ray cluster into one destination: what is complete stays, the rest is done.

The process that runs this hands out recordings and counts; memory grows with the failures only.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from fsd.data.errors import ModelError, OutputError, UsageError
from fsd.fleet.config import LOCAL, FleetOptions
from fsd.fleet.destination import check_writable, scratch_in
from fsd.fleet.engine import Ended, Needs, ray_cluster, run_on_ray
from fsd.fleet.failures import FailureList
from fsd.fleet.keys import model_digest, options_digest, run_of
from fsd.fleet.model_files import ModelFiles
from fsd.fleet.places import Place
from fsd.fleet.replay_units import ReplayJob, RunSettings, remove_unused, start
from fsd.fleet.sources import clip_count, clips_in
from fsd.fleet.units import FAILURES_FILE, RUN_FILE, RUNS, RunRecord, as_json, run_folder
from fsd.outputs.progress import progress_bar
from fsd.replay.config import ReplayConfig

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


def replay_fleet(
    sources: Sequence[str], out: str, template: ReplayConfig, options: FleetOptions, workers: int | None = None
) -> FleetTally:
    """Replay all recordings that are not complete in the destination.

    Args:
        sources: folders, patterns, manifests and URLs; out: folder or URL.
        template: settings of every replay, without recording and folder.
        workers: recordings at a time; None is as many as fit into the cluster.

    Raises:
        UsageError: no cluster, or one without a machine that is large enough.
        ModelError: the model cannot be used; OutputError: the destination cannot be written.
        KeyboardInterrupt: the run was interrupted; the same command goes on with it.
    """
    place, files = Place.of(out), ModelFiles.of(template)
    check_writable(place)
    model, settings = model_digest(files.contents), options_digest(template)
    run = run_of(model, settings)
    started_s = time.monotonic()
    _write_record(place, run, template, model, settings)
    cache = None if options.cache_dir is None else options.cache_dir.absolute()
    shared = RunSettings(str(place), run, template, files, model, settings, cache, round(options.cache_gb * 1e9))
    needs = Needs(
        options.clip_cpus or template.decode_workers, round(options.clip_memory_gb * 1e9), options.gpus(template.device)
    )
    tally, failures = FleetTally(run, str(place)), FailureList(place, run)
    progress = progress_bar(clip_count(sources), "clip", "replay", in_logs=True)

    def jobs() -> Iterator[ReplayJob]:
        found = 0
        for clip in clips_in(sources, place):
            found += 1
            yield ReplayJob(clip)
        progress.total = found

    ends = run_on_ray(jobs(), start, (shared,), needs, workers)
    try:
        with ray_cluster(options.ray or LOCAL, needs, workers), closing(failures), progress, closing(ends):
            for ended in ends:
                _count(ended, tally, failures, progress)
    finally:
        if place.is_local:
            remove_unused(scratch_in(place, place.local))
    tally.wall_s = time.monotonic() - started_s
    return tally


def _count(ended: Ended, tally: FleetTally, failures: FailureList, progress: "tqdm[Any]") -> None:
    tally.retried += ended.attempts > 1
    problem = ended.problem
    if problem is not None:
        tally.failed += 1
        failures.add(ended.job.clip, ended.attempts, problem.kind, problem.reason)
        if tally.failed <= _SHOWN_FAILURES:
            progress.write(f"failed      {ended.job.clip}: {problem.reason}", file=sys.stderr)
        if problem.exit_code in _FATAL and tally.complete + tally.kept == 0:
            kinds = {kind.exit_code: kind for kind in (ModelError, OutputError, UsageError)}
            raise kinds[problem.exit_code](problem.reason)
    elif ended.result.is_kept:
        tally.kept += 1
    else:
        tally.complete += 1
        tally.clip_s += ended.result.seconds
        tally.cpu_s += ended.result.cpu_s
    if problem is None:
        tally.alarms += ended.result.alarm_ticks > 0
    progress.set_postfix({"kept": tally.kept, "failed": tally.failed}, refresh=False)
    progress.update()


def _write_record(out: Place, run: str, template: ReplayConfig, model: str, settings: str) -> None:
    options = {
        each.name: str(getattr(template, each.name))
        for each in fields(template)
        if each.name not in ("clip", "out", "model", "adapter")
    }
    record = RunRecord(
        run=run,
        model="packaged" if template.model is None else ", ".join(path.name for path in template.model_files),
        model_digest=model,
        options_digest=settings,
        options=options,
        started_unix_s=time.time(),
    )
    (run_folder(out, run) / RUN_FILE).create(as_json(record))
