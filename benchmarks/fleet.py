"""A replay of many recordings on a local Ray: speed, memory, and what is left after kills at random moments.

Speed: the same short recordings by `fsd replay --ray` and by a bare pool of as many processes, which keep the model
loaded too and write no tables; the two take turns, and which is first changes. Memory: the growth of the program, over
recordings that take no time. Kills: a run is started again and again while a worker, the program itself, or Ray's node
process is killed with SIGKILL at random moments (`--seed`). Together: two programs, one destination.

    overhead_over_workers   throughput on Ray over that of the bare pool, without starting Ray; the goal is 0.95
    overhead_over_workers_with_start        the same with starting Ray once for each run
    ray_start_s             starting a local Ray
    clip_hours_per_core_hour                hours of recordings per hour of CPU time
    driver_memory_mb_per_1000_clips         growth of the program's memory; the goal is at most 20
    driver_cpu_ms_per_clip                  CPU time of the program, in all its threads, for each recording
    lost_after_kill         recordings that were complete after a kill and are not later, or have no rows
    duplicate_results       recordings that were complete after a kill and were replayed again
    half_written            tables or files with other rows than their recording, or that cannot be read
    resume_skips            share of the complete recordings that a run that is started again does not replay
    outlived_kill           processes that outlived their program by 20 s
    together_missing, together_twice        recordings that neither, or both, of two programs have replayed

    python benchmarks/fleet.py [--quick] [--what speed memory kills together] [--clips N] [--kills N] [--jobs N]

Needs Linux and the extra `ray`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
import _fleet_work
from _fleet_kills import kill_often, together
from _fleet_work import replay_in_pool, resident_mb, start_pool, start_tiny
from _kill_subjects import _write_clip
from _report import finish, spread
from ray import cloudpickle

from fsd.data.worker_process import run_jobs
from fsd.fleet import fleet_run
from fsd.fleet.config import LOCAL, FleetOptions
from fsd.fleet.engine import Needs, ray_cluster
from fsd.fleet.replay_fleet import replay_fleet
from fsd.replay.config import ReplayConfig

cloudpickle.register_pickle_by_value(_fleet_work)  # actors cannot import it

WORKERS = 2
FIRST_JOBS = 500
"""Recordings after which memory is first looked at: by then everything is loaded."""
PARTS = ("speed", "memory", "kills", "together")


def template(out: Path) -> ReplayConfig:
    """Tables, summary and report, decoded by one thread so that as many processes as cores are full."""
    return ReplayConfig(clip=out, out=out, overlay=False, mcap=False, decode_workers=1)


def speed(clips: list[Path], folder: Path, repeats: int) -> dict[str, float | None]:
    """Throughput on Ray over that of the bare pool, and hours of recordings per core-hour on Ray."""
    rates: list[float] = []
    starts_s: list[float] = []
    ratios: list[float] = []
    with_start: list[float] = []

    def in_pool(out: Path) -> float:
        start_s = time.monotonic()
        run_jobs(replay_in_pool, clips, WORKERS, lambda job, result: None, start_pool, template(out))
        return time.monotonic() - start_s

    def on_ray(out: Path) -> float:
        start_s = time.monotonic()
        with ray_cluster(LOCAL, Needs(1), WORKERS):
            starts_s.append(time.monotonic() - start_s)
            start_s = time.monotonic()
            options = FleetOptions(ray=LOCAL, clip_cpus=1)
            tally = replay_fleet([str(folder / "clips/*")], str(out), template(out), options, WORKERS)
            elapsed_s = time.monotonic() - start_s
        assert tally.complete == len(clips), f"{tally.complete} of {len(clips)} are complete"
        rates.append(tally.clip_hours_per_core_hour or 0.0)
        return elapsed_s

    both: dict[str, Callable[[Path], float]] = {"pool": in_pool, "ray": on_ray}
    for repeat in range(repeats):
        order = list(both) if repeat % 2 == 0 else list(reversed(both))
        elapsed_s = {name: both[name](folder / f"{name}{repeat}") for name in order}
        pool_s, ray_s = elapsed_s["pool"], elapsed_s["ray"]
        print(
            f"{' then '.join(order)}: bare pool {pool_s:.1f} s, Ray {ray_s:.1f} s after {starts_s[-1]:.1f} s of "
            f"starting it, {len(clips)} recordings",
            flush=True,
        )
        ratios.append(pool_s / ray_s)
        with_start.append(pool_s / (ray_s + starts_s[-1]))
    print(f"throughput on Ray over that of the bare pool: {spread(ratios)}, with starting Ray {spread(with_start)}")
    return {
        "overhead_over_workers": median(ratios),
        "overhead_over_workers_with_start": median(with_start),
        "ray_start_s": median(starts_s),
        "clip_hours_per_core_hour": median(rates),
    }


def program(folder: Path, jobs: int) -> dict[str, float | None]:
    """Memory and CPU time of this process in a run whose recordings take no time; all that it does for each is done."""
    manifest = folder / "tiny.csv"
    manifest.write_text("path\n" + "".join(f"drives/{number:06}\n" for number in range(jobs)))
    first_mb, first_cpu_s, ended = 0.0, 0.0, 0
    count, start = fleet_run._count, fleet_run.start

    def counted(*arguments: object) -> None:
        nonlocal first_mb, first_cpu_s, ended
        count(*arguments)  # type: ignore[arg-type]
        ended += 1
        if ended == FIRST_JOBS:
            first_mb, first_cpu_s = resident_mb(), time.process_time()

    fleet_run._count, fleet_run.start = counted, start_tiny  # type: ignore[assignment]
    try:
        options = FleetOptions(ray=LOCAL, clip_cpus=1)
        tally = replay_fleet([str(manifest)], str(folder / "tiny"), template(folder), options, WORKERS)
    finally:
        fleet_run._count, fleet_run.start = count, start  # type: ignore[assignment]
    last_mb, cpu_s = resident_mb(), time.process_time() - first_cpu_s
    assert tally.kept == jobs, f"{tally.kept} of {jobs} have ended well"
    print(f"memory {first_mb:.1f} MB after {FIRST_JOBS} recordings, {last_mb:.1f} MB after {jobs}", flush=True)
    return {
        "driver_memory_mb_per_1000_clips": (last_mb - first_mb) / (jobs - FIRST_JOBS) * 1000,
        "driver_cpu_ms_per_clip": cpu_s / (jobs - FIRST_JOBS) * 1000,
    }


def main() -> None:
    """Measure and print the metrics."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few recordings and two kills, under a minute")
    parser.add_argument("--what", nargs="+", choices=PARTS, help="parts (default: all, quick: all but together)")
    parser.add_argument("--clips", type=int, help="recordings (default: 64, for kills 10; quick: 6)")
    parser.add_argument("--ticks", type=int, help="ticks of each (default: 72, for kills 24; quick: 12)")
    parser.add_argument("--kills", type=int, help="kills (default: 20, quick: 2)")
    parser.add_argument("--jobs", type=int, help="recordings that take no time (default: 10000, quick: 1500)")
    parser.add_argument("--repeats", type=int, help="comparisons of speed (default: 3, quick: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills (default: 0)")
    arguments = parser.parse_args()
    quick, seed = arguments.quick, arguments.seed
    parts = arguments.what or (PARTS[:-1] if quick else PARTS)
    clips, few = arguments.clips or (6 if quick else 64), arguments.clips or (6 if quick else 10)
    ticks, short = arguments.ticks or (12 if quick else 72), arguments.ticks or (12 if quick else 24)
    kills = arguments.kills or (2 if quick else 20)
    jobs = max(arguments.jobs or (1500 if quick else 10_000), FIRST_JOBS + 1)
    repeats = arguments.repeats or (1 if quick else 3)
    metrics: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory(prefix="fsd-fleet-") as scratch:
        folder = Path(scratch)
        if "speed" in parts:
            made = _clips(folder / "speed", clips, ticks)
            metrics |= speed(made, folder / "speed", repeats)
        if "memory" in parts:
            with ray_cluster(LOCAL, Needs(1), WORKERS):
                metrics |= program(folder, jobs)
        if {"kills", "together"} & set(parts):
            _clips(folder / "kills", few, short)
        if "kills" in parts:
            found = kill_often(folder / "kills", few, kills, WORKERS, seed)
            print(f"kills: {found.kills}; problems: {found.problems or 'none'}")
            metrics |= found.metrics()
        if "together" in parts:
            metrics |= together(folder / "kills", few, 1)
    rounded = {name: None if value is None else round(value, 4) for name, value in metrics.items()}
    what = f"{clips} recordings of {ticks} ticks; {jobs} of no time; {kills} kills, {few} recordings of {short} ticks"
    finish("fleet", rounded, repeats, what, {part: "not asked for" for part in PARTS if part not in parts})


def _clips(folder: Path, count: int, ticks: int) -> list[Path]:
    """Write recordings below `folder/clips`."""
    paths = [folder / "clips" / f"clip{number:03}" for number in range(count)]
    for number, path in enumerate(paths):
        _write_clip(path, ticks, number)
    return paths


if __name__ == "__main__":
    main()
