"""Do the jobs of `run_jobs` on Ray: three attempts for each, and a list of those that failed."""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from fsd.data.errors import ModelError, OutputError, SimulatorError, UsageError, few
from fsd.data.worker_process import JobsFailedError
from fsd.fleet.clip_units import check_version
from fsd.fleet.engine import ATTEMPTS, Needs, Work, ray_cluster, run_on_ray
from fsd.outputs.progress import print_line
from fsd.version import __version__

_FATAL = {kind.exit_code for kind in (ModelError, SimulatorError, OutputError, UsageError)}
"""Errors that every other job will meet, too."""
_HOPELESS = 3
"""Failures, and no success before them, after which no other job is tried."""


class RayJobs:
    """A `JobEngine`: does jobs on the Ray cluster at an address, one at a time in each of its actors.

    Args:
        address: as `ray_cluster` takes it.
        needs: of an actor; workers: actors, None is as many as fit into the cluster.
        unit: what a job is called in messages, such as `route`.
    """

    def __init__(self, address: str, needs: Needs, workers: int | None = None, unit: str = "job") -> None:
        self._address, self._needs, self._workers, self._unit = address, needs, workers, unit

    def __call__(
        self,
        work: Callable[[Any], Any],
        jobs: Sequence[Any],
        done: Callable[[Any, Any], None],
        start: Callable[..., None],
        arguments: tuple[Any, ...],
    ) -> None:
        """Do the jobs; every failure is printed when it happens.

        Raises:
            JobsFailedError: some jobs failed at every attempt; the others are done.
            FsdError: a job failed for a reason that all others share, or none succeeds.
        """
        failures: dict[str, str] = {}
        successes = 0
        ends = run_on_ray(jobs, _start, (work, start, arguments, __version__), self._needs, self._workers)
        with ray_cluster(self._address, self._needs, self._workers), closing(ends):
            for ended in ends:
                if ended.problem is None:
                    successes += 1
                    done(ended.job, ended.result)
                    continue
                name = self._name(ended.job)
                failures[name] = ended.problem.reason
                print_line(f"failed      {name}, {ended.attempts} attempts: {ended.problem.reason}", is_error=True)
                if ended.problem.exit_code in _FATAL or (successes == 0 and len(failures) >= _HOPELESS):
                    raise ended.problem.as_error()
        if failures:
            first, reason = next(iter(failures.items()))
            raise JobsFailedError(
                f"{len(failures)} of {len(jobs)} failed, at {ATTEMPTS} attempts each: {few(list(failures))}. {first}: "
                f"{reason}. What is finished is kept: start again to do only these.",
                failures,
            )

    def _name(self, job: Any) -> str:
        parts = job if isinstance(job, tuple) else (job,)
        return " ".join([self._unit, *map(str, parts)])


def _start(work: Callable[[Any], Any], start: Callable[..., None], arguments: tuple[Any, ...], version: str) -> Work:
    """Prepare an actor.

    Raises:
        FsdError: the machine has another version of this program.
    """
    check_version(version)
    start(*arguments)
    return lambda job, attempt: work(job)
