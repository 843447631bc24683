"""What a camera fault costs: every fault x three cameras x several moments, driven in closed loop and replayed.

A simulated drive comes to a moment (a pedestrian steps out, a turn, cross traffic, a lane change); there one camera
becomes faulty and stays so to the end of the route. The table says whether the fault was named, after how many ticks,
whether the camera was masked, and what it cost in driving score and plan error, with and without masking, against the
same route without fault. Ticks are 1/36 s. The placebo shows how far two drives differ by chance. An interrupted run
goes on where it stopped.

    python benchmarks/faults.py --recordings DIR      # 17 faults x 3 cameras x 4 moments; about an hour on two cores
    python benchmarks/faults.py --quick               # under a minute; too few drives to mean anything
    python benchmarks/faults.py --fuzz 600 --kills 50    # the fuzz and `kill_anywhere.py` as well
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _fault_drives import CLEAN, PLACEBO, Case, DriveSettings, Outcome
from _fault_jobs import CleanDrive, CleanRecording, ClipJob, Job, JobJournal, settings_digest, start_worker, work
from _fault_moments import EVENTS, SECOND, Moment, moments
from _fault_table import Result, Results, camera_table, false_alarm_lines, fault_table, figures, goal_lines
from _report import finish

from fsd.data.open_clip import recordings_in
from fsd.data.simulator.camera_faults import KINDS
from fsd.data.simulator.scenarios import SCORED_SCENARIOS
from fsd.data.simulator.seeds import EVALUATION_SEEDS
from fsd.data.worker_process import run_jobs

CAMERAS = ("front_main", "left_pillar", "rear")
ROUTE_MINUTES = 0.45
"""Length of a route, about: decides how many clean drives make `--clean-minutes`."""

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run the cases that are missing, print the tables and the figures."""
    options = parse(sys.argv[1:])
    settings = DriveSettings(
        model=options.model,
        draw_every_ticks=options.draw_every,
        longest_ticks=2 * SECOND if options.quick else None,
        replay_ticks=(2 if options.quick else 6) * SECOND,
        clips=options.out,
    )
    digest = settings_digest(settings)
    settings = replace(settings, clips=options.out / f"clips-{digest}")  # other code draws other pictures
    places = [moment for name in options.moments for moment in moments(name, options.routes)]
    journal = JobJournal(options.out / "cases.jsonl", digest)
    failures = Failures()
    clips = [ClipJob(moment) for moment in places] if "replay" in options.how else []
    _run("clips", clips, settings, options.workers, journal, failures)
    cases, clean = _cases(options, places), _clean_jobs(options)
    _run("cases", [*cases, *clean], settings, options.workers, journal, failures)
    results = Results(_result(case, journal.done[case.key]) for case in cases if case.key in journal.done)
    _print_tables(results, places)
    found = figures(results)
    alarms = _clean_alarms(clean, journal)
    found["false_alarms"] = (found["false_alarms"] or 0) + alarms
    found |= {"hangs": failures.hangs, "tracebacks": failures.tracebacks}
    not_measured = _other_programs(options, found)
    print()
    for name, value in found.items():
        text = f"not measured: {not_measured[name]}" if name in not_measured else _format(value)
        print(f"{name:34} {text}")
    measured_on = (
        f"simulated, {len(places)} moments of held-out routes, images at {SECOND / options.draw_every:g} Hz, "
        f"{sum(each.masked.ticks for each in results.faulty)} ticks with masking"
    )
    finish("faults", found, len(places), measured_on, not_measured)


@dataclass
class Failures:
    """Jobs that ended in an error, and those that took too long."""

    tracebacks: int = 0
    hangs: int = 0

    def add(self, job: Job, result: dict[str, Any]) -> None:
        self.hangs += result["hang"]
        self.tracebacks += not result["hang"]
        print(f"{job.key}\n{result['error']}", file=sys.stderr)


def _run(
    name: str, jobs: Sequence[Job], settings: DriveSettings, workers: int, journal: JobJournal, failures: Failures
) -> None:
    """Do the jobs that the journal does not hold."""
    missing = [job for job in jobs if job.key not in journal.done or isinstance(job, ClipJob)]
    with tqdm(desc=name, total=len(missing), unit="job", disable=None, file=sys.stderr) as bar:

        def done(job: Job, result: dict[str, Any]) -> None:
            bar.update()
            if "error" in result:
                failures.add(job, result)
            elif not isinstance(job, ClipJob):
                journal.append(job, result)

        run_jobs(work, missing, workers, done, start_worker, settings)


def _cases(options: argparse.Namespace, places: Sequence[Moment]) -> list[Case]:
    """All cases, moment by moment, so that an interrupted run can be compared."""
    pairs = [
        (CLEAN, options.cameras[0]),
        *((PLACEBO, camera) for camera in options.cameras if not options.quick),
        *((fault, camera) for fault in options.faults for camera in options.cameras),
    ]
    return [Case(how, *pair, moment) for moment in places for how in options.how for pair in pairs]


def _clean_jobs(options: argparse.Namespace) -> list[Job]:
    drives: list[Job] = [
        CleanDrive(SCORED_SCENARIOS[index % len(SCORED_SCENARIOS)], EVALUATION_SEEDS.start + index)
        for index in range(round(options.clean_minutes / ROUTE_MINUTES))
    ]
    recordings = recordings_in([options.recordings]) if options.recordings else []
    return [*(CleanRecording(path) for path in recordings), *drives]


