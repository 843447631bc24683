"""Driving score of the packaged network on held-out simulated roads, beside its baselines and controls.

Everything is simulated: our own worlds, our own renderer, and our own expert as the reference: the one that knows
everything in sight, whichever expert a network learned from. All drivers drive the same routes. Five groups; each
resumes an interrupted run in `--out`:

    claim       the network, the expert, blind steering: `--routes` of every scenario
    cameras     front cameras only, on S5 and S6: `--routes` of each
    controls    all cameras masked, the positive control (blurred), one side or rear camera lost, other models
                (`--other`): `--control-routes` of every scenario
    lights      the network, on S3: `--light-routes`, those of the claim included
    every tick  the network with cameras drawn at 36 Hz: `--every-tick` of every scenario

    python benchmarks/closed_loop.py --routes 25                  # 200 routes, about an hour on two cores
    python benchmarks/closed_loop.py --routes 50 --control-routes 3 --light-routes 100     # 400 routes, two hours
    python benchmarks/closed_loop.py --quick                      # a minute; too few routes to mean anything
    python benchmarks/closed_loop.py --other fp32=f100_fp32.onnx dense=dense.onnx
"""

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from fsd.data.frames import RATE_HZ
from fsd.data.simulator.scoring.metrics import RouteScore
from fsd.drive.drive import DriveConfig, DriveResult, drive, driver_name
from fsd.drive.drivers import FOLLOW, SIDE_AND_REAR
from fsd.drive.table import (
    Interval,
    Routes,
    bootstrap,
    bootstrap_ratio,
    mean_score,
    of_scenario,
    paired_difference,
    paired_ratio,
    route_metrics,
    table,
)

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish

ALL = ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8")
IN_RANGE = ALL[:7]
NEED_EIGHT = ("S5", "S6")
WITH_LIGHTS = ("S3",)


