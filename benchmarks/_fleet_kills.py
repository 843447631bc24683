"""Kills of a run on a local Ray at random moments, and what its destination must hold after each."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from _fleet_work import processes_below

from fsd.fleet.destination import is_whole
from fsd.fleet.places import Place
from fsd.fleet.table_schemas import TABLES
from fsd.fleet.units import CLIPS, FAILURES_FILE, RUNS, Unit

VICTIMS = {"worker": "ray::_Worker", "program": "", "node": "raylet/raylet"}
"""What is killed -> part of its command."""
SHARES = {"program": 1, "node": 1, "worker": 3}
"""How often each is killed, for each kill of the others: a killed worker ends no run, so that it costs least."""
OUTLIVED_S = 20.0
"""A process of a killed run that is still there after this time has outlived it."""
ENDS_S, START_S = 120.0, 600.0
"""Time for a program to notice that its node is gone, and for a run to begin."""
_START = "import sys; from fsd.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass
class Found:
    """What the kills have shown; the names are those of the metrics, and `kept` the shares that a restart kept."""

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VICTIMS, 0))
    lost: int = 0
    twice: int = 0
    half_written: int = 0
    outlived: int = 0
    not_ended: int = 0
    left: int = 0
    kept: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, float | None]:
        """By name; None for a share of nothing."""
        return {
            "lost_after_kill": self.lost,
            "duplicate_results": self.twice,
            "half_written": self.half_written,
            "outlived_kill": self.outlived,
            "not_ended_after_kill": self.not_ended,
            "resume_skips": sum(self.kept) / len(self.kept) if self.kept else None,
        }

    def note(self, problem: str) -> None:
        """State a problem at once, and keep it."""
        self.problems.append(problem)
        print(f"  PROBLEM {problem}", flush=True)


class FleetRun:
    """A run in a process of its own: recordings of `folder/clips` into `out`."""

    def __init__(self, folder: Path, out: Path, workers: int, *words: str) -> None:
        options = ["--no-overlay", "--no-mcap", "--no-report", "--decode-workers", "1", "--clip-cpus", "1", "--ray"]
        command = ["replay", f"{folder}/clips/*", "--out", str(out), "--workers", str(workers), *words, *options]
        self.out, self.log = out, folder / "log.txt"
        with self.log.open("ab") as log:
            log.write(f"\n== {' '.join(command)}\n".encode())
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, *command], stdout=subprocess.PIPE, stderr=log, cwd=folder
            )
        self._seen: dict[int, str] = {}

    def processes(self) -> dict[int, str]:
        """Itself and all processes below it: number -> command."""
        found = {self.process.pid: "program"} | processes_below(self.process.pid)
        self._seen |= found
        return found

    def wait_for_work(self) -> bool:
        """Wait until recordings are being replayed; False if the run ended before."""
        end_s = time.monotonic() + START_S
        while self.process.poll() is None and time.monotonic() < end_s:
            if self._find("worker") and any((self.out / "claims").glob("*")):
                return True
            time.sleep(0.2)
        return False

    def kill(self, victim: str, rng: random.Random) -> bool:
        """Kill one process; False if there is none."""
        found = self._find(victim)
        if not found or self.process.poll() is not None:
            return False
        os.kill(rng.choice(found), signal.SIGKILL)
        return True

    def end(self, seconds: float) -> bool:
        """Wait until it has ended; whether it did by itself."""
        try:
            self.process.communicate(timeout=seconds)
            return True
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return False

    def outlived(self) -> list[str]:
        """Processes of it that are still there some time after its end."""
        end_s = time.monotonic() + OUTLIVED_S
        while (left := [text for number, text in self._seen.items() if _runs(number, text)]) and (
            time.monotonic() < end_s
        ):
            time.sleep(0.2)
        return left

    def _find(self, victim: str) -> list[int]:
        if victim == "program":
            return [self.process.pid]
        return sorted(number for number, command in self.processes().items() if VICTIMS[victim] in command)


def kill_often(folder: Path, clips: int, kills: int, workers: int, seed: int) -> Found:
    """Start runs until all kills are done and the last run has ended by itself.

    A run goes on after a worker is killed; after the program or its node it is started again with the same destination;
    when all recordings are complete, the next destination is begun.
    """
    found, rng = Found(), random.Random(seed)
    names = [name for name, share in SHARES.items() for _ in range(share)]
    victims = [names[number % len(names)] for number in range(kills)]
    rng.shuffle(victims)
    number, complete = 0, {}
    while True:
        out = folder / f"killed{number}"
        run = FleetRun(folder, out, workers)
        rest = _kill_one_run(run, victims, clips, found, rng)
        _check_end(run, found)
        now = check(out, found)
        _compare(complete, now, found)
        complete = now
        print(f"{len(now)} of {clips} complete, {len(rest)} kills to come", flush=True)
        victims = rest
        if len(now) == clips:
            _check_finished(out, clips, found)
            if not victims:
                return found
            number, complete = number + 1, {}


def _kill_one_run(run: FleetRun, victims: list[str], clips: int, found: Found, rng: random.Random) -> list[str]:
    """Kill parts of a run until it ends; returns the kills that are still to be done."""
    rest = list(victims)
    while run.wait_for_work() and rest:
        victim = rest[0]
        end_s = time.monotonic() + rng.uniform(0, 3 * _pace_s(run.out))
        while run.process.poll() is None and time.monotonic() < end_s:
            time.sleep(0.02)
        before = len(list(run.out.glob(f"{CLIPS}/*/unit.json")))
        if not run.kill(victim, rng):
            break
        rest.pop(0)
        found.kills[victim] += 1
        print(f"killed a {victim} with {before} of {clips} complete", flush=True)
        if victim != "worker":
            break
        time.sleep(0.5)  # until Ray has missed it
    is_killed = len(rest) < len(victims) and victims[len(victims) - len(rest) - 1] != "worker"
    start_s = time.monotonic()
    if not run.end(ENDS_S if is_killed else 2 * START_S):
        found.not_ended += 1
        found.note(f"the program did not end by itself after {time.monotonic() - start_s:.0f} s")
    elif is_killed:
        print(f"  it ended after {time.monotonic() - start_s:.1f} s with {run.process.returncode}", flush=True)
    elif run.process.returncode != 0:
        found.note(f"a run that was not stopped ended with {run.process.returncode}")
    return rest


def _check_end(run: FleetRun, found: Found) -> None:
    left = run.outlived()
    found.outlived += len(left)
    if left:
        found.note(f"still there {OUTLIVED_S:.0f} s later: {[text[:60] for text in left]}")


def check(out: Path, found: Found) -> dict[str, bytes]:
    """Check every table file and every complete recording; returns key -> `unit.json` of those."""
    place = Place.of(out)
    units: dict[str, Unit] = {}
    contents: dict[str, bytes] = {}
    for path in sorted(out.glob(f"{CLIPS}/*/unit.json")):
        unit = is_whole(place, path.parent.name)
        if unit is None:
            found.half_written += 1
            found.note(f"{path.parent.name} has a unit.json and lacks files")
            continue
        units[unit.key], contents[unit.key] = unit, path.read_bytes()
        for name in unit.files:
            if name.endswith(".parquet") and _rows(path.parent / name) is None:
                found.half_written += 1
                found.note(f"{path.parent.name}/{name} cannot be read")
    for table in TABLES:
        rows = {path.stem: _rows(path) for path in out.glob(f"tables/{table}/*/*.parquet")}
        for key, count in rows.items():
            wanted = {"clips": 1, "worst_ticks": count}.get(table, units[key].ticks if key in units else count)
            if count is None or count != wanted:
                found.half_written += 1
                found.note(f"table {table}: {key} has {count} rows, not {wanted}")
        for key in units.keys() - rows.keys():
            found.lost += 1
            found.note(f"table {table}: {key} is complete and has no rows")
    return contents


def _compare(before: dict[str, bytes], now: dict[str, bytes], found: Found) -> None:
    """What was complete before a run must be there after it, unchanged."""
    lost, changed = before.keys() - now.keys(), {key for key in before.keys() & now if before[key] != now[key]}
    found.lost += len(lost)
    found.twice += len(changed)
    for key in lost:
        found.note(f"{key} was complete and is not any more")
    for key in changed:
        found.note(f"{key} was complete and was replayed again")
    if before:
        found.kept.append(1 - len(lost | changed) / len(before))


def _check_finished(out: Path, clips: int, found: Found) -> None:
    """Nothing is left of a run that has ended well but its results."""
    for table in ("clips", "ticks", "plans"):
        files = len(list(out.glob(f"tables/{table}/*/*.parquet")))
        if files != clips:
            found.half_written += 1
            found.note(f"table {table} has {files} recordings of {clips}")
    left = [
        *out.glob("claims/*"),
        *out.glob(".fsd-scratch"),
        *out.rglob("*.part"),
        *(path for path in out.glob(f"{RUNS}/*/{FAILURES_FILE}") if _rows(path) != 0),  # empty: none has failed
    ]
    found.left += len(left)
    for path in left:
        found.note(f"left: {path.relative_to(out)}")


def together(folder: Path, clips: int, workers: int) -> dict[str, float]:
    """Two programs, each with a Ray of its own, replay the same recordings into one destination at the same time."""
    out, found = folder / "together", Found()
    runs = [FleetRun(folder, out, workers, "--json") for _ in range(2)]
    tallies: list[dict[str, Any]] = []
    for run in runs:
        content, _ = run.process.communicate(timeout=2 * START_S)
        tallies.append(json.loads(content.decode().strip().splitlines()[-1]))
    print(f"two programs: {[(each['complete'], each['kept'], each['failed']) for each in tallies]} (now, kept, failed)")
    units = check(out, found)
    _check_finished(out, clips, found)
    replayed = sum(each["complete"] for each in tallies)
    return {
        "together_missing": clips - len(units),
        "together_twice": replayed - len(units),
        "together_problems": len(found.problems),
    }


def _rows(path: Path) -> int | None:
    """Rows of a Parquet file, all of them read; None if it is damaged."""
    try:
        return int(pq.ParquetFile(path).read().num_rows)
    except (OSError, pa.ArrowException):
        return None


def _pace_s(out: Path) -> float:
    """Elapsed time of a recording, as far as it is known."""
    seconds: Sequence[float] = [json.loads(path.read_bytes())["wall_s"] for path in out.glob(f"{CLIPS}/*/unit.json")]
    return median(seconds) if seconds else 1.0


def _runs(number: int, command: str) -> bool:
    """Whether a process is still there; not if it has ended and nobody has asked how, or its number is another's."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        now = Path(f"/proc/{number}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return False
    return state not in "ZX" and (now == command or command.startswith("ray::") == now.startswith("ray::"))
