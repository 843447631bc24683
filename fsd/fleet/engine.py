"""Run any number of jobs on a Ray cluster: actors that load once, three attempts per job, memory that does not grow.

Knows nothing of recordings or drives. A job and its result are small values that can be pickled; `start(*arguments)`
runs once in every actor and returns the function that does one job. Jobs are taken from an iterator as actors become
free, and what has ended is yielded at once: no list of jobs or of results is kept.
"""

import importlib
import logging
import math
import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError, RaySystemError

from fsd.data.errors import ClipError, FsdError, ModelError, OutputError, SimulatorError, UsageError
from fsd.fleet.config import LOCAL
from fsd.outputs.progress import print_line

ATTEMPTS = 3
"""How often a job is tried before it is given up."""

_TOP_UP_S = 5.0
"""How often the size of the cluster is looked at: nodes come and go."""
_SHOWN = 250
"""Characters of Ray's own message that are shown, from either end."""
_SHORT = "/tmp" if Path("/tmp").is_dir() else None
"""Folder for the files of a local Ray: paths of its sockets may have 103 characters, and TMPDIR of macOS has 49."""
_OBJECT_STORE_BYTES = 256 << 20
"""Of a local Ray: actors load the model from it, and exchange small values."""
_START_S = 300.0
"""How long a local Ray is tried to be started. Ray 2.60 itself gives up when one of its processes has not loaded after
15 s, which no setting changes (ray-project/ray#65983); on busy cores a second or third start often succeeds."""
_PATIENCE = {"RAY_gcs_server_port_wait_time_s": "120", "RAY_worker_register_timeout_seconds": "300"}
"""Settings of a local Ray, as its processes read them: time for its first process (30 s by default), and for a worker
to load (60 s)."""


_KINDS = {kind.exit_code: kind for kind in (ClipError, ModelError, SimulatorError, OutputError, UsageError)}

Work = Callable[[Any, int], Any]
"""Does one job, given how often it is being tried (from 1); returns its result, or `Postponed`."""

Start = Callable[..., Work]


@dataclass(frozen=True)
class Needs:
    """What one actor occupies; Ray starts no more than fit."""

    cpus: float = 1
    memory_bytes: int = 0
    gpus: float = 0

    def fit_into(self, resources: dict[str, float]) -> int:
        """How many actors fit into a machine with these resources, as Ray names them."""
        wanted = {"CPU": self.cpus, "memory": float(self.memory_bytes), "GPU": self.gpus}
        counts = [resources.get(name, 0.0) / amount for name, amount in wanted.items() if amount]
        return math.floor(min(counts) + 1e-6) if counts else 0

    def __str__(self) -> str:
        gpus = f", {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus:g} CPU, {self.memory_bytes / 1e9:.1f} GB of memory{gpus}"


@dataclass(frozen=True)
class Problem:
    """Why an attempt failed: `kind` is the class of the error, or `killed`; `exit_code` that of a user's error."""

    kind: str
    reason: str
    exit_code: int = FsdError.exit_code

    def as_error(self) -> FsdError:
        """As an error of the same class, as far as users tell classes apart."""
        return _KINDS.get(self.exit_code, FsdError)(self.reason)


@dataclass(frozen=True)
class Ended:
    """A job that has ended, after `attempts`: with the `result` of the last one, or with a `problem`."""

    job: Any
    attempts: int
    result: Any = None
    problem: Problem | None = None


@dataclass(frozen=True)
class Postponed:
    """Returned in place of a result: do `job` after this time. It counts as no attempt."""

    job: Any
    delay_s: float


@dataclass
class _Try:
    job: Any
    attempt: int = 1
    not_before_s: float = 0.0


@dataclass
class _Actor:
    """`handle` of Ray; `is_ready` once it has loaded; `task` is what it does now."""

    handle: Any
    is_ready: bool = False
    task: _Try | None = None


class _Worker:
    """Runs inside an actor."""

    def __init__(self, how: tuple[Start, tuple[Any, ...]]) -> None:
        self._start, self._arguments = how

    def load(self) -> Problem | None:
        """Start; returns what is wrong."""
        try:
            self._work = self._start(*self._arguments)
        except Exception as error:  # as a value: an exception that cannot be unpickled would be lost
            return _problem_of(error)
        return None

    def do(self, job: Any, attempt: int) -> Any:
        """The result of a job, or a `Problem`."""
        try:
            return self._work(job, attempt)
        except Exception as error:
            return _problem_of(error)


def _problem_of(error: Exception) -> Problem:
    notes = " ".join(["", *getattr(error, "__notes__", ())])
    text = str(error) if isinstance(error, FsdError) else f"{type(error).__name__}: {error}"
    return Problem(type(error).__name__, text[:2000] + notes[:500], getattr(error, "exit_code", FsdError.exit_code))


