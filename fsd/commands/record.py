"""`fsd record`: drive in the simulator and record a clip."""

import argparse
from typing import Any

from fsd.commands.arguments import add_options, config_from
from fsd.data.frames import CAMERAS, RATE_HZ
from fsd.data.simulator.record import TESLACAM_CAMERAS, RecordConfig, record
from fsd.outputs.disk_space import existing_folder, record_bytes, warn_if_short
from fsd.outputs.progress import progress_bar

EPILOG = """examples:
  fsd record clip/
  fsd record clip/ --seconds 20 --seed 3
  fsd record TeslaCam/ --format teslacam --seconds 90"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_options(parser, RecordConfig)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Record, and print what was written."""
    config = config_from(RecordConfig, options)
    cameras = len(TESLACAM_CAMERAS[config.cameras_like or "hw3"]) if config.format == "teslacam" else len(CAMERAS)
    warn_if_short(existing_folder(config.out), record_bytes(config.ticks, cameras, *config.size_px))
    with progress_bar(config.ticks, "tick", "record") as bar:
        ticks = record(config, lambda done, total: bar.update(done - bar.n))
    seconds = float(ticks / RATE_HZ)
    if not options.json:
        print(f"{seconds:.1f} s of simulated driving in {config.out}\nnext: fsd replay {config.out} --out out")
    return {"clip": str(config.out), "ticks": ticks, "seconds": seconds, "seed": config.seed}
