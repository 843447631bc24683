"""One unit of a run: find a recording, do the run's work on it unless its results are there, and publish them.

Runs inside the actors. Everything that costs a request or a byte per recording happens here, so that the process that
hands out recordings has next to nothing to do.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fsd.data.errors import FsdError
from fsd.data.recording_options import CameraOptions
from fsd.fleet.cache import ClipCache
from fsd.fleet.claims import POLL_S, Held, claimed
from fsd.fleet.destination import files_in, is_whole, publish, remove, scratch_in
from fsd.fleet.engine import Postponed
from fsd.fleet.keys import clip_digest, files_of_clip, unit_key
from fsd.fleet.places import Place, is_url
from fsd.fleet.scratch import default_cache, own_folder
from fsd.fleet.units import CLIPS, Unit
from fsd.version import __version__

CLAIMS = "claims"


class Made(NamedTuple):
    """What was made of a recording: its length, and ticks with an alarm of a second network."""

    seconds: float
    ticks: int
    alarm_ticks: int = 0


MakeUnit = Callable[[Path, Path], Made]
"""Does the work on the recording at a path, into a folder."""


class WorkIdentity(Protocol):
    """What tells one run from another.

    Attributes:
        name: of the command; model: what the network is called, empty without one.
        model_digest: of its content; options_digest: of all settings and the version.
    """

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def model_digest(self) -> str: ...
    @property
    def options_digest(self) -> str: ...


class Work(WorkIdentity, Protocol):
    """What is done with every recording of a run. It travels to the actors; `reading`: how recordings are opened."""

    @property
    def reading(self) -> CameraOptions: ...

    def load(self, folder: Path) -> MakeUnit:
        """Prepare an actor; `folder` is its own."""

    def add_rows(self, out: Place, unit: Unit, folder: Path, published: str) -> None:
        """Add the rows of a unit to the tables, before it is published in a folder below `out`."""


@dataclass(frozen=True)
class ClipJob:
    """A recording; `seen` is what another's claim on it said at the last `polls` looks."""

    clip: str
    seen: str = ""
    polls: int = 0

    def later(self, claim: str) -> Postponed:
        """To be looked at again, since another's claim says this."""
        polls = self.polls + 1 if claim == self.seen else 0
        return Postponed(replace(self, seen=claim, polls=polls), POLL_S)


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
        version: of the program that started the run.
        cache_dir, cache_bytes: of each machine, for recordings that are copied.
    """

    out: str
    run: str
    work: Work
    cache_dir: Path | None
    cache_bytes: int
    version: str = __version__

    @property
    def cache(self) -> Path:
        """The folder for copies on this machine."""
        return self.cache_dir or default_cache()


def start(settings: RunSettings) -> "ClipUnits":
    """Prepare an actor.

    Raises:
        FsdError: the machine has another version of this program.
    """
    check_version(settings.version)
    return ClipUnits(settings)


def check_version(version: str) -> None:
    """Refuse a machine with another version than that of the program that started the run.

    Raises:
        FsdError: it has one.
    """
    if version != __version__:
        raise FsdError(f"A machine of the cluster has fsd {__version__}; the run needs {version} everywhere.")


class ClipUnits:
    """Does one recording after the other with a model that stays loaded."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._out = Place.of(settings.out)
        self._cache = ClipCache(settings.cache / "clips", settings.cache_bytes)
        self._scratch = own_folder(scratch_in(self._out, settings.cache))
        self._make = settings.work.load(self._scratch)

    def __call__(self, job: ClipJob, attempt: int) -> UnitEnd | Postponed:
        """Do the work on a recording, or find that it is done, or that another run is at it."""
        settings = self._settings
        files = files_of_clip(Place.of(job.clip)) if is_url(job.clip) else []
        digest = clip_digest(job.clip, files, settings.work.reading, Path(settings.out))
        key = unit_key(settings.run, digest)
        if (before := is_whole(self._out, key)) is not None:
            return _kept(before)
        with claimed(self._out / CLAIMS / key, job.seen, job.polls) as claim:
            if not isinstance(claim, Held):
                return job.later(claim)
            if (before := is_whole(self._out, key)) is not None:  # done while this one looked
                return _kept(before)
            folder = self._scratch / key
            remove(folder)
            try:
                unit = self._unit(job, key, digest, files, folder, attempt)
                if claim.is_lost:
                    return Postponed(replace(job, polls=0), POLL_S)
                # First: rows of a recording that is not complete yet are replaced, missing ones would stay missing.
                settings.work.add_rows(self._out, unit, folder, f"{CLIPS}/{key}")
                publish(self._out, unit, folder)
            finally:
                remove(folder)
        return UnitEnd(key, False, unit.seconds, unit.cpu_s, unit.wall_s, unit.alarm_ticks)

    def _unit(
        self, job: ClipJob, key: str, digest: str, files: list[dict[str, Any]], folder: Path, attempt: int
    ) -> Unit:
        settings = self._settings
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        with ExitStack() as stack:
            clip = Path(job.clip)
            if is_url(job.clip):
                clip = stack.enter_context(self._cache.local(Place.of(job.clip), digest, files))
            with _named(job.clip, clip):
                made = self._make(clip, folder)
        return Unit(
            key=key,
            run=settings.run,
            clip=job.clip,
            clip_digest=digest,
            model_digest=settings.work.model_digest,
            options_digest=settings.work.options_digest,
            seconds=made.seconds,
            ticks=made.ticks,
            attempts=attempt,
            wall_s=time.perf_counter() - start_s,
            cpu_s=time.process_time() - start_cpu_s,
            alarm_ticks=made.alarm_ticks,
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
