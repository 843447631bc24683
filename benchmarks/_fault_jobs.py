"""The jobs of the fault benchmark in worker processes, and the journal of those that have finished."""

import hashlib
import json
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from _fault_drives import HEIGHT_PX, WIDTH_PX, Case, CaseRunner, DriveSettings
from _fault_moments import Moment

import fsd.compression
import fsd.data
import fsd.drive
import fsd.runtime
from fsd.data.camera_health.monitor import CameraMonitor
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, FrameSet
from fsd.data.open_clip import open_clip
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.standard_rigs import canonical_rig
from fsd.drive.journal import file_digest
from fsd.runtime.engine import packaged_model

FIRST_TICK_S, HANG_S = 1800, 300
"""A job without a tick for this long counts as a hang and is ended. The first tick loads and compiles."""

KNOWN_FAULTS = frozenset({("002b815b", "right_repeater", "black")})
"""Faults that real recordings do have: (recording, camera, name). The first picture of this one is black."""


@dataclass(frozen=True)
class ClipJob:
    """Record the clip that the replays of a moment read."""

    moment: Moment

    @property
    def key(self) -> str:
        return f"clip/{self.moment.name}/{self.moment.seed}"


@dataclass(frozen=True)
class CleanDrive:
    """The expert drives a route without a fault, under the eyes of the monitor."""

    scenario: str
    seed: int

    @property
    def key(self) -> str:
        return f"clean/{self.scenario}/{self.seed}"


@dataclass(frozen=True)
class CleanRecording:
    """A recording of somebody's cameras, under the eyes of the monitor."""

    path: Path

    @property
    def key(self) -> str:
        return f"recording/{self.path.name}"


Job = ClipJob | Case | CleanDrive | CleanRecording

_runner: CaseRunner | None = None


def start_worker(settings: DriveSettings) -> None:
    """Prepare this process for jobs."""
    global _runner
    _runner = CaseRunner(settings, _tick)


def work(job: Job) -> dict[str, Any]:
    """Do one job; an error is a result too: `error` is its text, and `hang` whether it was one."""
    assert _runner is not None
    try:
        with _watched():
            match job:
                case ClipJob():
                    _runner.clip(job.moment)
                    return {}
                case CleanDrive():
                    return _clean_drive(_runner, job)
                case CleanRecording():
                    return _clean_recording(job)
                case Case():
                    return _runner.run(job)
    except Exception as error:
        return {"error": traceback.format_exc(), "hang": isinstance(error, _HangError)}


class _HangError(Exception):
    """No tick in time."""


@contextmanager
def _watched() -> Iterator[None]:
    """Raise `_HangError` if `_tick` is not called in time, on systems with alarms."""

    def give_up(signum: int, frame: FrameType | None) -> None:
        raise _HangError("no tick for too long")

    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, give_up)
        signal.alarm(FIRST_TICK_S)
    try:
        yield
    finally:
        if hasattr(signal, "SIGALRM"):
            signal.alarm(0)


def _tick() -> None:
    if hasattr(signal, "SIGALRM"):
        signal.alarm(HANG_S)


class AlarmCount:
    """Every stretch of ticks for which a camera has a fault by name.

    Attributes:
        first: `name=camera` -> the first tick; count: of the stretches.
    """

    def __init__(self) -> None:
        self.first: dict[str, int] = {}
        self.count = 0
        self._now: set[str] = set()

    def add(self, frame_set: FrameSet, ignored: frozenset[tuple[str, str]] = frozenset()) -> None:
        """Take in a tick; `ignored` are (camera, name) that are no false alarms."""
        now = {
            f"{name.value}={camera}"
            for camera, names in zip(CAMERAS, frame_set.faults, strict=True)
            for name in names
            if (camera, name.value) not in ignored
        }
        for alarm in now - self._now:
            self.first.setdefault(alarm, frame_set.tick)
            self.count += 1
        self._now = now

    def as_dict(self, ticks: int, seconds: float) -> dict[str, Any]:
        return {"alarms": self.first, "count": self.count, "ticks": ticks, "seconds": seconds}


def _clean_drive(runner: CaseRunner, job: CleanDrive) -> dict[str, Any]:
    start, alarms = time.perf_counter(), AlarmCount()
    monitor = CameraMonitor(canonical_rig(WIDTH_PX, HEIGHT_PX))
    env = DrivingEnv(job.scenario, job.seed, runner.renderer)
    while not env.done:
        alarms.add(monitor.step(env.frame_set(), env.ego()))
        env.step(*env.expert_controls())
        _tick()
    return alarms.as_dict(env.world.tick, time.perf_counter() - start)


def _clean_recording(job: CleanRecording) -> dict[str, Any]:
    start, alarms, ticks = time.perf_counter(), AlarmCount(), 0
    ignored = frozenset((camera, name) for recording, camera, name in KNOWN_FAULTS if recording == job.path.name)
    with FrameSource(open_clip(job.path), workers=1) as source:
        for frame_set in source:
            alarms.add(frame_set, ignored)
            ticks += 1
            _tick()
    return alarms.as_dict(ticks, time.perf_counter() - start)


class JobJournal:
    """`cases.jsonl`: one line per finished job. Lines of other code, models or settings are not used.

    Attributes:
        done: key of a job -> its result.
    """

    def __init__(self, path: Path, settings: str) -> None:
        self._path, self._settings = path, settings
        self.done: dict[str, dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # cut off when a run was killed
            if row["settings"] == settings:
                self.done[row["key"]] = row["result"]

    def append(self, job: Job, result: dict[str, Any]) -> None:
        """Add a finished job."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            if file.tell() and not self._ends_with_newline():
                file.write(b"\n")
            row = {"key": job.key, "settings": self._settings, "result": result}
            file.write(json.dumps(row).encode() + b"\n")
        self.done[job.key] = result

    def _ends_with_newline(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, 2)
            return file.read(1) == b"\n"


def settings_digest(settings: DriveSettings) -> str:
    """Digest of everything that decides the result of a job: settings, model, and the code that drives and watches."""
    digest = hashlib.sha256()
    packages: Sequence[Any] = (fsd.data, fsd.compression, fsd.runtime, fsd.drive)
    own = sorted(Path(__file__).parent.glob("_fault_[dmj]*.py"))
    for path in [*own, *(path for package in packages for path in sorted(Path(package.__file__).parent.rglob("*.py")))]:
        digest.update(path.read_bytes())
    model = packaged_model() if settings.model is None else settings.model
    for value in (file_digest(model), settings.draw_every_ticks, settings.longest_ticks, settings.replay_ticks):
        digest.update(repr(value).encode())
    return digest.hexdigest()[:16]
