"""`fsd replay`: arguments, and the few lines a person reads at the end."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from fsd.commands.recording_options import (
    add_cameras_option,
    add_reading_options,
    camera_map,
    print_assumptions,
    print_length,
    print_ratios,
)
from fsd.data.ego import COMMANDS
from fsd.data.errors import ClipError, UsageError
from fsd.data.frames import CAMERAS
from fsd.networks.onnx_session import PROVIDERS
from fsd.outputs.replay_summary import ReplaySummary, ViewerFile
from fsd.overlay.layout import HEIGHTS_PX, LAYOUTS, OverlayConfig
from fsd.replay.batch import Outcome, Shard, replay_many
from fsd.replay.replay import ReplayConfig, replay
from fsd.runtime.health import motion_words
from fsd.viewers.foxglove_layout import LAYOUT_FILE

EXAMPLE = """example:
  fsd replay my_drive/ --out out
  fsd replay monday/* --workers 2 --out out          # goes on where it was stopped
  fsd replay . --cameras front_main=dashcam.mp4 rear=back.mkv --out out
  fsd replay my_drive/ --from 12 --to 20 --layout focus --overlay-height 1080 --out post"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; every default is `ReplayConfig`'s."""
    parser.epilog = EXAMPLE
    parser.add_argument(
        "clips", type=Path, nargs="+", metavar="CLIP", help="clip folder, folder of videos, or one video; or many"
    )
    add_cameras_option(parser)
    add_run_arguments(parser)
    many = parser.add_argument_group("many recordings (each into a folder of its own below --out)")
    many.add_argument("--workers", type=int, default=1, help="recordings at a time (%(default)s)")
    many.add_argument("--shard", default="0/1", metavar="I/N", help="only every N-th, from the I-th on (%(default)s)")
    many.add_argument("--again", action="store_true", help="replay what is complete, too")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every replaying command takes."""
    add_reading_options(parser, ReplayConfig)
    parser.add_argument(
        "--model", type=Path, default=ReplayConfig.model, help="ONNX file with fsd metadata (the packaged one)"
    )
    parser.add_argument(
        "--adapter", type=Path, default=ReplayConfig.adapter, help="adapter.json for a --model of somebody else"
    )
    parser.add_argument(
        "--device",
        choices=tuple(PROVIDERS),
        default=ReplayConfig.device,
        help="what the network runs on; never falls back (%(default)s)",
    )
    parser.add_argument(
        "--threads", type=int, default=ReplayConfig.threads, help="threads of the network (%(default)s)"
    )
    parser.add_argument(
        "--command", choices=COMMANDS, default=ReplayConfig.command, help="route command for the whole clip"
    )
    parser.add_argument(
        "--no-overlay", dest="overlay", action="store_false", default=ReplayConfig.overlay, help="write no video"
    )
    overlay = parser.add_argument_group("overlay video")
    overlay.add_argument("--from", dest="from_s", type=float, default=OverlayConfig.from_s, help="first second shown")
    overlay.add_argument("--to", dest="to_s", type=float, default=OverlayConfig.to_s, help="end of what is shown, s")
    overlay.add_argument("--layout", choices=LAYOUTS, default=OverlayConfig.layout, help="of the pictures")
    overlay.add_argument(
        "--overlay-cameras",
        nargs="+",
        choices=CAMERAS,
        metavar="NAME",
        default=OverlayConfig.cameras,
        help="cameras to show (all); the first front camera is the large one",
    )
    overlay.add_argument(
        "--overlay-height",
        type=int,
        choices=HEIGHTS_PX,
        default=OverlayConfig.height_px,
        help="lines of the video (%(default)s)",
    )
    parser.add_argument(
        "--no-report", dest="report", action="store_false", default=ReplayConfig.report, help="write no report.html"
    )
    parser.add_argument(
        "--no-mcap", dest="mcap", action="store_false", default=ReplayConfig.mcap, help="write no drive.mcap"
    )
    parser.add_argument(
        "--rerun", action="store_true", default=ReplayConfig.rerun, help="write drive.rrd, too (extra `rerun`)"
    )
    parser.add_argument(
        "--latency-ms",
        type=float,
        default=ReplayConfig.latency_ms,
        help="latency of a plan in the latency-charged scores (what is measured)",
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Replay and print what came out."""
    if len(options.clips) > 1:
        return _run_many(options)
    clip = options.clips[0]
    config = config_from(options, clip, camera_map(options.cameras, clip))
    summary = replay(config)
    if not options.json:
        print_summary(summary, config)
    result: dict[str, Any] = msgspec.to_builtins(summary)
    return result


def _run_many(options: argparse.Namespace) -> dict[str, Any]:
    if options.cameras is not None:
        raise UsageError("--cameras names the videos of one recording; replay recordings that need it one by one.")
    if options.workers < 1:
        raise UsageError(f"--workers must be at least 1, got {options.workers}.")
    try:
        shard = Shard.parse(options.shard)
    except ValueError as error:
        raise UsageError(str(error)) from error

    def tell(outcome: Outcome) -> None:
        why = f": {outcome.error}" if outcome.error else f", {outcome.ticks} ticks"
        print(f"{outcome.status:9} {outcome.clip}{why}", file=sys.stderr, flush=True)

    template = config_from(options, options.clips[0])
    outcomes = replay_many(options.clips, template, options.workers, shard, options.again, tell)
    good = sum(outcome.is_good for outcome in outcomes)
    if not options.json:
        print(f"{good} of {len(outcomes)} recordings replayed into {options.out}")
    code = 0 if good == len(outcomes) else ClipError.exit_code
    return {"recordings": [asdict(outcome) for outcome in outcomes], "exit_code": code}


def config_from(options: argparse.Namespace, clip: Path, cameras: dict[str, Path] | None = None) -> ReplayConfig:
    """`ReplayConfig` out of parsed arguments.

    Raises:
        UsageError: a value that the config refuses.
    """
    try:
        return ReplayConfig(
            clip=clip,
            out=options.out,
            cameras=cameras,
            model=options.model,
            adapter=options.adapter,
            device=options.device,
            threads=options.threads,
            decode_workers=options.decode_workers,
            max_ticks=options.max_ticks,
            max_age_ms=options.max_age_ms,
            command=options.command,
            overlay=options.overlay,
            report=options.report,
            mcap=options.mcap,
            rerun=options.rerun,
            overlay_config=OverlayConfig(
                layout=options.layout,
                cameras=None if options.overlay_cameras is None else tuple(options.overlay_cameras),
                from_s=options.from_s,
                to_s=options.to_s,
                height_px=options.overlay_height,
            ),
            latency_ms=options.latency_ms,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def print_summary(summary: ReplaySummary, config: ReplayConfig) -> None:
    """The few lines a person reads after a replay."""
    print_length(summary)
    print(f"  network      {summary.model.name} ({summary.model.precision}), {summary.network}")
    print(f"  cameras      {', '.join(summary.clip.cameras)}")
    print_assumptions(summary.clip)
    if set(summary.odometry_ticks) - {"ego"}:
        print(f"  motion       {motion_words(summary.odometry_ticks)}")
    for fault in summary.cameras.faults if summary.cameras else ():
        print(f"  counted      {fault}")
    print(f"  speed        {summary.times_real_time or 0.0:.2f}x real time, everything written")
    if plan_ms := summary.stages_ms.get("plan"):
        print(
            f"  latency      compress + network p50 {plan_ms.p50:.1f} ms, p99 {plan_ms.p99:.1f} ms "
            f"(n = {plan_ms.samples}); over {summary.deadline.tick_ms} ms: {summary.deadline.ticks_over}"
        )
    print_ratios(summary.compression)
    joules = summary.joules_per_tick
    value = "unavailable" if joules.value is None else f"{joules.value:.2f} {joules.tag}"
    print(f"  joules/tick  {value} ({joules.source})")
    for planner, scores in msgspec.structs.asdict(summary.scores).items() if summary.scores else ():
        if "ade_3s_m" in scores:
            print(f"  ADE@3s       {scores['ade_3s_m']:.2f} m {planner.replace('_', ' ')} (n = {scores['ticks_3s']})")
    print(f"  plan hash    {summary.plan_hash}")
    viewer = summary.viewer_file or ViewerFile(file=None)
    if viewer.why:
        print(f"  no mcap      {viewer.why}")
    for how in sorted(set(viewer.video.values()) - {"passed through"}):
        print(f"  mcap video   {', '.join(name for name, each in viewer.video.items() if each == how)}: {how}")
    wanted = {
        "overlay.mp4": config.overlay,
        "report.html": config.report,
        "drive.mcap": viewer.file,
        LAYOUT_FILE: viewer.file,
        "drive.rrd": config.rerun,
    }
    files = ["plan.parquet", "ticks.parquet", "summary.json", *(name for name, is_there in wanted.items() if is_there)]
    print(f"  written      {config.out}/{' '.join(files)}")
