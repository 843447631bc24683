"""`fsd record`: drive in the simulator and record a clip."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fsd.data.errors import UsageError
from fsd.data.frames import RATE_HZ
from fsd.data.simulator.record import RecordConfig, record
from fsd.data.simulator.scenarios import SCENARIOS

EXAMPLE = """example:
  fsd record --seconds 20 --seed 3 clip/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; every default is `RecordConfig`'s."""
    parser.epilog = EXAMPLE
    parser.add_argument("out", type=Path, metavar="CLIP", help="folder for the clip, made when missing")
    parser.add_argument("--seconds", type=float, default=RecordConfig.seconds, help="length of the drive (%(default)s)")
    parser.add_argument("--seed", type=int, default=RecordConfig.seed, help="of world, traffic and light (%(default)s)")
    parser.add_argument(
        "--scenario", default=RecordConfig.scenario, help=f"one of {', '.join(SCENARIOS)} (a tour of the town)"
    )
    parser.add_argument("--width", type=int, default=RecordConfig.width_px, help="of each camera (%(default)s)")
    parser.add_argument("--height", type=int, default=RecordConfig.height_px, help="of each camera (%(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Record and say what was written."""
    try:
        config = RecordConfig(
            out=options.out,
            seconds=options.seconds,
            seed=options.seed,
            width_px=options.width,
            height_px=options.height,
            scenario=options.scenario,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    with tqdm(total=config.ticks, unit="tick", disable=None, file=sys.stderr) as bar:
        ticks = record(config, lambda done, total: bar.update(done - bar.n))
    seconds = float(ticks / RATE_HZ)
    if not options.json:
        print(f"{seconds:.1f} s of simulated driving in {config.out}\nnext: fsd replay {config.out} --out out")
    return {"clip": str(config.out), "ticks": ticks, "seconds": seconds, "seed": config.seed}
