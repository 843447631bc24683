"""One unit of a run: find a recording, replay it unless its results are there, and publish them.

Runs inside the actors. Everything that costs a request or a byte per recording happens here, so that the process that
hands out recordings has next to nothing to do.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fsd.data.errors import FsdError, OutputError
from fsd.data.folder_lock import locked
from fsd.fleet.cache import ClipCache
from fsd.fleet.claims import POLL_S, Held, claimed
from fsd.fleet.destination import files_in, is_whole, publish, remove, scratch_in
from fsd.fleet.engine import Postponed
from fsd.fleet.keys import clip_digest, files_of_clip, unit_key
from fsd.fleet.model_files import ModelFiles
from fsd.fleet.places import Place, is_url
from fsd.fleet.tables import add_unit
from fsd.fleet.units import CLIPS, Unit
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.third_party.open_planner import LoadedModels
from fsd.version import __version__

CLAIMS = "claims"
_POLL_S = 0.1


@dataclass(frozen=True)
class ReplayJob:
    """A recording to replay; `seen` is what another's claim on it said at the last `polls` looks."""

    clip: str
    seen: str = ""
    polls: int = 0


@dataclass(frozen=True)
class UnitEnd:
    """How a job ended well: `is_kept` if its results were there before."""

    key: str
    is_kept: bool
    seconds: float
    cpu_s: float
    wall_s: float
    alarm_ticks: int


@dataclass(frozen=True)
class RunSettings:
    """What all units of a run share.

    Attributes:
        template: of the replays; paths of the model in it are replaced by copies of `model`.
        version: of the program that started the run.
        cache_dir, cache_bytes: of each machine, for recordings that are copied.
    """

    out: str
    run: str
    template: ReplayConfig
    model: ModelFiles
    model_digest: str
    options_digest: str
    cache_dir: Path | None
    cache_bytes: int
    version: str = __version__


def start(settings: RunSettings) -> "ReplayUnits":
    """Prepare an actor.

    Raises:
        FsdError: the machine has another version of this program.
    """
    if settings.version != __version__:
        raise FsdError(f"A machine of the cluster has fsd {__version__}; the run needs {settings.version} everywhere.")
    return ReplayUnits(settings)


def default_cache() -> Path:
    """The cache of this user on this machine."""
    return Path(tempfile.gettempdir()) / f"fsd-cache-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


class ReplayUnits:
    """Does one recording after the other with a model that stays loaded."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._out = Place.of(settings.out)
        cache = settings.cache_dir or default_cache()
        self._cache = ClipCache(cache / "clips", settings.cache_bytes)
        self._scratch = _own_folder(scratch_in(self._out, cache))
        self._template = settings.model.unpack(self._scratch / "model", settings.template)
        self._models = LoadedModels()

    def __call__(self, job: ReplayJob, attempt: int) -> UnitEnd | Postponed:
        """Replay a recording, or find that it is done, or that another run is at it."""
        settings = self._settings
        files = files_of_clip(Place.of(job.clip)) if is_url(job.clip) else []
        digest = clip_digest(job.clip, files, settings.template, Path(settings.out))
        key = unit_key(settings.run, digest)
        if (before := is_whole(self._out, key)) is not None:
            return _kept(before)
        with claimed(self._out / CLAIMS / key, job.seen, job.polls) as claim:
            if not isinstance(claim, Held):
                polls = job.polls + 1 if claim == job.seen else 0
                return Postponed(replace(job, seen=claim, polls=polls), POLL_S)
            if (before := is_whole(self._out, key)) is not None:  # done while this one looked
                return _kept(before)
            folder = self._scratch / key
            remove(folder)
            try:
                unit = self._replay(job, key, digest, files, folder, attempt)
                if claim.is_lost:
                    return Postponed(replace(job, polls=0), POLL_S)
                # First: rows of a recording that is not complete yet are replaced, missing ones would stay missing.
                add_unit(self._out, unit, folder, f"{CLIPS}/{key}")
                publish(self._out, unit, folder)
            finally:
                remove(folder)
        return UnitEnd(key, False, unit.seconds, unit.cpu_s, unit.wall_s, unit.alarm_ticks)

    def _replay(
        self, job: ReplayJob, key: str, digest: str, files: list[dict[str, Any]], folder: Path, attempt: int
    ) -> Unit:
        settings = self._settings
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        with ExitStack() as stack:
            clip = Path(job.clip)
            if is_url(job.clip):
                clip = stack.enter_context(self._cache.local(Place.of(job.clip), digest, files))
            config = replace(self._template, clip=clip, out=folder)
            with _named(job.clip, clip):
                summary = replay(config, show_progress=False, open_planner=self._models.chosen_planner)
        return Unit(
            key=key,
            run=settings.run,
            clip=job.clip,
            clip_digest=digest,
            model_digest=settings.model_digest,
            options_digest=settings.options_digest,
            seconds=summary.drive_s,
            ticks=summary.ticks,
            attempts=attempt,
            wall_s=time.perf_counter() - start_s,
            cpu_s=time.process_time() - start_cpu_s,
            alarm_ticks=summary.cross_check.alarm_ticks if summary.cross_check else 0,
            files=files_in(folder),
        )


@contextmanager
def _named(clip: str, local: Path) -> Iterator[None]:
    """Let errors name the recording, and not its copy on this machine, which does not stay."""
    try:
        yield
    except FsdError as error:
        error.args = tuple(str(text).replace(str(local), clip) for text in error.args)
        raise


def _kept(unit: Unit) -> UnitEnd:
    return UnitEnd(unit.key, True, unit.seconds, unit.cpu_s, unit.wall_s, unit.alarm_ticks)


def _own_folder(parent: Path) -> Path:
    """A new folder for this process, locked until it ends; those of processes that have ended are removed."""
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        with suppress(OutputError), locked(parent, "fsd replay"):
            _remove_left(parent)
            folder = Path(tempfile.mkdtemp(dir=parent))
            _held.enter_context(locked(folder, "fsd replay"))
            return folder
        time.sleep(_POLL_S)


def remove_unused(parent: Path) -> None:
    """Remove what ended processes have left in the folder of `scratch_in`, and itself if nobody uses it."""
    if parent.exists():
        with suppress(OutputError, OSError), locked(parent, "fsd replay"):
            _remove_left(parent)
        with suppress(OSError):
            parent.rmdir()


def _remove_left(parent: Path) -> None:
    for left in parent.iterdir():
        if left.is_dir():
            with suppress(OutputError, OSError), locked(left, "fsd replay"):
                shutil.rmtree(left, ignore_errors=True)


_held = ExitStack()
"""Locks of this process, which the operating system frees at its end."""
