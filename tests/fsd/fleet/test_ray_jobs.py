import os
import signal
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from fsd.cli import main
from fsd.data.errors import FsdError, SimulatorError
from fsd.data.worker_process import JobsFailedError, jobs_done_by, run_jobs
from fsd.drive.drive import DriveConfig, drive
from fsd.outputs.drive_summary import DriveSummary
from fsd.outputs.summary_file import load_summary

pytest.importorskip("ray", reason="needs the extra `ray`")
import ray

from fsd.fleet import ray_jobs
from fsd.fleet.config import LOCAL
from fsd.fleet.engine import ATTEMPTS, Ended, Needs, Problem
from fsd.fleet.ray_jobs import RayJobs

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # an actor cannot import a test
KILLED = Problem("killed", "the process was killed")


def start(folder: Path) -> None:
    os.environ["MADE_IN"] = str(folder)


def work(job: tuple[str, int]) -> int:
    name, number = job
    made = Path(os.environ["MADE_IN"]) / name
    if name == "kills" or (name == "kills once" and not made.exists()):
        made.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number + 1


@pytest.mark.usefixtures("local_ray")
def test_what_a_killed_worker_did_is_tried_again_and_a_job_that_never_succeeds_is_listed(tmp_path: Path) -> None:
    jobs, done = [("a", 1), ("kills once", 2), ("kills", 3), ("b", 4)], {}
    with jobs_done_by(RayJobs(LOCAL, Needs(1), 2, "job")), pytest.raises(JobsFailedError, match="job kills 3") as error:
        run_jobs(work, jobs, 2, done.__setitem__, start, tmp_path)
    assert done == {("a", 1): 2, ("kills once", 2): 3, ("b", 4): 5}
    assert list(error.value.failures) == ["job kills 3"]


@pytest.mark.usefixtures("local_ray")
def test_drives_on_a_cluster_score_as_drives_here(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    command = ["drive", "--drivers", "expert", "--scenarios", "S1", "--routes", "1", "--out"]
    assert main([*command, str(here), "--workers", "1"]) == 0
    assert main([*command, str(there), "--ray", "--workers", "1"]) == 0
    assert (here / "routes.json").read_bytes() == (there / "routes.json").read_bytes()


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[Ended]:
    """How jobs end, in place of a cluster."""
    ends: list[Ended] = []

    def run(*arguments: Any) -> Iterator[Ended]:
        yield from ends

    monkeypatch.setattr(ray_jobs, "run_on_ray", run)
    monkeypatch.setattr(ray_jobs, "ray_cluster", lambda *arguments: nullcontext())
    return ends


@pytest.mark.parametrize(
    ("problems", "kind"),
    [([Problem("SimulatorError", "no OpenGL", SimulatorError.exit_code)], SimulatorError), ([KILLED] * 3, FsdError)],
)
def test_what_every_job_would_meet_ends_the_run(
    problems: list[Problem], kind: type[FsdError], ends: list[Ended]
) -> None:
    ends += [Ended(job, ATTEMPTS, problem=problem) for job, problem in enumerate(problems)]
    with pytest.raises(kind) as error:
        RayJobs(LOCAL, Needs())(abs, range(9), print, print, ())
    assert not isinstance(error.value, JobsFailedError)


def test_a_summary_lists_the_routes_that_failed(tmp_path: Path, ends: list[Ended]) -> None:
    config = DriveConfig(tmp_path, drivers=("expert",), scenarios=("S1",), routes=1)
    ends.append(Ended(("expert", "S1", 100_000), ATTEMPTS, problem=KILLED))
    with jobs_done_by(RayJobs(LOCAL, Needs(), unit="route")), pytest.raises(JobsFailedError):
        drive(config)
    summary = load_summary(tmp_path / "summary.json", DriveSummary)
    assert (summary.status, summary.failures) == ("failed", {"route expert S1 100000": KILLED.reason})