@contextmanager
def ray_cluster(address: str, needs: Needs, workers: int | None) -> Iterator[None]:
    """Be connected to a cluster; `LOCAL` starts one with the cores of this machine, which ends with the block.

    A Ray that the process has connected to already is used as it is.

    Raises:
        UsageError: there is no cluster at the address. FsdError: no Ray can be started on this machine.
    """
    if ray.is_initialized():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with _quiet(), tempfile.TemporaryDirectory(prefix="fsd-ray-", dir=_SHORT, ignore_cleanup_errors=True) as folder:
        try:
            if address == LOCAL:
                # More workers than fit are a wish of the user's, as they are without Ray.
                cpus = max(os.cpu_count() or 1, math.ceil((workers or 1) * needs.cpus))
                _start_local(num_cpus=cpus, include_dashboard=False, _temp_dir=folder)
            else:
                _connect(address)
            _restore(before)
            yield
        finally:
            ray.shutdown()
            _restore(before)


def _connect(address: str) -> None:
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, ValueError, RuntimeError, RaySystemError) as error:
        raise UsageError(
            f"No Ray cluster answers at {address} ({_first_line(error)}). Start one with `ray start --head`, or leave "
            "the address out."
        ) from error


def _start_local(**settings: Any) -> None:
    """Start Ray on this machine. On a busy one, some of its processes may be too late; then it is tried again."""
    os.environ.setdefault("RAY_worker_niceness", "0")  # not 15: as quick beside other programs as without Ray
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    give_up_s = time.monotonic() + _START_S
    while True:
        try:
            ray.init(
                LOCAL,
                log_to_driver=False,
                logging_level=logging.CRITICAL,  # why a start fails is in the exception
                object_store_memory=_OBJECT_STORE_BYTES,
                **settings,
            )
            return
        except Exception as error:  # Ray raises just this class
            _end_failed_start(settings["_temp_dir"])
            if time.monotonic() >= give_up_s:
                raise FsdError(
                    f"Ray does not start on this machine within {_START_S:.0f} s, {_describe_load()} "
                    f"({_first_line(error)}). Start again when other programs have ended, or leave --ray out: "
                    "--workers needs no Ray."
                ) from error
            print_line(f"Ray has not started yet, {_describe_load()}; starting it again", is_error=True)


def _end_failed_start(folder: str) -> None:
    """Kill what a failed start has left, which would slow the next one: `ray.shutdown` does not know of it."""
    ray.shutdown()
    psutil = importlib.import_module("psutil")  # Ray brings it
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it may have ended
            if any(folder in word for word in child.cmdline()):
                child.kill()
                child.wait()


