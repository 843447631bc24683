"""`fsd drive`: closed loop in the simulator, the network beside its baselines."""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from fsd.data.errors import UsageError
from fsd.drive.drive import DRIVERS, DriveConfig, drive
from fsd.drive.drivers import FOLLOW
from fsd.drive.table import Routes, bootstrap, paired_difference, table
from fsd.drive.video import film_extremes

EXAMPLE = f"""example:
  fsd drive --routes 3                          # a quick look: 3 routes of every scenario
  fsd drive --routes 30 --drivers expert network fp32=exported/b100_fp32.onnx --out out/drive
  fsd drive --scenarios S3 --drivers network --videos 2     # and see the two worst and the two best

drivers: {", ".join(DRIVERS)},
         network:CAMERA (with that camera lost), NAME=FILE.onnx (another model)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; every default is `DriveConfig`'s."""
    parser.epilog = EXAMPLE
    default = DriveConfig()
    parser.add_argument("--out", type=Path, default=default.out, help="folder for the results (%(default)s)")
    parser.add_argument("--drivers", nargs="+", default=default.drivers, metavar="DRIVER", help="who drives")
    parser.add_argument("--scenarios", nargs="+", default=default.scenarios, metavar="S", help="S1 … S8")
    parser.add_argument("--routes", type=int, default=default.routes, help="of every scenario (%(default)s)")
    parser.add_argument("--first-seed", type=int, default=default.first_seed, help="held-out seeds from (%(default)s)")
    parser.add_argument("--model", type=Path, default=default.model, help="ONNX file (the packaged one)")
    parser.add_argument("--follow", choices=FOLLOW, default=default.follow, help="what of a plan (%(default)s)")
    parser.add_argument("--latency", default=default.latency, help="none, real or fixed:MS (%(default)s)")
    parser.add_argument(
        "--draw-every", type=int, default=default.draw_every_ticks, help="draw cameras every N ticks (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=default.workers, help="processes (%(default)s)")
    parser.add_argument(
        "--videos", type=int, default=0, help="of so many of the worst runs and of the best (%(default)s)"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Drive and print the table."""
    try:
        config = DriveConfig(
            out=options.out,
            drivers=tuple(options.drivers),
            scenarios=tuple(options.scenarios),
            routes=options.routes,
            first_seed=options.first_seed,
            model=options.model,
            latency=options.latency,
            follow=options.follow,
            draw_every_ticks=options.draw_every,
            workers=options.workers,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    with tqdm(unit="route", disable=None, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        result = drive(config, progress)
    if not options.json:
        print("simulated driving; cameras drawn at", f"{36 / config.draw_every_ticks:g} Hz, latency {config.latency}")
        print(table(result.scores, config.scenarios))
        _print_differences(result.scores)
        print(f"written  {config.out}/routes.json summary.json")
    videos = film_extremes(result, options.videos)
    if not options.json:
        for video in videos:
            print(f"video    {video}")
    return {
        **msgspec.to_builtins(result.summary()),
        "out": str(config.out),
        "videos": [str(video) for video in videos],
    }


def _print_differences(scores: dict[str, Routes]) -> None:
    if "network" not in scores:
        return
    own = bootstrap([score.driving_score for score in scores["network"].values()])
    print(f"\nnetwork {own.mean:.3f} [{own.low:.3f}, {own.high:.3f}], 95% bootstrap over {own.routes} routes")
    for name, routes in scores.items():
        if name != "network":
            gap = paired_difference(scores["network"], routes)
            print(f"  minus {name:<20} {gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]")
