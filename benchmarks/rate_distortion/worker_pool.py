"""Jobs over processes that each hold one worker, because a renderer and networks are expensive to create."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from fsd.data import worker_process

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
    finished: list[Any] = []

    def finish(job: Any, _: None) -> None:
        finished.append(job)
        if progress is not None:
            progress(len(finished), len(jobs))

    worker_process.run_jobs(_run, jobs, processes, finish, _start, make_worker)


def _start(make_worker: Callable[[], Worker]) -> None:
    global _worker
    _worker = make_worker()


def _run(job: Any) -> None:
    assert _worker is not None
    _worker.drive(job)
