"""Kill runs with SIGKILL at random moments, start them again, and compare with undisturbed runs.

Replay, batch, closed-loop drive, training, collection of training drives and export, with small inputs and networks. A
run is killed up to five times in the same folder and then left to end. Every killed one must have kept every row that
it had written, with the right content; every finished one must equal an undisturbed one (hashes, weights, names of the
files), with nothing repeated; and no process may outlive the one that was killed.

    python benchmarks/kill_anywhere.py [--quick] [--what replay …] [--kills N] [--seed N]

Needs Linux, and what `fsd train` and `fsd export` need.
"""

import argparse
import importlib
import json
import mmap
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _kill_subjects import SUBJECTS, Subject
from _report import finish

KILLS_IN_A_ROW = 5
OUTLIVED_S = 3.0
"""A process of a killed run that is still there after this time has outlived it."""


@dataclass
class Found:
    """What the kills of one kind have shown."""

    kills: int = 0
    rows_lost: int = 0
    outlived: int = 0
    differences: list[str] = field(default_factory=list)


class Fork:
    """A process that calls `work(count)`, where `count` stores a number that its parent can read as `counted`."""

    def __init__(self, work: Callable[[Callable[[int], None]], None], log: Path) -> None:
        self._shared = mmap.mmap(-1, 8)
        self.log = log
        self.id = os.fork()
        if self.id == 0:
            code = 1
            try:
                os.setsid()  # its own group, so that what it starts can be found
                output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(output, 1)
                os.dup2(output, 2)
                work(self._count)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)

    def _count(self, number: int) -> None:
        self._shared[:8] = number.to_bytes(8, "little")

    @property
    def counted(self) -> int:
        """The last number that was stored."""
        return int.from_bytes(self._shared[:8], "little")

    def wait(self, seconds: float) -> bool:
        """Whether it ended within this time; raises if it failed."""
        end_s = time.monotonic() + seconds
        while True:
            ended, status = os.waitpid(self.id, os.WNOHANG)
            if ended and status:
                raise RuntimeError(f"the run failed with status {status}:\n{self.log.read_text()[-3000:]}")
            if ended or time.monotonic() >= end_s:
                return bool(ended)
            time.sleep(0.002)

    def kill(self) -> bool:
        """Kill it, not the processes it started; returns whether one of those outlived it."""
        os.kill(self.id, signal.SIGKILL)
        os.waitpid(self.id, 0)
        end_s = time.monotonic() + OUTLIVED_S
        while time.monotonic() < end_s:
            if not _alive(self.id):
                return False
            time.sleep(0.01)
        print(f"outlived its parent: {_alive(self.id)}", flush=True)
        os.killpg(self.id, signal.SIGKILL)
        return True


def _alive(group: int) -> str:
    """Command of a process of a group that is not a zombie; empty if there is none."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of_group) == group and state != "Z":
            return (stat.parent / "cmdline").read_text().replace("\0", " ") or "unknown"
    return ""


def in_fork(work: Callable[[], Any], folder: Path) -> Any:
    """The result of `work()` in a process of its own, by way of JSON."""
    answer = folder / "answer.json"
    Fork(lambda count: answer.write_text(json.dumps(work())) and None, folder / "log.txt").wait(600)
    return json.loads(answer.read_text())


def kill_all(name: str, subject: Subject, kills: int, rng: random.Random, folder: Path) -> Found:
    """Kill one kind of run."""
    for module in subject.modules:
        importlib.import_module(module)
    found = Found()
    inputs, log = folder / "inputs", folder / "log.txt"
    inputs.mkdir(parents=True)
    in_fork(lambda: subject.prepare(inputs), folder)
    whole: dict[str, Any] = {}
    for number in range(2):  # the first compiles and fills caches
        out = folder / f"whole{number}"
        started_s = time.monotonic()
        Fork(lambda count, out=out: subject.run(inputs, out, count), log).wait(600)  # type: ignore[misc]
        run_s = time.monotonic() - started_s
        before, whole = whole, in_fork(lambda out=out: subject.result(out), folder)  # type: ignore[misc]
    if before != whole:
        found.differences.append(f"{name}: two undisturbed runs differ in {_differing(before, whole)}")
    while found.kills < kills:
        out = folder / f"killed{found.kills}"
        for attempt in range(KILLS_IN_A_ROW + 1):
            run = Fork(lambda count, out=out: subject.run(inputs, out, count), log)  # type: ignore[misc]
            is_last = attempt == KILLS_IN_A_ROW or found.kills == kills
            if run.wait(600 if is_last else rng.uniform(0, run_s)):
                break
            found.outlived += run.kill()
            found.kills += 1
            if out.exists():
                rows, wrong = in_fork(lambda out=out: subject.kept(out, whole), folder)  # type: ignore[misc]
                found.rows_lost += max(0, run.counted - rows)
                found.differences += [f"{name}, kill {found.kills}, kept: {each[:200]}" for each in wrong]
        ended = in_fork(lambda out=out: subject.result(out), folder)  # type: ignore[misc]
        if ended != whole:
            found.differences.append(f"{name}, after kill {found.kills}: {_differing(ended, whole)}")
    print(f"{name:8} {found.kills} kills of a run of {run_s:.1f} s, {found.rows_lost} rows lost, ", end="")
    print(f"{len(found.differences)} differences, {found.outlived} outlived by a process", flush=True)
    for difference in found.differences:
        print(f"  {difference}")
    return found


def _differing(one: dict[str, Any], other: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}: {str(one.get(key))[:300]} != {str(other.get(key))[:300]}"
        for key in other
        if one.get(key) != other[key]
    )


def main() -> None:
    """Kill, compare, and print the metrics."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="2 kills of a replay and a drive each, under a minute")
    parser.add_argument("--what", nargs="+", choices=SUBJECTS, default=None, help="kinds of runs (default: all)")
    parser.add_argument("--kills", type=int, default=None, help="kills of each kind (default: 50, quick: 2)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    arguments = parser.parse_args()
    kills = arguments.kills or (2 if arguments.quick else 50)
    chosen = arguments.what or (["replay", "drive"] if arguments.quick else list(SUBJECTS))
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        found = {name: kill_all(name, SUBJECTS[name], kills, rng, Path(scratch) / name) for name in chosen}
    metrics: dict[str, float] = {
        "kills": sum(each.kills for each in found.values()),
        "rows_lost": sum(each.rows_lost for each in found.values()),
        "differences": sum(len(each.differences) for each in found.values()),
        "outlived": sum(each.outlived for each in found.values()),
    }
    finish("kill_anywhere", metrics, min(each.kills for each in found.values()), f"{', '.join(chosen)}; small runs")


if __name__ == "__main__":
    main()
