"""`fsd record`: drive in the simulator and record a clip."""

import argparse
from pathlib import Path
from typing import Any

from fsd.data.simulator.record import RecordConfig, record

EXAMPLE = """example:
  fsd record --seconds 20 --seed 3 clip/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; every default is `RecordConfig`'s."""
    parser.epilog = EXAMPLE
    parser.add_argument("out", type=Path, metavar="CLIP", help="folder for the clip, made when missing")
    parser.add_argument("--seconds", type=float, default=RecordConfig.seconds, help="length of the drive (%(default)s)")
    parser.add_argument("--seed", type=int, default=RecordConfig.seed, help="of world, traffic and light (%(default)s)")
    parser.add_argument("--width", type=int, default=RecordConfig.width_px, help="of each camera (%(default)s)")
    parser.add_argument("--height", type=int, default=RecordConfig.height_px, help="of each camera (%(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Record and say what was written."""
    config = RecordConfig(
        out=options.out,
        seconds=options.seconds,
        seed=options.seed,
        width_px=options.width,
        height_px=options.height,
    )
    record(config)
    if not options.json:
        print(f"{config.seconds:g} s of simulated driving in {config.out}\nnext: fsd replay {config.out} --out out")
    return {"clip": str(config.out), "seconds": config.seconds, "seed": config.seed}
