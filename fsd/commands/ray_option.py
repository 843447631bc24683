"""`--ray` of commands that drive in the simulator: many drives on a Ray cluster in place of processes here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fsd.data.options import Options
from fsd.data.worker_process import jobs_done_by
from fsd.fleet.config import CLUSTER, ray_option
from fsd.fleet.places import require_extra

DEFAULT_WORKERS = " (default: 2, with --ray as many as fit)"
"""Text of the default of `--workers`."""
_DRIVE_MEMORY_BYTES = 1 << 30
"""Measured: 0.94 GB resident in a process that collects with a network in PyTorch as the driver."""


@dataclass(frozen=True, kw_only=True)
class RayOptions(Options):
    """Where drives are driven."""

    heading = CLUSTER

    ray: str | None = ray_option(
        "drive on the Ray cluster at this address, as many drives at a time as fit; without an address, a Ray is "
        "started on this machine. A drive that fails is tried twice more, and does not end the others"
    )


@contextmanager
def drives_done_by(options: RayOptions, workers: int | None, unit: str) -> Iterator[None]:
    """Inside, drives are done on the cluster of `--ray`, if it was given.

    Args:
        workers: as given on the command line; None is as many as fit.
        unit: what a drive is called in messages.

    Raises:
        UsageError: Ray is not installed.
    """
    if options.ray is None:
        yield
        return
    require_extra()
    from fsd.fleet.engine import Needs
    from fsd.fleet.ray_jobs import RayJobs

    with jobs_done_by(RayJobs(options.ray, Needs(1, _DRIVE_MEMORY_BYTES), workers, unit)):
        yield
