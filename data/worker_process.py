"""Start worker processes that end with the process that started them, and leave Ctrl-C to it.

Knows signals and processes, not what a worker does. Every process of this program begins with `end_with_parent`.
`run_jobs` is how many jobs are done at the same time, here or, within `jobs_done_by`, on a cluster.
"""

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, Protocol, TypeVar

from fsd.data.errors import INTERRUPTED_EXIT_CODE, FsdError

# Spawned, not forked: decoders, an OpenGL context and the threads of torch and ONNX Runtime do not survive a fork.
_SPAWN = multiprocessing.get_context("spawn")
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_POLL_S = 0.5

Job = TypeVar("Job")
Result = TypeVar("Result")

_start_error: Exception | None = None


def end_with_parent() -> None:
    """End this process when its parent ends, also when that is killed. Call it first in a child process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():  # before the call of `prctl`
        os._exit(1)
    threading.Thread(target=_wait_for_parent, args=(os.getppid(),), name="parent", daemon=True).start()


def _wait_for_parent(parent_id: int) -> None:
    """For systems without `prctl`."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    else:  # a child that `multiprocessing` did not start has no handle of its parent
        while os.getppid() == parent_id:
            time.sleep(_POLL_S)
    os._exit(1)


def start_worker(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a process that calls `work(*arguments)`.

    Returns:
        The process. Its `terminate()` raises KeyboardInterrupt in `work`, once; its exit code is then
        `INTERRUPTED_EXIT_CODE`.
    """
    process = _SPAWN.Process(target=_work_until_interrupted, args=(_packed(work, arguments),), daemon=True)
    with _interrupts_blocked():
        process.start()
    return process


class JobsFailedError(FsdError):
    """Some jobs have failed at every attempt, and all others are done: `failures` has the reason of each."""

    def __init__(self, message: str, failures: Mapping[str, str]) -> None:
        super().__init__(message)
        self.failures = dict(failures)


class JobEngine(Protocol):
    """Does the jobs of `run_jobs` elsewhere; `work`, `start` and their arguments are pickled."""

    def __call__(
        self,
        work: Callable[[Any], Any],
        jobs: Sequence[Any],
        done: Callable[[Any, Any], None],
        start: Callable[..., None],
        arguments: tuple[Any, ...],
    ) -> None:
        """As `run_jobs`, but a job that fails is tried again, and does not end the others.

        Raises:
            JobsFailedError: some jobs failed; the others are done.
            FsdError: nothing works, such as a machine without OpenGL.
        """


_engine: ContextVar[JobEngine | None] = ContextVar("engine", default=None)


@contextmanager
def jobs_done_by(engine: JobEngine) -> Iterator[None]:
    """Inside, `run_jobs` leaves its jobs to an engine, which has its own number of workers."""
    token = _engine.set(engine)
    try:
        yield
    finally:
        _engine.reset(token)


def run_jobs(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    done: Callable[[Job, Result], None],
    start: Callable[..., None],
    *arguments: Any,
) -> None:
    """Call `work(job)` for every job in one of `workers` processes, and `done(job, result)` here as each ends.

    An error of a job or of `done`, or Ctrl-C, cancels the other jobs and ends the processes at once.

    Args:
        start, arguments: every process calls `start(*arguments)` first.

    Raises:
        FsdError: a process was killed or crashed; and what an engine of `jobs_done_by` raises.
    """
    engine = _engine.get()
    if not jobs:
        return
    if engine is not None:
        engine(work, jobs, done, start, arguments)
        return
    stopped, stop = _SPAWN.Pipe(duplex=False)
    processes: list[BaseProcess] = []
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(workers, len(jobs)), _SPAWN, _start_in_pool, (stopped, _packed(start, arguments)))
    try:
        with _interrupts_blocked():  # this thread starts the processes when it submits jobs
            pending = {pool.submit(_do, work, job): job for job in jobs}
        processes = [each for each in multiprocessing.active_children() if each not in others]
        for future in as_completed(pending):
            done(pending[future], future.result())
        pool.shutdown()
    except BrokenProcessPool as error:
        pool.shutdown()  # it terminates the other processes, and waits until all exit codes are known
        raise FsdError(
            f"A worker process {_describe_end(processes)}; there may be too little memory for this many. What is "
            "finished is kept: start again to continue, with fewer --workers."
        ) from error
    finally:
        stop.close()
        pool.shutdown(cancel_futures=True)
        stopped.close()


def _describe_end(processes: Sequence[BaseProcess]) -> str:
    """How the process that broke a pool has ended; the pool has sent SIGTERM to the others."""
    codes = [each.exitcode for each in processes]
    code = next((code for code in codes if code and code != -signal.SIGTERM), None)
    if code is None:
        return "was killed or crashed"
    return f"was ended by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"ended with exit code {code}"


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes and threads that start inside begin with interrupts blocked: none meets a child that is importing."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # now: starting it unblocks both signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _packed(work: Callable[..., None], arguments: tuple[Any, ...]) -> bytes:
    """A call as bytes, which a child unpacks, importing much for it, only once it is sure to end with its parent."""
    return pickle.dumps((work, arguments))


def _work_until_interrupted(packed: bytes) -> None:
    end_with_parent()
    try:
        _take_interrupts(_interrupt_once)
        work, arguments = pickle.loads(packed)
        work(*arguments)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_EXIT_CODE)


def _start_in_pool(stopped: Connection, packed: bytes) -> None:
    end_with_parent()
    threading.Thread(target=_wait_for_stop, args=(stopped,), name="stop", daemon=True).start()
    _take_interrupts(signal.SIG_DFL)
    global _start_error
    try:
        start, arguments = pickle.loads(packed)
        start(*arguments)
    except Exception as error:  # raised here, it would reach the parent without its message
        _start_error = error


def _wait_for_stop(stopped: Connection) -> None:
    """End when the parent closes its end of the pipe."""
    try:
        stopped.recv()
    except EOFError:
        os._exit(1)


def _do(work: Callable[[Job], Result], job: Job) -> Result:
    if _start_error is not None:
        raise _start_error
    return work(job)


def _take_interrupts(terminate: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    # A terminal sends Ctrl-C to parent and children; the parent alone decides what becomes of them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, terminate)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)


def _interrupt_once(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb the end of the run
    raise KeyboardInterrupt