def _describe_load() -> str:
    cores = os.cpu_count() or 1
    return f"while {os.getloadavg()[0]:.0f} processes want to run on {cores} cores"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Ray's reports of actors that end, which it prints among ours, on standard output, whatever is set.

    A private name of Ray 2.60; its own debugger sets it. Without effect where it is missing.
    """
    was = getattr(ray._private.worker, "_worker_logs_enabled", True)
    ray._private.worker._worker_logs_enabled = False
    try:
        yield
    finally:
        ray._private.worker._worker_logs_enabled = was


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    """Ray puts its own handlers in place of ours."""
    with suppress(ValueError):  # not in the main thread
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def run_on_ray(
    jobs: Iterable[Any], start: Start, arguments: tuple[Any, ...], needs: Needs, workers: int | None = None
) -> Generator[Ended, None, None]:
    """Do jobs on the cluster that is connected, in any order; yields each when it has ended for good.

    When the caller stops or raises, the actors are killed; jobs in progress are lost.

    Args:
        jobs: taken one by one, as actors become free.
        start, arguments: `start(*arguments)` runs once in every actor and returns `work(job, attempt)`, which returns a
            result or `Postponed`. An error of it fails the attempt.
        workers: actors; None is as many as fit into the cluster.

    Raises:
        UsageError: no machine of the cluster is large enough.
        FsdError: `start` failed, or no machine is left.
    """
    pool = _Pool(iter(jobs), start, arguments, needs, workers)
    try:
        yield from pool.run()
    finally:
        pool.kill_all()


@dataclass
class _Pool:
    """The actors of a run, and what each of them does."""

    jobs: Iterator[Any]
    start: Start
    arguments: tuple[Any, ...]
    needs: Needs
    workers: int | None
    _pending: dict[Any, _Actor] = field(default_factory=dict)
    _actors: list[_Actor] = field(default_factory=list)
    _again: deque[_Try] = field(default_factory=deque)
    _are_out: bool = False
    _failed_starts: int = 0
    _has_started: bool = False

    def run(self) -> Iterator[Ended]:
        """Until all jobs have ended."""
        self._make = ray.remote(
            num_cpus=self.needs.cpus,
            num_gpus=self.needs.gpus,
            memory=self.needs.memory_bytes,
            max_restarts=0,
            max_task_retries=0,
        )(_Worker)
        # In the object store: every machine fetches it once, whatever the number of its actors.
        self._how = ray.put((self.start, self.arguments))
        self._top_up()
        next_top_up_s = time.monotonic() + _TOP_UP_S
        while self._assign():
            for ref in self._finished():
                ended = self._ended(ref, self._pending.pop(ref))
                if ended is not None:
                    yield ended
            if time.monotonic() >= next_top_up_s or len(self._actors) == 0:
                self._top_up()
                next_top_up_s = time.monotonic() + _TOP_UP_S

    def _finished(self) -> list[Any]:
        """Calls of actors that have returned, all of them; waits for the first, and not for ever."""
        if not self._pending:  # all that is left was postponed
            time.sleep(self._wait_s())
            return []
        refs = list(self._pending)
        first, _ = ray.wait(refs, num_returns=1, timeout=self._wait_s())
        return ray.wait(refs, num_returns=len(refs), timeout=0)[0] if first else []

    def kill_all(self) -> None:
        """End every actor at once."""
        for actor in self._actors:
            self._kill(actor)
        self._actors.clear()
        self._pending.clear()

    def _top_up(self) -> None:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        fitting = sum(map(self.needs.fit_into, nodes))
        if fitting == 0 and not self._actors:
            if self._has_started:
                raise FsdError(
                    "The machines of the Ray cluster are gone, or Ray on this machine was killed. Run the same command "
                    "again: what is complete is kept."
                )
            raise UsageError(
                f"No machine of the Ray cluster is large enough for one job at a time ({self.needs}). Add a larger "
                "machine, or lower --clip-cpus, --clip-memory-gb or --clip-gpus where recordings are replayed."
            )
        wanted = fitting if self.workers is None else self.workers
        for _ in range(wanted - len(self._actors)):
            actor = _Actor(self._make.remote(self._how))
            self._actors.append(actor)
            self._pending[actor.handle.load.remote()] = actor

    def _assign(self) -> bool:
        """Give every free actor a job; returns whether anything is still to be done."""
        for actor in self._actors:
            if actor.is_ready and actor.task is None:
                task = self._next()
                if task is None:
                    break
                actor.task = task
                self._pending[actor.handle.do.remote(task.job, task.attempt)] = actor
        return bool(self._again) or not self._are_out or any(actor.task for actor in self._actors)

    def _next(self) -> _Try | None:
        now_s = time.monotonic()
        for _ in range(len(self._again)):
            task = self._again.popleft()
            if task.not_before_s <= now_s:
                return task
            self._again.append(task)
        if self._are_out:
            return None
        try:
            return _Try(next(self.jobs))
        except StopIteration:
            self._are_out = True
            return None

    def _wait_s(self) -> float:
        soonest = min((task.not_before_s for task in self._again), default=math.inf) - time.monotonic()
        return max(0.05, min(_TOP_UP_S, soonest))

    def _ended(self, ref: Any, actor: _Actor) -> Ended | None:
        """What a finished call of an actor means: a job that has ended for good, or None."""
        try:
            answer = ray.get(ref)
        except RayError as error:  # the process was killed, ran out of memory, or its machine is gone
            self._kill(actor)
            self._actors.remove(actor)
            answer = Problem("killed", _describe_end(error))
            if actor.task is None:  # while it loaded
                self._failed_starts += 1
                if self._failed_starts >= ATTEMPTS and not self._has_started:
                    raise FsdError(f"The processes on the cluster do not start: {answer.reason}") from error
                return None
        task, actor.task = actor.task, None
        if task is None:
            if isinstance(answer, Problem):
                raise answer.as_error()
            actor.is_ready = self._has_started = True
            return None
        if isinstance(answer, Postponed):
            self._again.append(_Try(answer.job, task.attempt, time.monotonic() + answer.delay_s))
            return None
        if not isinstance(answer, Problem):
            return Ended(task.job, task.attempt, answer)
        if task.attempt >= ATTEMPTS:
            return Ended(task.job, task.attempt, problem=answer)
        self._again.append(_Try(task.job, task.attempt + 1))
        return None

    def _kill(self, actor: _Actor) -> None:
        with suppress(Exception):  # it, or the cluster, may be gone
            ray.kill(actor.handle, no_restart=True)


def _describe_end(error: RayError) -> str:
    text = " ".join(str(error).split())
    is_full = isinstance(error, OutOfMemoryError) or "OutOfMemory" in text
    what = "ran out of memory" if is_full else "was killed or crashed, or its machine is gone"
    shown = text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]} … {text[-_SHOWN:]}"  # its cause is the last
    return f"the process {what} ({shown})"