def main() -> None:
    """Drive, print the tables and the metrics."""
    options = _options()
    base = DriveConfig(
        out=options.out,
        model=options.model,
        draw_every_ticks=options.draw_every,
        latency=options.latency,
        follow=options.follow,
        workers=options.workers,
        scenarios=ALL,
        routes=options.routes,
    )
    print(
        f"simulated; cameras {base.width_px}x{base.height_px} drawn at {float(RATE_HZ / base.draw_every_ticks):g} Hz, ",
        end="",
    )
    print(f"plans followed as {base.follow}, latency {base.latency}")
    claim = _drive("claim", replace(base, drivers=("network", "expert", "blind_steering")))
    cameras = _drive("cameras", replace(base, drivers=("network", "network_front_only"), scenarios=NEED_EIGHT))
    lost = tuple(f"network:{camera}" for camera in SIDE_AND_REAR)
    few = replace(
        base,
        drivers=("network", "network_blackout", "network_blurred", *lost, *options.other),
        routes=options.control_routes,
    )
    controls = _drive("controls", few)
    for name, result in (("claim", claim), ("cameras", cameras), ("controls", controls)):
        print(f"\n{name}\n{table(result.scores, result.config.scenarios)}")
    found = metrics_of(claim.scores, cameras.scores, controls.scores, tuple(map(driver_name, options.other)))
    if options.light_routes > options.routes:
        more = replace(base, drivers=("network",), scenarios=WITH_LIGHTS, routes=options.light_routes)
        found |= lights_of(claim.scores["network"] | _drive("lights", more).scores["network"])
    if options.every_tick:
        fast = _drive("every tick", replace(base, drivers=("network",), draw_every_ticks=1, routes=options.every_tick))
        change = paired_difference(fast.scores["network"], claim.scores["network"])
        found |= {"every_tick_routes": change.count, **_with_interval("score_change_every_tick", change)}
    _print_endings(claim.scores["network"])
    print()
    for name, value in found.items():
        if not name.endswith(("_low", "_high")):
            low, high = found.get(f"{name}_low"), found.get(f"{name}_high")
            print(f"{name:32} {value:.4g}" + ("" if low is None else f"  [{low:.4g}, {high:.4g}]"))
    measured_on = f"simulated held-out routes, {base.width_px}x{base.height_px}, latency {base.latency}"
    finish("closed_loop", found, int(found["routes"]), measured_on)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--routes", type=int, default=25, help="routes per scenario for claim and cameras (default: %(default)s)"
    )
    parser.add_argument(
        "--control-routes", type=int, default=6, help="routes per scenario for the controls (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="1 route per scenario")
    parser.add_argument("--model", type=Path, default=None, help="INT8 ONNX file (default: the packaged one)")
    parser.add_argument("--other", nargs="*", default=[], metavar="NAME=FILE", help="other models among the controls")
    parser.add_argument(
        "--draw-every", type=int, default=4, metavar="N", help="draw cameras every N ticks (default: %(default)s)"
    )
    parser.add_argument(
        "--every-tick",
        type=int,
        default=0,
        metavar="ROUTES",
        help="also drive this many routes of every scenario with cameras drawn at 36 Hz (default: %(default)s)",
    )
    parser.add_argument(
        "--light-routes",
        type=int,
        default=0,
        metavar="ROUTES",
        help="more routes with traffic lights, of which a route has one or two (default: those of the claim)",
    )
    parser.add_argument("--latency", default="none", help="none, real or fixed:MS (default: %(default)s)")
    parser.add_argument(
        "--follow", choices=FOLLOW, default=FOLLOW[0], help="how plans are followed (default: %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/closed_loop"), help="folder for driven routes (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.quick:
        options.routes, options.control_routes = 1, 1
    return options


def _drive(name: str, config: DriveConfig) -> DriveResult:
    with tqdm(desc=name, unit="route", disable=None, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return drive(config, progress)


def metrics_of(
    claim: dict[str, Routes], cameras: dict[str, Routes], controls: dict[str, Routes], others: tuple[str, ...]
) -> dict[str, float]:
    """The metrics of the last line, without those that no route supports; `_low` and `_high` are 95% intervals."""
    own, expert = claim["network"], claim["expert"]
    in_range, whole = _some(own, IN_RANGE), route_metrics(own)
    found: dict[str, float | None] = {
        **_with_interval("score_over_expert", paired_ratio(in_range, expert)),
        **_with_interval("score_over_expert_s8", paired_ratio(_some(own, ("S8",)), expert)),
        **_with_interval("driving_score", bootstrap([score.driving_score for score in own.values()])),
        **_with_interval("completion", bootstrap([score.route_completion for score in own.values()])),
        **_with_interval("collision_share", bootstrap([score.collided for score in in_range.values()])),
        **lights_of(own),
        "offroad_per_10km": whole.offroad_per_10km,
        **_with_interval("score_over_blind_steering", paired_difference(own, claim["blind_steering"])),
        "hard_brake_safe": 1.0 - (route_metrics(_some(own, ("S2",))).collisions or 0.0),
        **_with_interval("blackout_score_ratio", paired_ratio(controls["network_blackout"], controls["network"])),
        "positive_control_drop": paired_difference(controls["network"], controls["network_blurred"]).mean,
    }
    for scenario in ALL:
        scores = [score.driving_score for score in of_scenario(own, scenario).values()]
        found |= _with_interval(f"{scenario.lower()}_score", bootstrap(scores))
    for scenario in NEED_EIGHT:
        eight, front = (of_scenario(cameras[name], scenario) for name in ("network", "network_front_only"))
        found |= _with_interval(f"side_cameras_gain_{scenario.lower()}", paired_difference(eight, front))
    losses = [paired_difference(controls["network"], controls[f"network:{camera}"]).mean for camera in SIDE_AND_REAR]
    found["worst_single_camera_loss"] = max(losses) / max(mean_score(controls["network"]), 1e-9)
    for other in others:
        found[f"{other}_score_change"] = -paired_difference(controls["network"], controls[other]).mean
    found["routes"] = len(own)
    return {name: value for name, value in found.items() if value is not None and not math.isnan(value)}


def _with_interval(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def lights_of(routes: Routes) -> dict[str, float]:
    """Share of the stop lines of traffic lights that were not crossed at red, and how many were crossed."""
    crossed = [score.stop_lines_met for score in routes.values()]
    obeyed = [score.stop_lines_met - score.red_lights for score in routes.values()]
    return {**_with_interval("red_light_share", bootstrap_ratio(obeyed, crossed)), "signals_crossed": sum(crossed)}


def _some(routes: Routes, scenarios: tuple[str, ...]) -> Routes:
    return {route: score for route, score in routes.items() if route[0] in scenarios}


def _print_endings(routes: Routes) -> None:
    """How often the network's drives ended in which way, by scenario."""
    print("\nhow the network's drives ended")
    for scenario in ALL:
        count: dict[str, int] = {}
        scores: list[RouteScore] = list(of_scenario(routes, scenario).values())
        for score in scores:
            count[score.finish] = count.get(score.finish, 0) + 1
        endings = ", ".join(f"{name} {number}" for name, number in sorted(count.items(), key=lambda item: -item[1]))
        print(f"  {scenario}  {endings}")


if __name__ == "__main__":
    main()
