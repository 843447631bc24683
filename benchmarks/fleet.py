"""A replay of many recordings on a local Ray: speed, memory, and what is left after kills at random moments.

Speed: the same short recordings by `fsd replay --ray` and by a bare pool of as many processes, which keep the model
loaded too, alternately; starting Ray is not counted. Memory: the growth of the process that hands out jobs, over jobs
that take no time. Kills: a run is started again and again while a worker, the program itself, or Ray's node process is
killed with SIGKILL, in turn, at random moments; what was complete after a kill must be there at the end and unchanged.

    overhead_over_workers   wall time on Ray over that of the bare pool; the goal is at most 1.05
    lost_after_kill         recordings that were complete after a kill and are not at the end
    duplicate_results       recordings that were complete after a kill and were replayed again
    resume_skips            share of the complete recordings that a run that is started again does not replay
    clip_hours_per_core_hour                hours of recordings per hour of CPU time
    driver_memory_mb_per_1000_clips         growth of the program's memory

    python benchmarks/fleet.py [--quick] [--clips N] [--kills N] [--jobs N] [--what speed memory kills]

Needs Linux and the extra `ray`.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
import _fleet_work
from _fleet_work import processes_below, replay_in_pool, resident_mb, start_pool, start_tiny
from _kill_subjects import _write_clip
from _report import finish
from ray import cloudpickle

from fsd.data.worker_process import run_jobs
from fsd.fleet.config import LOCAL, FleetOptions
from fsd.fleet.engine import Needs, ray_cluster, run_on_ray
from fsd.fleet.replay_fleet import replay_fleet
from fsd.replay.config import ReplayConfig

cloudpickle.register_pickle_by_value(_fleet_work)  # actors cannot import it

WORKERS = 2
FIRST_JOBS = 500
"""Jobs after which memory is first looked at: by then everything is loaded."""
VICTIMS = {"worker": "ray::_Worker", "program": "", "node": "raylet/raylet"}
"""What is killed -> part of its command."""
START = "import sys; from fsd.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass
class Kills:
    """What the kills have shown."""

    kills: int = 0
    lost: int = 0
    twice: int = 0
    kept: list[float] = field(default_factory=list)


def template(out: Path) -> ReplayConfig:
    """Tables, summary and report, decoded by one thread so that as many processes as cores are full."""
    return ReplayConfig(clip=out, out=out, overlay=False, mcap=False, decode_workers=1)


def speed(clips: list[Path], folder: Path, repeats: int) -> tuple[float, float]:
    """Wall time on Ray over that of the bare pool, and hours of recordings per core-hour on Ray."""
    ratios, rates = [], []
    options = FleetOptions(ray=LOCAL, clip_cpus=1)
    for repeat in range(repeats):
        out = folder / f"pool{repeat}"
        start_s = time.monotonic()
        run_jobs(replay_in_pool, clips, WORKERS, lambda job, result: None, start_pool, template(out))
        pool_s = time.monotonic() - start_s
        start_s = time.monotonic()
        tally = replay_fleet(
            [str(folder / "clips/*")], str(folder / f"ray{repeat}"), template(folder), options, WORKERS
        )
        ray_s = time.monotonic() - start_s
        assert tally.complete == len(clips)
        print(f"bare pool {pool_s:.1f} s, Ray {ray_s:.1f} s for {len(clips)} recordings", flush=True)
        ratios.append(ray_s / pool_s)
        rates.append(tally.clip_hours_per_core_hour or 0.0)
    return median(ratios), median(rates)


def memory_mb_per_1000(jobs: int) -> float:
    """Growth of this process over jobs that take no time."""
    first_mb = 0.0
    for number, _ in enumerate(run_on_ray(iter(range(jobs)), start_tiny, (), Needs(1), WORKERS)):
        if number == FIRST_JOBS:
            first_mb = resident_mb()
    last_mb = resident_mb()
    print(f"memory {first_mb:.1f} MB after {FIRST_JOBS} jobs, {last_mb:.1f} MB after {jobs}", flush=True)
    return (last_mb - first_mb) / (jobs - FIRST_JOBS) * 1000


def kill_often(folder: Path, clips: int, kills: int, rng: random.Random) -> Kills:
    """Start a run until it ends by itself, killing something of each."""
    found, round_number = Kills(), 0
    while found.kills < kills:
        out = folder / f"killed{round_number}"
        round_number += 1
        complete: dict[str, bytes] = {}
        while len(complete) < clips:
            process = _start(folder, out)
            victim = list(VICTIMS)[found.kills % len(VICTIMS)]
            before = len(complete)
            is_killed = found.kills < kills and _kill(process, victim, rng.uniform(0, 20), out, before)
            if is_killed and victim != "worker":
                process.kill()  # what is left of it, once its node is gone
            process.wait(600)
            found.kills += is_killed
            now = _units(out)
            found.lost += len(complete.keys() - now.keys())
            found.twice += sum(now.get(key) not in (None, content) for key, content in complete.items())
            if before:
                unchanged = sum(now.get(key) == content for key, content in complete.items())
                found.kept.append(unchanged / before)
            complete = now
            print(f"{victim} {'killed' if is_killed else 'not killed'}: {len(now)} of {clips} complete", flush=True)
    return found


def _start(folder: Path, out: Path) -> "subprocess.Popen[bytes]":
    options = ["--no-overlay", "--no-mcap", "--decode-workers", "1", "--clip-cpus", "1", "--ray"]
    words = ["replay", f"{folder}/clips/*", "--out", str(out), "--workers", str(WORKERS), *options]
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen([sys.executable, "-P", "-c", START, *words], stdout=log, stderr=log, cwd=folder)


def _kill(process: "subprocess.Popen[bytes]", victim: str, delay_s: float, out: Path, complete: int) -> bool:
    """Kill a part of a run some time after it began to replay; False if the run ended before."""
    while process.poll() is None:
        below = processes_below(process.pid)
        workers = [number for number, command in below.items() if VICTIMS["worker"] in command]
        if workers and (out / "claims").exists() and any((out / "claims").iterdir()):
            break
        time.sleep(0.2)
    end_s = time.monotonic() + delay_s
    while process.poll() is None and time.monotonic() < end_s:
        time.sleep(0.05)
    if process.poll() is not None:
        return False
    below = {process.pid: "program"} if victim == "program" else processes_below(process.pid)
    numbers = [number for number, command in below.items() if VICTIMS[victim] in command]
    for number in numbers[:1]:
        os.kill(number, signal.SIGKILL)
    return bool(numbers)


def _units(out: Path) -> dict[str, bytes]:
    """Key -> `unit.json` of what is complete."""
    return {path.parent.name: path.read_bytes() for path in out.glob("clips/*/unit.json")}


def main() -> None:
    """Measure and print the metrics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few recordings and two kills, under a minute")
    parser.add_argument("--clips", type=int, default=None, help="recordings (default: 64, quick: 6)")
    parser.add_argument("--ticks", type=int, default=None, help="ticks of each (default: 72, quick: 12)")
    parser.add_argument("--kills", type=int, default=None, help="kills (default: 20, quick: 2)")
    parser.add_argument("--jobs", type=int, default=None, help="jobs that take no time (default: 10000, quick: 1500)")
    parser.add_argument("--repeats", type=int, default=None, help="measurements of speed (default: 3, quick: 1)")
    parser.add_argument("--what", nargs="+", choices=("speed", "memory", "kills"), default=("speed", "memory", "kills"))
    arguments = parser.parse_args()
    quick = arguments.quick
    clips = arguments.clips or (6 if quick else 64)
    ticks = arguments.ticks or (12 if quick else 72)
    kills = arguments.kills or (2 if quick else 20)
    jobs = arguments.jobs or (1500 if quick else 10_000)
    repeats = arguments.repeats or (1 if quick else 3)
    metrics: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for number in range(clips):
            _write_clip(folder / "clips" / f"clip{number:03}", ticks, number)
        if {"speed", "memory"} & set(arguments.what):
            with ray_cluster(LOCAL, Needs(1), WORKERS):
                if "memory" in arguments.what:
                    metrics["driver_memory_mb_per_1000_clips"] = memory_mb_per_1000(jobs)
                if "speed" in arguments.what:
                    ratio, rate = speed(sorted((folder / "clips").iterdir()), folder, repeats)
                    metrics |= {"overhead_over_workers": ratio, "clip_hours_per_core_hour": rate}
        if "kills" in arguments.what:
            found = kill_often(folder, clips, kills, random.Random(0))
            metrics |= {"lost_after_kill": found.lost, "duplicate_results": found.twice}
            metrics["resume_skips"] = sum(found.kept) / len(found.kept) if found.kept else None
    rounded = {name: None if value is None else round(value, 4) for name, value in metrics.items()}
    finish("fleet", rounded, repeats, f"{clips} recordings of {ticks} ticks, {kills} kills, {jobs} jobs of no time")


if __name__ == "__main__":
    main()
