import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fsd.data.errors import ClipError, FsdError, ModelError, UsageError

pytest.importorskip("ray", reason="needs the extra `ray`")
import ray

from fsd.fleet import engine
from fsd.fleet.config import LOCAL
from fsd.fleet.engine import ATTEMPTS, Ended, Needs, Postponed, _Pool, ray_cluster, run_on_ray

ONE_CORE = Needs(1)
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # an actor cannot import a test


def start(folder: Path) -> Callable[[Any, int], Any]:
    """Jobs that are named after what becomes of them."""

    def work(job: str, attempt: int) -> Any:
        if job == "kills once" and attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if job == "waits":
            return Postponed("waited", 0.1)
        if job == "is bad":
            raise ClipError("no videos")
        return f"{job} {attempt}"

    return work


def fail_to_start() -> Callable[[Any, int], Any]:
    raise ModelError("no model")


def ends_of(jobs: list[str], folder: Path) -> dict[str, Ended]:
    return {ended.job: ended for ended in run_on_ray(jobs, start, (folder,), ONE_CORE, workers=2)}


@pytest.mark.usefixtures("local_ray")
def test_a_job_is_tried_three_times_and_every_other_one_is_done(tmp_path: Path) -> None:
    ends = ends_of(["a", "kills once", "is bad", "waits", "b"], tmp_path)
    assert {job: ended.result for job, ended in ends.items() if ended.problem is None} == {
        "a": "a 1",
        "kills once": "kills once 2",
        "waited": "waited 1",
        "b": "b 1",
    }
    bad = ends["is bad"]
    assert (bad.attempts, bad.problem and bad.problem.kind) == (ATTEMPTS, "ClipError")


@pytest.mark.usefixtures("local_ray")
def test_jobs_are_taken_as_actors_become_free(tmp_path: Path) -> None:
    taken = 0

    def jobs() -> Iterator[str]:
        nonlocal taken
        for number in range(50):
            taken += 1
            yield str(number)

    ends = run_on_ray(jobs(), start, (tmp_path,), ONE_CORE, workers=1)
    next(ends)
    assert taken <= 3
    ends.close()


@pytest.mark.usefixtures("local_ray")
def test_what_cannot_start_ends_the_run_with_its_error() -> None:
    with pytest.raises(ModelError, match="no model"):
        next(run_on_ray(["a"], fail_to_start, (), ONE_CORE, workers=1))
    with pytest.raises(UsageError, match="large enough"):
        next(run_on_ray(["a"], start, (), Needs(1, gpus=64), workers=1))


@pytest.mark.parametrize(
    ("needs", "count"), [(Needs(2), 2), (Needs(1, 8 << 30), 1), (Needs(1, gpus=0.25), 4), (Needs(1, gpus=1), 1)]
)
def test_as_many_actors_as_fit_into_a_machine(needs: Needs, count: int) -> None:
    assert needs.fit_into({"CPU": 4.0, "memory": 15.0 * (1 << 30), "GPU": 1.0}) == count


@pytest.mark.parametrize(("has_started", "error"), [(False, UsageError), (True, FsdError)])
def test_a_cluster_whose_machines_are_gone_is_not_called_too_small(
    has_started: bool, error: type[FsdError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": False, "Resources": {}}])
    pool = _Pool(iter(()), start, (), ONE_CORE, workers=1, _has_started=has_started)
    with pytest.raises(FsdError) as raised:
        pool._top_up()
    assert type(raised.value) is error


def test_a_ray_that_does_not_start_leaves_no_process_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[subprocess.Popen[bytes]] = []

    def init(address: str, _temp_dir: str, **settings: Any) -> None:
        left.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", _temp_dir]))
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(engine, "_START_S", 0.0)
    with pytest.raises(FsdError, match="--workers"), ray_cluster(LOCAL, Needs(1), 1):
        pass
    assert [process.wait(60) is not None for process in left] == [True]