def _result(case: Case, row: dict[str, Any]) -> Result:
    return Result(case, Outcome(**row["masked"]), Outcome(**row["unmasked"]))


def _print_tables(results: Results, places: Sequence[Moment]) -> None:
    print("moment".ljust(16) + "route".ljust(12) + "at tick".rjust(8) + "fault-free score".rjust(18) + "ADE m".rjust(8))
    for moment in places:
        drive, replayed = results.clean.get(("drive", moment)), results.clean.get(("replay", moment))
        line = moment.name.ljust(16) + f"{moment.scenario} {moment.seed}".ljust(12) + str(moment.tick).rjust(8)
        line += _format(drive.masked.score if drive else None).rjust(18)
        line += _format(replayed.masked.ade_m if replayed else None).rjust(8)
        print(f"{line}  {drive.masked.finish if drive else ''}")
    print(f"\n{fault_table(results)}\n\n{camera_table(results)}\n")
    lines = goal_lines(results)
    print("\n".join(lines) if len(places) > 1 else "one moment: too few drives to say whether a goal is met")
    alarms = false_alarm_lines(results)
    print(f"\nnames of healthy cameras: {len(alarms)}")
    for line in alarms:
        print(f"  {line}")
    everything = [*results.clean.values(), *results.placebo, *results.faulty]
    for how in ("drive", "replay"):
        own = [outcome for each in everything if each.case.how == how for outcome in (each.masked, each.unmasked)]
        ticks = sum(outcome.ticks for outcome in own)
        if ticks:
            print(
                f"one tick of a {how}: {1000 * sum(outcome.seconds for outcome in own) / ticks:.1f} ms, {ticks} ticks"
            )


def _clean_alarms(jobs: Sequence[Job], journal: JobJournal) -> int:
    """Print the false alarms of clean drives and recordings; returns how many."""
    done = [(job, journal.done[job.key]) for job in jobs if job.key in journal.done]
    ticks = sum(result["ticks"] for _, result in done)
    total = sum(result["count"] for _, result in done)
    print(f"\nfalse alarms in {len(done)} clean drives and recordings ({ticks} ticks): {total}")
    for job, result in done:
        if result["alarms"]:
            print(
                f"  {job.key}: {result['count']}, first "
                + ", ".join(f"{k} at {v}" for k, v in result["alarms"].items())
            )
    return total


def _other_programs(options: argparse.Namespace, found: dict[str, float | None]) -> dict[str, str]:
    """Add the figures of the fuzz and of `kill_anywhere.py`; returns why those that are missing are."""
    fuzz = ["-m", "tests.fuzz.run", "--seconds", str(options.fuzz), "--out", str(options.out.absolute() / "fuzz")]
    kill = [str(ROOT / "benchmarks" / "kill_anywhere.py"), "--kills", str(options.kills)]
    not_measured = {}
    for names, option, value, command in (
        (("fuzzed", "silent_wrong"), "--fuzz", options.fuzz, fuzz),
        (("kills", "rows_lost"), "--kills", options.kills, kill),
    ):
        line, reason = last_line(command) if value else ({}, f"{option} was not given")
        for name in names:
            found[name] = line.get(name)
            if found[name] is None:
                not_measured[name] = reason
        for name in ("hangs", "tracebacks"):
            found[name] = (found[name] or 0) + line.get(name, 0)
    return not_measured


def last_line(command: Sequence[str]) -> tuple[dict[str, float], str]:
    """The figures in the last line of another Python program, and why one that is not there is missing."""
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    try:
        line = json.loads(ran.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return {}, f"it printed no figures and ended with exit code {ran.returncode}"
    return line.get("figures", line), "not among its figures"


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the command line; `--quick` sets most of them."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", nargs="+", choices=KINDS, default=KINDS, metavar="FAULT", help=", ".join(KINDS))
    parser.add_argument("--cameras", nargs="+", default=CAMERAS, metavar="CAMERA", help="(default: %(default)s)")
    parser.add_argument("--moments", nargs="+", choices=tuple(EVENTS), default=tuple(EVENTS), metavar="MOMENT")
    parser.add_argument("--routes", type=int, default=1, help="routes per moment (default: %(default)s)")
    parser.add_argument("--how", nargs="+", choices=("drive", "replay"), default=("drive", "replay"))
    parser.add_argument("--model", type=Path, default=None, help="ONNX file (default: the packaged one)")
    parser.add_argument("--draw-every", type=int, default=1, metavar="N", help="draw cameras every N ticks")
    parser.add_argument("--recordings", type=Path, default=None, metavar="DIR", help="recordings without known faults")
    parser.add_argument(
        "--clean-minutes", type=float, default=10.0, help="of fault-free drives of the expert (default: %(default)s)"
    )
    parser.add_argument("--fuzz", type=float, default=0, metavar="SECONDS", help="run the fuzz for this long as well")
    parser.add_argument("--kills", type=int, default=0, metavar="COUNT", help="run kill_anywhere.py as well")
    parser.add_argument("--quick", action="store_true", help="two faults, two cameras, one moment, 2 s each")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/faults"), help="folder for what is finished (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.faults, options.cameras = ("frozen", "noise"), ("front_main", "rear")
        options.moments, options.routes, options.draw_every, options.clean_minutes = ("cross_traffic",), 1, 2, 0.0
    return options


if __name__ == "__main__":
    main()
