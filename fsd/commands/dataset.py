"""`fsd dataset build`: arguments, and the printed summary."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fsd.commands.arguments import add_common, add_options, config_from, place_argument
from fsd.commands.fleet import refuse_cameras, require_paths
from fsd.data.counted import counted
from fsd.data.options import declared_options
from fsd.dataset.config import DatasetConfig
from fsd.fleet.config import DatasetFleetOptions
from fsd.fleet.places import is_url, require_extra

if TYPE_CHECKING:
    from fsd.outputs.dataset_summary import DatasetSummary

EPILOG = """examples:
  fsd dataset build my_drives/ --out drives
  fsd dataset build /media/stick/TeslaCam --out drives --budget F100 F200 --workers 2 --modes manual
  fsd dataset build s3://bucket/drives --out /shared/drives --ray HEAD:6379       # docs/fleet.md

A build that was stopped continues when it is started again. docs/dataset.md describes the files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(
        dest="verb", metavar="VERB", required=True, help="what to do; `fsd dataset VERB --help` lists its options"
    )
    text = "compress recordings once, with labels, filters and fixed splits"
    build = verbs.add_parser("build", help=text, description=text[0].upper() + text[1:] + ".")
    build.add_argument(
        "clips",
        type=place_argument,
        nargs="+",
        metavar="SOURCE",
        help=f"{declared_options(DatasetConfig)['sources'].help}; with --ray also a quoted pattern, a Parquet or CSV "
        "file that lists recordings, or a URL",
    )
    default = f" (default: {DatasetConfig.workers}, or with --ray as many as fit into the cluster)"
    add_options(build, DatasetConfig, skip=("sources",), defaults={"workers": default})
    add_options(build, DatasetFleetOptions, skip=("clip_gpus",))
    # As of every command; left out of the namespace unless given, so that they may also stand before the verb.
    add_common(build, default=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> "DatasetSummary":
    """Build, and print what is in the data set."""
    fleet = config_from(DatasetFleetOptions, options)
    if fleet.ray is None:
        require_paths(options)
        config = config_from(DatasetConfig, options, sources=tuple(options.clips))
    else:
        require_extra()
        refuse_cameras(options)
        # Also the files that no result may replace.
        here = tuple(Path(word) for word in options.clips if not is_url(word))
        config = config_from(DatasetConfig, options, sources=here or (Path(),))
    from fsd.dataset.build import build_dataset, print_progress

    if fleet.ray is None:
        summary = build_dataset(config, print_progress)
    else:
        from fsd.fleet.dataset_fleet import build_dataset_fleet

        workers = getattr(options, "workers", None)
        summary = build_dataset_fleet(options.clips, config, fleet, workers, print_progress)
    if not options.json:
        print_summary(summary, config)
    return summary


def print_summary(summary: "DatasetSummary", config: DatasetConfig) -> None:
    """Print sizes, filters, clocks and parts."""
    from fsd.outputs.run_info import describe_simulated

    print(f"{config.out}: {counted(summary.clips, 'clip')}, {summary.hours:.3g} h, {summary.ticks} ticks at 36 Hz")
    print(f"  recorded     {summary.rows} ticks, one in {summary.every_ticks}; {summary.used_rows} to learn from")
    for name, size in summary.sizes.items():
        print(
            f"  {name:12} {size.bytes_per_tick:,} bytes per tick, {size.bytes_per_hour / 1e9:.3g} GB per hour, "
            f"{size.total_bytes / 1e9:.3g} GB"
        )
    reasons = ", ".join(f"{name} {count}" for name, count in summary.left_out.items() if count)
    print(f"  left out     {reasons or 'nothing'}")
    skew = summary.skew
    print(f"  clocks       {counted(skew.in_time, 'clip')} in time, {len(skew.off)} off, {skew.not_clear} not clear")
    for each in skew.off:
        mended = "mended" if each.is_mended else "NOT mended"
        offset = f"{each.offset_ms:+.0f} ms ± {each.uncertainty_ms:.0f} ms"
        print(f"    {each.clip}: {each.against} {offset} from the images, {mended}")
    parts = ", ".join(f"{name} {each.rows} ({counted(each.drives, 'drive')})" for name, each in summary.parts.items())
    print(f"  parts        {parts}")
    if summary.built_ticks_per_s is not None:
        print(f"  speed        {summary.built_ticks_per_s:.0f} ticks/s")
    if summary.simulated_clips:
        print(f"  SIMULATED    {describe_simulated(summary.simulated_clips, summary.clips)}")
    for bad in summary.bad_clips:
        print(f"  BAD          {bad.clip}: {bad.reason}")
    print(f"\nwritten: {config.out}/index.parquet clips/ dataset.html summary.json")
