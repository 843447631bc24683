"""`fsd drive`: drive in the simulator in closed loop, with the network and with its baselines."""

import argparse
from typing import Any

import msgspec

from fsd.commands.arguments import add_options, config_from
from fsd.commands.ray_option import DEFAULT_WORKERS, RayOptions, drives_done_by
from fsd.data.frames import RATE_HZ
from fsd.data.simulator.baselines import BASELINES
from fsd.drive.drive import NETWORKS, DriveConfig, drive
from fsd.drive.table import Routes, bootstrap, paired_difference, table
from fsd.drive.video import film_extremes
from fsd.outputs.progress import progress_bar

EPILOG = f"""drivers:
  {", ".join(BASELINES)},
  {", ".join(NETWORKS)},
  network:CAMERA (the network without that camera), NAME=FILE.onnx (another network)

examples:
  fsd drive --routes 3                          # a quick look: 3 routes per scenario
  fsd drive --routes 30 --drivers expert network fp32=out/export/f100_fp32.onnx --out out/drive
  fsd drive --scenarios S3 --drivers network --videos 2     # with videos of the two worst and the two best routes
  fsd drive --routes 100 --ray HEAD:6379 --out out/drive    # on a Ray cluster, see docs/fleet.md"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_options(parser, DriveConfig, defaults={"workers": DEFAULT_WORKERS})
    add_options(parser, RayOptions)
    parser.add_argument(
        "--videos",
        type=int,
        default=0,
        metavar="N",
        help="film the N worst and the N best routes of the first network driver (default: 0)",
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Drive and print the table."""
    config = config_from(DriveConfig, options)
    cluster = drives_done_by(config_from(RayOptions, options), getattr(options, "workers", None), "route")
    with cluster, progress_bar(None, "route", "drive") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        result = drive(config, progress)
    if not options.json:
        print(
            "simulated driving; cameras drawn at",
            f"{float(RATE_HZ / config.draw_every_ticks):g} Hz, latency {config.latency}",
        )
        print(table(result.scores, config.scenarios))
        _print_differences(result.scores)
        print(f"written  {config.out}/drive.html routes.json summary.json")
    videos = film_extremes(result, options.videos)
    if not options.json:
        for video in videos:
            print(f"video    {video}")
    return {**msgspec.to_builtins(result.summary()), "out": str(config.out), "videos": [str(video) for video in videos]}


def _print_differences(scores: dict[str, Routes]) -> None:
    if "network" not in scores:
        return
    own = bootstrap([score.driving_score for score in scores["network"].values()])
    if own.count < 2:
        print("\none route per driver: no intervals")
        return
    print(f"\nnetwork {own.mean:.3f} [{own.low:.3f}, {own.high:.3f}], 95% bootstrap over {own.count} routes")
    for name, routes in scores.items():
        if name != "network":
            gap = paired_difference(scores["network"], routes)
            print(f"  minus {name:<20} {gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]")
