"""`fsd compress`: arguments, and the printed summary."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsd.commands.arguments import add_options, config_from, place_argument
from fsd.commands.default_folder import choose_folder
from fsd.commands.fleet import print_tally, refuse_cameras, require_paths, tally_result
from fsd.commands.summary_lines import print_assumptions, print_length, print_ratios
from fsd.compress.config import LOG_FILE, CompressConfig
from fsd.compression.policy_names import POLICIES
from fsd.data.errors import UsageError
from fsd.data.options import declared_options
from fsd.fleet.config import CompressFleetOptions
from fsd.fleet.places import require_extra
from fsd.runtime.health import describe_odometry

if TYPE_CHECKING:
    from fsd.outputs.camera_resolution import CameraResolution
    from fsd.outputs.compress_summary import CompressSummary, GazeLatencySummary, GazeSummary

_POLICY_LINES = "\n".join(f"  {name:12} {description}" for name, description in POLICIES.items())
EPILOG = f"""policies:
{_POLICY_LINES}

examples:
  fsd compress my_drive/ --out kept
  fsd compress my_drive/ --out kept --budget B200 --policy fixed --max-ticks 360
  fsd compress . --cameras front_main=dashcam.mp4 --budget 160x120+42 --mosaic-at 12.5
  fsd compress s3://bucket/drives --out s3://bucket/kept --ray HEAD:6379      # docs/fleet.md"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "clips",
        type=place_argument,
        nargs="+",
        metavar="CLIP",
        help=f"{declared_options(CompressConfig)['clip'].help}; with --ray also several, a folder of several, a quoted "
        "pattern, a Parquet or CSV file that lists recordings, or a URL",
    )
    add_options(parser, CompressConfig, skip=("clip", "out"))
    parser.add_argument(
        "--out",
        type=place_argument,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help=f"{declared_options(CompressConfig)['out'].help}; with --ray also a URL (default: {CompressConfig.out}, "
        f"without --ray {CompressConfig.out}-2 … where that is taken)",
    )
    add_options(parser, CompressFleetOptions, skip=("clip_gpus",))


def run(options: argparse.Namespace) -> "dict[str, Any] | CompressSummary":
    """Compress, and print what was kept."""
    fleet = config_from(CompressFleetOptions, options)
    if fleet.ray is not None:
        return _run_fleet(options, fleet)
    require_paths(options)
    if len(options.clips) > 1:
        raise UsageError("Without --ray, one recording is compressed. Name one, or give --ray as the last word.")
    choose_folder(options, CompressConfig.out)
    config = config_from(CompressConfig, options, clip=options.clips[0])
    from fsd.compress.compress import compress

    summary = compress(config)
    if not options.json:
        print_summary(summary, config)
    return summary


def _run_fleet(options: argparse.Namespace, fleet: CompressFleetOptions) -> dict[str, Any]:
    require_extra()
    refuse_cameras(options)
    out = getattr(options, "out", str(CompressConfig.out))
    template = config_from(CompressConfig, options, clip=Path(), out=Path())
    from fsd.fleet.compress_fleet import compress_fleet

    tally = compress_fleet(options.clips, out, template, fleet, fleet.workers)
    if not options.json:
        print_tally(tally, "compressed")
    return tally_result(tally)


def print_summary(summary: "CompressSummary", config: CompressConfig) -> None:
    """Print the summary of a run."""
    compression, gaze, keyframes = summary.compression, summary.gaze, summary.keyframes
    print_length(summary)
    print(f"  gaze         {summary.policy}: {POLICIES[summary.policy]}")
    print_assumptions(summary.clip)
    print(f"  motion       {describe_odometry(summary.odometry_ticks)}")
    print_ratios(compression)
    print(
        f"  bytes        {(compression.bytes_in_per_second or 0) / 1e6:,.1f} MB/s in, "
        f"{compression.bytes_out_per_second / 1e6:,.1f} MB/s out"
    )
    if times := summary.compress_ms:
        print(f"  time         p50 {times.p50:.2f} ms, p99 {times.p99:.2f} ms per tick (n = {times.samples})")
    print(f"  re-read      {_format_sweep(gaze)}")
    for name, latency in (("blocks", summary.event_to_gaze.blocks), ("keyframes", summary.event_to_gaze.keyframes)):
        print(f"  latency      {name}: {_format_latency(latency)}")
    print(
        f"\n  {'camera':16}{'keyframes/s':>12}{'surprise':>10}{'distance':>10}{'gap':>6}{'patches':>10}{'share':>8}"
        f"{'px/deg of source':>18}{'patch':>7}{'retina':>8}"
    )
    reasons, patches = keyframes.reasons, gaze.patches
    whole = max(1, sum(patches.values()))
    for name in summary.clip.cameras:
        counts = f"{reasons['surprise'][name]:10}{reasons['distance'][name]:10}{reasons['gap'][name]:6}"
        print(
            f"  {name:16}{keyframes.per_second[name]:12.1f}{counts}{patches[name]:10}{patches[name] / whole:8.0%}"
            f"{_format_resolution(summary.resolution.get(name))}"
        )
    lens = "a lens that is assumed" if summary.clip.rig == "assumed" else "the lens of the rig"
    print(f"\n  px/deg       pixels per degree along the row at the picture's centre, by {lens}")
    if summary.mosaic and summary.mosaic.why:
        print(f"  mosaic       {summary.mosaic.why}")
    print(f"\n  written      {config.out}/{LOG_FILE} mosaic.png mosaic_plain.png compress.html summary.json")


def _format_resolution(camera: "CameraResolution | None") -> str:
    if camera is None:
        return ""
    source, patch, retina = camera.px_per_degree_cells
    return f"{source:>18}{patch:>7}{retina:>8}"


def _format_sweep(gaze: "GazeSummary") -> str:
    if not sum(gaze.patches.values()):
        return "no patches: no block is read more finely than the base image"
    oldest = f"oldest block {gaze.oldest_block_ticks} ticks"
    if gaze.sweep_bound_ticks is None:
        return f"{oldest}; this policy has no sweep"
    return f"{oldest} (the sweep's bound is {gaze.sweep_bound_ticks}), {gaze.swept_share:.0%} of patches by the sweep"


def _format_latency(latency: "GazeLatencySummary") -> str:
    if not latency.read:
        return f"{latency.events} events, none read"
    from fsd.outputs.compress_summary import format_latency

    return (
        f"{latency.events} events, {latency.never_read}; of all: first patch after p50 "
        f"{format_latency(latency.p50_ticks)}, p99 {format_latency(latency.p99_ticks)} ticks; "
        f"{latency.same_tick} in the same tick, {latency.max_ticks} ticks at most where read"
    )
