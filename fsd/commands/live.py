"""`fsd live`: arguments, the printed plans, and the summary at the end."""

import argparse
import sys
from typing import TYPE_CHECKING

from fsd.commands.arguments import add_options, config_from
from fsd.commands.summary_lines import print_assumptions
from fsd.data.counted import counted
from fsd.live.config import LiveConfig
from fsd.runtime.health import describe_health, describe_odometry

if TYPE_CHECKING:
    from fsd.data.live.live_source import LiveSource
    from fsd.live.live import LivePlan
    from fsd.outputs.live_summary import LiveSummary
    from fsd.runtime.planner import PlannerMetadata

MOST_NAMES = 2
"""Cameras that a line names per fault; those without a video are the same in all lines."""
SHOWN_WAYPOINT = 7
"""The waypoint after 2 s."""

EPILOG = """examples:
  fsd live --camera front_main=/dev/video0
  fsd live --camera front_main=/dev/video0 rear=/dev/video2 --input-option video_size=1280x960 --serve
  fsd live --camera front_main=rtsp://10.0.0.8/main left_repeater=tcp://10.0.0.8:5001 --rig rig.json --serve

Ctrl-C ends the run and prints its summary."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_options(parser, LiveConfig)


def run(options: argparse.Namespace) -> "LiveSummary":
    """Plan, print one plan in `print_every`, and the summary."""
    config = config_from(LiveConfig, options)
    from fsd.live.live import live

    def print_plan(plan: "LivePlan") -> None:
        if plan.result.plan.tick // config.print_every > printed[-1]:
            printed.append(plan.result.plan.tick // config.print_every)
            print(_plan_line(plan, plan.stalled_ms - stalled_ms[-1]), flush=True)
            stalled_ms.append(plan.stalled_ms)

    printed, stalled_ms = [-1], [0.0]
    quiet = options.json
    print("opening cameras (compiles once on a new machine) …", file=sys.stderr)
    summary = live(config, None if quiet else print_plan, _print_start)
    if not quiet:
        _print_summary(summary)
    return summary


def _print_start(source: "LiveSource", metadata: "PlannerMetadata", address: str) -> None:
    sizes = ", ".join(f"{name} {width}x{height}" for name, (width, height) in source.clip.sizes_px.items())
    print(f"{metadata.name} ({metadata.precision}) on {sizes}", file=sys.stderr)
    if address:
        print(f"page: {address}", file=sys.stderr, flush=True)


def _plan_line(live: "LivePlan", stalled_ms: float) -> str:
    plan = live.result.plan
    x_m, y_m, _, v_mps = plan.trajectory[SHOWN_WAYPOINT]
    side = "left" if y_m >= 0 else "right"
    age = f"image {live.age_ms:.0f} ms old" if live.age_ms == live.age_ms else "no valid image"
    parts = [
        f"tick {plan.tick}",
        f"curvature {plan.curvature_per_m:+.4f} 1/m",
        f"acceleration {plan.acceleration_mps2:+.2f} m/s²",
        f"in 2 s {x_m:.1f} m ahead, {abs(y_m):.1f} m {side}, {v_mps:.1f} m/s",
        f"plan {live.result.plan_ms:.1f} ms, {age}",
        describe_health(plan.health, MOST_NAMES),
    ]
    if stalled_ms:
        parts.append(f"this program did not run for {stalled_ms:.0f} ms")
    parts += [f"{name} {state}" for name, state in live.away.items()]
    return "  ".join(parts)


def _print_summary(summary: "LiveSummary") -> None:
    skipped = counted(summary.skipped_ticks, "tick")
    print(f"live: {counted(summary.ticks, 'plan')} in {summary.drive_s:.1f} s, {skipped} skipped as too late")
    print(f"  network      {summary.model.name} ({summary.model.precision}), {summary.network}")
    print_assumptions(summary.clip)
    print(f"  motion       {describe_odometry(summary.odometry_ticks)}")
    for name, times, meaning in (
        ("latency", summary.plan_ms, "compress + network"),
        ("age", summary.age_ms, "newest image to plan"),
    ):
        if times is not None:
            print(f"  {name:12} {meaning} p50 {times.p50:.1f} ms, p99 {times.p99:.1f} ms (n = {times.samples})")
    if summary.stalls:
        print(
            f"  stalls       this program did not run {counted(summary.stalls, 'time')}, {summary.stalled_ms:.0f} ms "
            f"in all, {summary.longest_stall_ms:.0f} ms at most; images that this made late are no fault of a camera"
        )
    for fault in summary.cameras.faults if summary.cameras else ():
        print(f"  faults       {fault}")
    for name, count in summary.returns.items():
        if count:
            print(f"  returned     {name} {counted(count, 'time')}")
