"""What a driver must be able to do: the simulator's expert with one ability taken away at a time, on the same routes.

No pictures: 36 Hz physics and the driving law. Four tables:

    ablations    driving score per scenario; paired difference from the expert with its 95% interval
    experts      `seen`, the expert restricted to what cameras show, beside `full`, and its parts alone
    cost         processor time per tick
    labels       change of acceleration in S7 when walkers are 0.2 s late

A limit on a class is driven only in scenarios that have the class; elsewhere it changes nothing.

    python benchmarks/expert_ablations.py --routes 25             # half an hour on two cores
    python benchmarks/expert_ablations.py --scenarios S6 S7 --label-routes 0     # what limits these two: a minute
    python benchmarks/expert_ablations.py --quick                 # under a minute; too few routes to mean anything
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.expert.abilities import Late, Limit, SeesWithin, limited, sees_people_stand
from fsd.data.simulator.expert.camera_memory import CameraMemory
from fsd.data.simulator.expert.expert_drivers import CAREFUL, EXPERTS, ExpertDriver, SceneExpert
from fsd.data.simulator.expert.perception import full_scene
from fsd.data.simulator.scenarios import SCORED_SCENARIOS
from fsd.data.simulator.scoring.metrics import DriveRecorder, RouteScore
from fsd.data.simulator.seeds import EVALUATION_SEEDS
from fsd.data.worker_process import run_jobs
from fsd.drive.table import Interval, Routes, bootstrap, mean_score, of_scenario, paired_difference

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _label_sensitivity import Sensitivity, label_changes, sensitivity
from _report import finish

RANGES_M = (10.0, 15.0, 20.0, 30.0, 40.0)
WITH_PEOPLE, WITH_CROSSING, WITH_LIGHTS = ("S7",), ("S3", "S4", "S6", "S8"), ("S3", "S4", "S8")
REFERENCE = "full"


@dataclass(frozen=True)
class Driver:
    """An expert for one drive, and the scenarios in which it can differ from `REFERENCE`."""

    make: Callable[[], ExpertDriver]
    scenarios: tuple[str, ...] = SCORED_SCENARIOS


def _limited(make_limit: Callable[[], Limit], scenarios: tuple[str, ...] = SCORED_SCENARIOS) -> Driver:
    return Driver(lambda: SceneExpert(limited(full_scene, make_limit())), scenarios)


def _braking(factor: float) -> Driver:
    return Driver(lambda: SceneExpert(full_scene, braking=factor))


def _within(scenarios: tuple[str, ...] = SCORED_SCENARIOS, **ranges: float) -> Driver:
    return _limited(lambda: SeesWithin(**ranges), scenarios)


def _late(delay_s: float) -> Driver:
    return _limited(lambda: Late(delay_s))


def _ablations() -> dict[str, Driver]:
    drivers = {f"braking x{factor:g}": _braking(factor) for factor in (0.67, 0.45)}
    for name, field_name, scenarios in (
        ("people", "people_m", WITH_PEOPLE),
        ("crossing", "crossing_m", WITH_CROSSING),
        ("vehicles", "vehicles_m", SCORED_SCENARIOS),
    ):
        drivers |= {f"{name} {range_m:g} m": _within(scenarios, **{field_name: range_m}) for range_m in RANGES_M}
        drivers[f"blind to {name}"] = _within(scenarios, **{field_name: 0.0})
    drivers["blind to lights"] = _within(WITH_LIGHTS, lights_m=0.0)
    drivers["people stand"] = _limited(lambda: sees_people_stand, WITH_PEOPLE)
    return drivers | {f"{delay_s:g} s late": _late(delay_s) for delay_s in (0.25, 0.5, 1.0)}


SEEN_PARTS = {
    "cameras only": Driver(lambda: SceneExpert(CameraMemory())),
    "care only": Driver(lambda: SceneExpert(full_scene, CAREFUL), WITH_PEOPLE),
}
DRIVERS: dict[str, Driver] = {**{name: Driver(make) for name, make in EXPERTS.items()}, **SEEN_PARTS, **_ablations()}

Job = tuple[str, str, int]


@dataclass
class Drives:
    """Scores of every driver's routes, and processor time per tick of its controls in ms."""

    scores: dict[str, Routes] = field(default_factory=dict)
    tick_ms: dict[str, list[float]] = field(default_factory=dict)

    def add(self, job: Job, result: tuple[RouteScore, float]) -> None:
        driver, scenario, seed = job
        self.scores.setdefault(driver, {})[scenario, seed] = result[0]
        self.tick_ms.setdefault(driver, []).append(result[1])


