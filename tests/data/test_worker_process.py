import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsd.data.errors import FsdError
from fsd.data.worker_process import jobs_done_by, run_jobs

PARENT = """
import os, sys, time
import fsd.data.worker_process as workers

if "without-prctl" in sys.argv:
    workers._PR_SET_PDEATHSIG = 0

def wait(number):
    say(number)
    time.sleep(600)

def say(word):
    os.write(1, f"{word}\\n".encode())  # one write, so that lines of several processes do not mix

if __name__ == "__main__":
    workers.start_worker(wait, 1)
    workers.run_jobs(wait, [2, 3], 2, print, say, "started")
"""


@pytest.mark.parametrize("how", ["with-prctl", "without-prctl"])
def test_no_worker_outlives_a_parent_that_is_killed(how: str, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script), how], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    begun = sorted(parent.stdout.readline().strip() for _ in range(5))
    assert begun == ["1", "2", "3", "started", "started"]
    parent.send_signal(signal.SIGKILL)
    parent.communicate(timeout=60)  # ends when the last process that could write to the pipe has ended


def run(work: object, job: object, *start: object) -> list[object]:
    results: list[object] = []
    run_jobs(work, [job], 1, lambda job, result: results.append((job, result)), *start)  # type: ignore[arg-type]
    return results


def test_a_job_is_done_in_a_process_of_its_own() -> None:
    assert run(abs, -3, time.sleep, 0) == [(-3, 3)]


@pytest.mark.parametrize("work_and_start", [(int, "x", abs, 0), (abs, 1, int, "x")])
def test_an_error_of_a_job_or_of_the_start_is_raised_as_it_is(work_and_start: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="'x'"):
        run(*work_and_start)


@pytest.mark.parametrize(("end", "how"), [(os._exit, "exit code 9"), (signal.raise_signal, "signal 9")])
def test_a_process_that_ends_is_an_error_that_says_how_and_what_to_do(end: object, how: str) -> None:
    with pytest.raises(FsdError, match=rf"{how}.*--workers"):
        run(end, 9, abs, 0)


def test_an_engine_does_the_jobs_in_place_of_processes() -> None:
    def engine(work: Callable[[Any], Any], jobs: Any, done: Any, start: Any, arguments: tuple[Any, ...]) -> None:
        start(*arguments)
        for job in jobs:
            done(job, work(job))

    log: list[str] = []
    with jobs_done_by(engine):
        assert run(lambda job: len(log) + job, 2, log.append, "started") == [(2, 3)]
    assert log == ["started"]
    assert run(abs, -3, abs, 0) == [(-3, 3)]


def test_an_interruption_ends_the_jobs_in_progress() -> None:
    def interrupt(job: float, result: None) -> None:
        raise KeyboardInterrupt

    started_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(time.sleep, [0.0, 600.0, 600.0], 2, interrupt, abs, 0)
    assert time.monotonic() - started_s < 300
