"""Jobs over processes that each hold one worker, because a renderer and networks are expensive to create."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, Protocol

ProgressCallback = Callable[[int, int], None]
"""Takes the number of finished jobs and the number of all."""


class Worker(Protocol):
    """Runs jobs, one after the other, and writes their results to files."""

    def drive(self, job: Any) -> None:
        """Run one job."""


_worker: Worker | None = None


def run_jobs(
    make_worker: Callable[[], Worker], jobs: Sequence[Any], processes: int, progress: ProgressCallback | None
) -> None:
    """Run every job in one of the processes; the first error of a job ends the run."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start, (make_worker,)) as pool:
        pending = [pool.submit(_run, job) for job in jobs]
        for done, future in enumerate(as_completed(pending), start=1):
            future.result()
            if progress is not None:
                progress(done, len(jobs))


def _start(make_worker: Callable[[], Worker]) -> None:
    global _worker
    _worker = make_worker()


def _run(job: Any) -> None:
    assert _worker is not None
    _worker.drive(job)
