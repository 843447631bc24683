"""`fsd demo`: replay of the clip that ships in the package."""

import argparse
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsd.commands.arguments import add_options, config_from
from fsd.commands.default_folder import choose_folder, numbered_text
from fsd.commands.replay import print_summary, with_exit_code
from fsd.data.mounting_options import MountingOptions
from fsd.replay.config import ReplayConfig
from fsd.viewers.foxglove_layout import LAYOUT_FILE

if TYPE_CHECKING:
    from fsd.outputs.replay_summary import ReplaySummary

EPILOG = """examples:
  fsd demo
  fsd demo --out out/quick --no-overlay"""
OUT = Path("out/demo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a replay, without those about the recording."""
    skipped = ("clip", "cameras", *MountingOptions.__dataclass_fields__)
    add_options(parser, ReplayConfig, skip=skipped, defaults={"out": numbered_text(OUT)})


def run(options: argparse.Namespace) -> "dict[str, Any] | ReplaySummary":
    """Replay the packaged clip and print how to view the results."""
    from fsd.replay.replay import replay

    choose_folder(options, OUT)
    with resources.as_file(resources.files("fsd") / "demo_clip") as clip:
        config = config_from(ReplayConfig, options, clip=clip)
        summary = replay(config)
    if not options.json:
        print_summary(summary, config)
        print("\nView the results:")
        if config.report:
            print(f"  report   any browser: {config.out / 'report.html'}")
        if summary.overlay_file and summary.overlay_file.file:
            print(f"  video    any player: {config.out / 'overlay.mp4'}")
        if summary.viewer_file and summary.viewer_file.file:
            print(f"  viewer   Foxglove: {config.out / 'drive.mcap'}, layout {LAYOUT_FILE} beside it")
        print(
            f"  plan     python -c \"import pyarrow.parquet as pq; print(pq.read_table('{config.out}/plan.parquet'))\""
        )
        print(f"  metrics  {config.out / 'summary.json'}")
    return with_exit_code(summary)
