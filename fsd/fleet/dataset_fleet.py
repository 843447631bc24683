"""Build a data set on a Ray cluster: a unit is one clip, named by its content as in a build without Ray.

The data set lies in a folder that all machines share, since whoever learns from it maps its files. One program at a
time builds into it; its actors claim clips all the same, for those of a program that was killed may live a little on.
"""

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from fsd.data.files import writing_to
from fsd.data.open_clip import open_clip
from fsd.dataset.build import Progress, build_dataset
from fsd.dataset.clip_job import JobResult, clip_key
from fsd.dataset.config import DatasetConfig
from fsd.fleet.cache import ClipCache
from fsd.fleet.claims import POLL_S, Held, claimed
from fsd.fleet.clip_units import CLAIMS, ClipJob, check_version
from fsd.fleet.config import FleetOptions
from fsd.fleet.destination import remove, scratch_in
from fsd.fleet.engine import Postponed
from fsd.fleet.failures import FailureList
from fsd.fleet.fleet_run import cache_of, clips_on_ray, needs_of, raise_if_fatal, write_record
from fsd.fleet.keys import clip_digest, files_of_clip, options_digest
from fsd.fleet.places import Place, is_url
from fsd.fleet.scratch import default_cache, own_folder
from fsd.networks.drives.clip_builder import build_clip
from fsd.networks.drives.clip_record import CLIPS_FOLDER, RECORD_FILE
from fsd.outputs.dataset_summary import DatasetSummary
from fsd.replay.fingerprint import digest
from fsd.version import __version__

COPIES = "sources"
"""Folder of a data set with a file per recording that was copied from a URL, which holds the key of its clip."""


def build_dataset_fleet(
    sources: Sequence[str],
    config: DatasetConfig,
    options: FleetOptions,
    workers: int | None = None,
    progress: Progress = lambda path, result: None,
) -> DatasetSummary:
    """Build the clips that are missing on a cluster; else as `build_dataset`.

    Args:
        sources: folders, patterns, manifests and URLs, in place of those of `config`.
        workers: clips at a time; None is as many as fit into the cluster.

    Raises:
        UsageError: no cluster, or one without a machine that is large enough.
        ClipError, OutputError: as of `build_dataset`.
    """
    config = replace(config, out=config.out.absolute())  # actors run in folders of their own
    out = Place.of(config.out)

    def build_all() -> Generator[tuple[Path, JobResult], None, None]:
        run, is_first = write_record(out, DatasetWork(config), config), True
        settings = DatasetSettings(config, *cache_of(options))
        how, needs = (start, settings), needs_of(options, config.decode_workers)
        failures = FailureList(out, run)
        with clips_on_ray(sources, out, how, needs, options, workers) as (ends, bar), closing(failures):
            for ended in ends:
                clip, problem = ended.job.clip, ended.problem
                if problem is not None:
                    failures.add(clip, ended.attempts, problem.kind, problem.reason)
                    if is_first:
                        raise_if_fatal(problem)
                is_first = is_first and problem is not None
                bar.update()
                with bar.external_write_mode(file=sys.stderr):
                    yield Path(clip), ended.result if problem is None else JobResult(reason=problem.reason)

    return build_dataset(config, progress, build_all)


@dataclass(frozen=True)
class DatasetWork:
    """What tells one build from another; see `WorkIdentity`."""

    config: DatasetConfig
    name: str = "dataset build"
    model: str = ""
    model_digest: str = ""

    @cached_property
    def options_digest(self) -> str:
        return options_digest(digest([self.name.encode(), self.config.settings.text.encode()]))


@dataclass(frozen=True)
class DatasetSettings:
    """What all clips of a build share, as in `RunSettings`."""

    config: DatasetConfig
    cache_dir: Path | None
    cache_bytes: int
    version: str = __version__


def start(settings: DatasetSettings) -> "DatasetUnits":
    """Prepare an actor.

    Raises:
        FsdError: the machine has another version of this program.
    """
    check_version(settings.version)
    return DatasetUnits(settings)


class DatasetUnits:
    """Builds one clip after the other."""

    def __init__(self, settings: DatasetSettings) -> None:
        self._config = settings.config
        self._out = Place.of(settings.config.out)
        cache = settings.cache_dir or default_cache()
        self._cache = ClipCache(cache / "clips", settings.cache_bytes)
        self._scratch = own_folder(scratch_in(self._out, cache))

    def __call__(self, job: ClipJob, attempt: int) -> JobResult | Postponed:
        """Build a clip, or find that it is there, or that another actor is at it."""
        with ExitStack() as stack:
            path, copy = Path(job.clip), None
            if is_url(job.clip):
                place = Place.of(job.clip)
                files = files_of_clip(place)
                made_of = clip_digest(job.clip, files, self._config, self._config.out)
                copy = self._out / COPIES / made_of
                key = (copy.read_or_none() or b"").decode()
                if key and self._has(key):
                    return JobResult(key, was_there=True)
                path = stack.enter_context(self._cache.local(place, made_of, files))
            clip = open_clip(path, self._config)
            key = clip_key(path, self._config)
            with claimed(self._out / CLAIMS / key, job.seen, job.polls) as claim:
                if not isinstance(claim, Held):
                    return job.later(claim)
                was_there = self._has(key)
                if not was_there:
                    folder = self._scratch / key
                    build_clip(
                        clip, key, folder, self._config.settings, self._config.decode_workers, self._config.mask_cameras
                    )
                    if claim.is_lost:
                        remove(folder)
                        return Postponed(replace(job, polls=0), POLL_S)
                    with writing_to(self._config.out):
                        target = self._config.out / CLIPS_FOLDER / key
                        target.parent.mkdir(parents=True, exist_ok=True)
                        remove(target)  # without a record, or it would have been found
                        os.replace(folder, target)
                if copy is not None:
                    copy.write(key.encode())
        return JobResult(key, was_there=was_there)

    def _has(self, key: str) -> bool:
        return (self._config.out / CLIPS_FOLDER / key / RECORD_FILE).exists()
