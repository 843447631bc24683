"""`fsd demo`: replay of the clip that ships in the package."""

import argparse
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from fsd.commands.replay import add_run_arguments, config_from, print_summary
from fsd.replay.replay import replay
from fsd.viewers.foxglove_layout import LAYOUT_FILE

EXAMPLE = """example:
  fsd demo --out out/demo"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of a replay, without the clip."""
    parser.epilog = EXAMPLE
    add_run_arguments(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Replay the packaged clip and say how to look at what was written."""
    with resources.as_file(resources.files("fsd") / "demo_clip") as clip:
        config = config_from(options, Path(clip))
        summary = replay(config)
    if not options.json:
        print_summary(summary, config)
        print("\nLook at it:")
        if config.report:
            print(f"  report   any browser: {config.out / 'report.html'}")
        if config.overlay:
            print(f"  video    any player: {config.out / 'overlay.mp4'}")
        if summary.viewer_file and summary.viewer_file.file:
            print(f"  viewer   Foxglove: {config.out / 'drive.mcap'}, layout {LAYOUT_FILE} beside it")
        print(
            f"  plan     python -c \"import pyarrow.parquet as pq; print(pq.read_table('{config.out}/plan.parquet'))\""
        )
        print(f"  figures  {config.out / 'summary.json'}")
    result: dict[str, Any] = msgspec.to_builtins(summary)
    return result