def main() -> None:
    """Drive, print the tables and the metrics."""
    options = _options()
    seeds = range(options.first_seed, options.first_seed + options.routes)
    jobs = [
        (name, scenario, seed)
        for seed in seeds
        for name in options.drivers
        for scenario in options.scenarios
        if scenario in DRIVERS[name].scenarios
    ]
    drives = Drives()
    with tqdm(total=len(jobs), desc="drives", unit="route", disable=None, file=sys.stderr) as bar:

        def done(job: Job, result: tuple[RouteScore, float]) -> None:
            drives.add(job, result)
            bar.update()

        run_jobs(drive, jobs, options.workers, done, _no_start)
    found = _print_scores(drives, [name for name in SCORED_SCENARIOS if name in options.scenarios])
    experts = [name for name in EXPERTS if name in options.drivers]
    found |= _print_experts(drives, [name for name in (*experts, *SEEN_PARTS) if name in drives.scores])
    found |= _print_labels(experts, seeds[: options.label_routes])
    measured_on = f"simulated held-out routes of {', '.join(options.scenarios)} without pictures"
    finish("expert_ablations", found, len(seeds), measured_on)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--routes", type=int, default=25, help="routes per scenario (default: %(default)s)")
    parser.add_argument(
        "--label-routes",
        type=int,
        default=30,
        help="at most as many routes of S7 for the labels (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="1 route each of S2, S6 and S7")
    parser.add_argument(
        "--scenarios", nargs="+", default=SCORED_SCENARIOS, choices=SCORED_SCENARIOS, metavar="NAME", help="some only"
    )
    parser.add_argument(
        "--first-seed", type=int, default=EVALUATION_SEEDS.start, help="seed of the first route (default: %(default)s)"
    )
    parser.add_argument(
        "--drivers", nargs="+", default=list(DRIVERS), choices=DRIVERS, metavar="NAME", help="some of the experts only"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.routes, options.scenarios = 1, ("S2", "S6", "S7")
    if REFERENCE not in options.drivers:
        options.drivers.insert(0, REFERENCE)
    return options


def _no_start() -> None:
    """Workers need nothing."""


def drive(job: Job) -> tuple[RouteScore, float]:
    """The score of a route, and the driver's processor time per tick in ms."""
    driver, scenario, seed = job
    env, expert = DrivingEnv(scenario, seed), DRIVERS[driver].make()
    recorder, spent_s = DriveRecorder(env), 0.0
    while not env.done:
        begin_s = time.process_time()
        controls = expert.controls(env.world)
        spent_s += time.process_time() - begin_s
        env.step(*controls)
        recorder.record_tick()
    return recorder.score(), 1000.0 * spent_s / max(env.world.tick, 1)


def _print_scores(drives: Drives, scenarios: Sequence[str]) -> dict[str, float]:
    """The table of driving scores; below each, the interval of the paired difference from the reference."""
    print("driving score, and below it the 95% interval of the paired difference from `full`\n")
    width = max(map(len, drives.scores)) + 2
    print(" " * width + "".join(name.rjust(15) for name in (*scenarios, "all driven")))
    found: dict[str, float] = {}
    full = drives.scores[REFERENCE]
    for driver in (name for name in DRIVERS if name in drives.scores):
        routes = drives.scores[driver]
        means, intervals = "", ""
        for scenario in (*scenarios, "all"):
            part = routes if scenario == "all" else of_scenario(routes, scenario)
            if not part:
                means, intervals = means + "-".rjust(15), intervals + " " * 15
                continue
            change = paired_difference(part, full)
            means += f"{mean_score(part):15.3f}"
            intervals += f"[{change.low:+.2f}, {change.high:+.2f}]".rjust(15)
            key = f"{_key(driver)}_{scenario.lower()}"
            found[key] = mean_score(part)
            found |= {f"{key}_change_low": change.low, f"{key}_change_high": change.high}
        print(driver.ljust(width) + means)
        if driver != REFERENCE:
            print(" " * width + intervals)
    return found


def _print_experts(drives: Drives, names: Sequence[str]) -> dict[str, float]:
    """Completion, comfort and cost of the experts and their parts; differences are paired."""
    print("\npaired difference from `full`, 95% interval; processor time of the controls per tick")
    found: dict[str, float] = {}
    full = drives.scores[REFERENCE]
    for name in names:
        routes, cells = drives.scores[name], []
        for measure in ("route_completion", "comfort", "progress", "pdms", "rms_jerk_mps3"):
            change = _difference(routes, full, measure)
            cells.append(f"{measure} {change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]")
            found[f"{_key(name)}_{measure}_change"] = change.mean
        tick_ms = float(np.mean(drives.tick_ms[name]))
        found[f"{_key(name)}_tick_ms"] = tick_ms
        print(f"{name:14}{'  '.join(cells)}  {tick_ms:.3f} ms ({max(drives.tick_ms[name]):.3f} at most in a drive)")
    return found


def _difference(one: Routes, other: Routes, measure: str) -> Interval:
    shared: Iterable[tuple[str, int]] = sorted(one.keys() & other.keys())
    return bootstrap([getattr(one[route], measure) - getattr(other[route], measure) for route in shared])


def _print_labels(experts: Sequence[str], seeds: Sequence[int]) -> dict[str, float]:
    """How much labels change when walkers are late."""
    if not seeds:
        return {}
    print("\nchange of the label's acceleration in S7 when walkers are 0.2 s late, someone crossing within 40 m")
    found: dict[str, float] = {}
    for name in experts:
        make = EXPERTS[name]
        result: Sensitivity = sensitivity([change for seed in seeds for change in label_changes(seed, make(), make())])
        print(
            f"{name:14}mean {result.mean_mps2:.2f}  p95 {result.p95_mps2:.2f}  p99 {result.p99_mps2:.2f} m/s²  "
            f"over 3 m/s² in {result.over_3_share:.1%} of {result.ticks} ticks"
        )
        for measure in ("mean_mps2", "p95_mps2", "p99_mps2", "over_3_share"):
            found[f"{_key(name)}_label_change_{measure}"] = getattr(result, measure)
    return found


def _key(driver: str) -> str:
    return driver.replace(" ", "_").replace(".", "")


if __name__ == "__main__":
    main()
