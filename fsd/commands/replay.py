"""`fsd replay`: arguments, and the printed summary."""

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from fsd.commands.arguments import add_options, config_from, option_group, place_argument, typed_name
from fsd.commands.default_folder import choose_folder, clip_folder
from fsd.commands.exit_codes import DONE, OVER_LIMIT
from fsd.commands.fleet import print_tally, refuse_cameras, require_paths, tally_result
from fsd.commands.summary_lines import print_assumptions, print_length, print_ratios
from fsd.data.errors import ClipError, OutputError, UsageError
from fsd.data.options import declared_options
from fsd.fleet.config import FleetOptions
from fsd.fleet.places import require_extra
from fsd.outputs.progress import describe_s, print_line
from fsd.overlay.layout import OverlayConfig
from fsd.replay.config import BatchOptions, OutputOptions, ReplayConfig, Shard
from fsd.runtime.health import describe_odometry, describe_replaced

if TYPE_CHECKING:
    from fsd.outputs.evaluate_summary import DatasetReplaySummary
    from fsd.outputs.replay_summary import DrivingModes, ReplaySummary, WheelAngleScores
    from fsd.replay.batch import Outcome

EPILOG = """examples:
  fsd replay my_drive/ --out out
  fsd replay phone.mp4                               # one video is taken as the front camera
  fsd replay /media/stick/TeslaCam --out out/stick   # every event on the stick; `fsd events` lists them
  fsd replay drives                                  # a data set of `fsd dataset build`, without its videos
  fsd replay monday/* --workers 2 --out out          # continues where it was interrupted
  fsd replay drives.parquet --out runs --ray         # a table of recordings, on all cores of this machine
  fsd replay s3://bucket/drives --out s3://bucket/runs --ray HEAD:6379     # docs/fleet.md
  fsd replay . --cameras front_main=dashcam.mp4 rear=back.mkv --out out
  fsd replay my_drive/ --start 12 --duration 8 --still 2.5 --out part    # decodes only that part
  fsd replay my_drive/ --from 12 --to 20 --layout focus --overlay-height 1080 --out post"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: one recording or several, and the options of a replay."""
    parser.add_argument(
        "clips",
        type=place_argument,
        nargs="+",
        metavar="CLIP",
        help="recording to replay: a folder or a file of any known format (see docs/formats.md); several, or a folder "
        "of several such as a TeslaCam stick, are replayed in turn; or a data set of `fsd dataset build`; with --ray "
        "also a quoted pattern, a Parquet or CSV file that lists recordings, or a URL",
    )
    add_options(parser, ReplayConfig, skip=("clip", "out"))
    option_group(parser, OutputOptions.heading).add_argument(
        "--out",
        type=place_argument,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help=f"{declared_options(ReplayConfig)['out'].help}; with --ray also a URL (default: out/CLIP, or out/CLIP-2 … "
        f"where that is taken; {ReplayConfig.out} for several, numbered for a data set)",
    )
    add_options(parser, BatchOptions)
    add_options(parser, FleetOptions)


def run(options: argparse.Namespace) -> "dict[str, Any] | ReplaySummary | DatasetReplaySummary":
    """Replay, and print the summary."""
    from fsd.networks.drives.recorded_dataset import is_dataset

    batch, fleet = config_from(BatchOptions, options), config_from(FleetOptions, options)
    if fleet.ray is not None:
        return _run_fleet(options, batch, fleet)
    require_paths(options)
    if any(map(is_dataset, options.clips)):
        return _replay_dataset(options)
    clips = _recordings(options)
    if len(clips) > 1:
        return _run_many(options, batch, clips)
    choose_folder(options, clip_folder(clips[0]))
    config = config_from(ReplayConfig, options, clip=clips[0])
    from fsd.replay.replay import replay

    summary = replay(config)
    if not options.json:
        print_summary(summary, config)
    return with_exit_code(summary)


def _run_fleet(options: argparse.Namespace, batch: BatchOptions, fleet: FleetOptions) -> dict[str, Any]:
    require_extra()
    if batch.force or batch.shard != Shard():
        raise UsageError("--force and --shard do not go with --ray: it divides the recordings itself, each once.")
    refuse_cameras(options)
    out = getattr(options, "out", str(ReplayConfig.out))
    # Every unit gets the recording and the folder of its own.
    template = config_from(ReplayConfig, options, clip=Path(), out=Path())
    from fsd.fleet.replay_fleet import replay_fleet
    from fsd.fleet.run_page import write_run_page
    from fsd.fleet.tables import results_in

    tally = replay_fleet(options.clips, out, template, fleet, batch.workers)
    page = write_run_page(results_in(out), tally.run) if tally.complete + tally.kept else None
    if not options.json:
        print_tally(tally)
        if page is not None:
            print(f"  page         {page}")
    return tally_result(tally)


def _replay_dataset(options: argparse.Namespace) -> "DatasetReplaySummary":
    """Replay a data set, from its shards in place of videos.

    Raises:
        UsageError: there is more than one path, or an option that is for recordings.
    """
    from fsd.commands.evaluate import print_run
    from fsd.evaluate.config import REPLAY_FILES, DatasetReplayConfig
    from fsd.evaluate.replay_dataset import replay_dataset

    if len(options.clips) > 1:
        raise UsageError("A data set is replayed by itself. Name one data set, or recordings only.")
    mine = declared_options(DatasetReplayConfig)
    for kind, prefix in (
        (ReplayConfig, ""),
        (BatchOptions, ""),
        (FleetOptions, ""),
        (OverlayConfig, "overlay_config."),
    ):
        for name, option in declared_options(kind).items():
            if name not in mine and hasattr(options, prefix + name):
                typed = typed_name(option, name, get_type_hints(kind)[name], getattr(kind, name, None))
                raise UsageError(f"{typed} is for recordings, and {options.clips[0]} is a data set. Leave it out.")
    choose_folder(options, DatasetReplayConfig.out)
    config = config_from(DatasetReplayConfig, options, dataset=options.clips[0])
    summary = replay_dataset(config)
    if not options.json:
        print_run(summary)
        files = [name for name in REPLAY_FILES if (config.out / name).exists()]
        print(f"\nwritten: {config.out}/{' '.join(files)}")
    return summary


def with_exit_code(summary: "ReplaySummary") -> "dict[str, Any] | ReplaySummary":
    """The result of the command: with the exit code of an alarm, if a second network raised one."""
    if summary.cross_check is None or not summary.cross_check.alarm_ticks:
        return summary
    return {**msgspec.to_builtins(summary), "exit_code": OVER_LIMIT}


def _recordings(options: argparse.Namespace) -> list[Path]:
    """The recordings at the paths that were given; with `--cameras`, the paths themselves."""
    if getattr(options, "cameras", None):
        return list(options.clips)
    from fsd.data.open_clip import recordings_in

    return recordings_in(options.clips)


def _run_many(options: argparse.Namespace, batch: BatchOptions, clips: list[Path]) -> dict[str, Any]:
    template = config_from(ReplayConfig, options, clip=clips[0])
    if template.cameras is not None:
        raise UsageError("--cameras names the videos of one recording; replay recordings that need it one by one.")
    from fsd.replay.batch import replay_many

    outcomes = replay_many(
        clips,
        template,
        batch.workers or 1,
        batch.shard,
        batch.force,
        _Outcomes(len(clips[batch.shard.index :: batch.shard.count])),
    )
    good = sum(outcome.is_good for outcome in outcomes)
    if not options.json:
        print(f"{good} of {len(outcomes)} recordings are complete in {template.out}")
    is_over = any(outcome.alarm_ticks for outcome in outcomes)
    codes = {outcome.exit_code for outcome in outcomes}
    failed = OutputError.exit_code if OutputError.exit_code in codes else ClipError.exit_code
    code = (OVER_LIMIT if is_over else DONE) if good == len(outcomes) else failed
    return {"recordings": [asdict(outcome) for outcome in outcomes], "exit_code": code}


class _Outcomes:
    """Prints how each of `total` recordings ends, and about how long the others take."""

    def __init__(self, total: int) -> None:
        self._total, self._ended, self._replayed = total, 0, 0
        self._start_s = time.monotonic()

    def __call__(self, outcome: "Outcome") -> None:
        self._ended += 1
        self._replayed += outcome.status != "kept"
        left, passed_s = self._total - self._ended, time.monotonic() - self._start_s
        about = f", about {describe_s(passed_s / self._replayed * left)} left" if left and self._replayed else ""
        print_line(f"{_describe_outcome(outcome)}  [{self._ended} of {self._total}{about}]", not outcome.is_good)


def _describe_outcome(outcome: "Outcome") -> str:
    why = f": {outcome.error.removeprefix(f'{outcome.clip}: ')}" if outcome.error else f", {outcome.ticks} ticks"
    if outcome.alarm_ticks:
        why += f", CROSS-CHECK ALARM at {outcome.alarm_ticks} of them"
    reason = f" ({outcome.reason})" if outcome.reason else ""
    return f"{outcome.status:11} {outcome.clip}{why}{reason}"


def print_summary(summary: "ReplaySummary", config: ReplayConfig) -> None:
    """Print the summary of a replay."""
    print_length(summary)
    print(f"  network      {summary.model.name} ({summary.model.precision}), {summary.network}")
    if summary.model.kernel_warning:
        print(f"  WARNING      {summary.model.kernel_warning}")
    for note in (*summary.model.notes, *summary.plan_notes):
        print(f"  model        {note}")
    print(f"  cameras      {', '.join(summary.clip.cameras)}")
    print_assumptions(summary.clip)
    if set(summary.odometry_ticks) - {"ego"}:
        print(f"  motion       {describe_odometry(summary.odometry_ticks)}")
    if summary.replaced_outputs:
        replaced = describe_replaced(summary.replaced_outputs, summary.health, summary.ticks)
        print(f"  WARNING      plans replaced: {replaced}")
    for run in summary.cameras.runs[1:] if summary.cameras else ():
        hole_s = (run.hole_ns or 0) / 1e9
        print(f"  hole         {hole_s:.1f} s before tick {run.first_tick}, where the memory starts anew")
    for fault in summary.cameras.faults if summary.cameras else ():
        print(f"  faults       {fault}")
    print(f"  speed        {summary.times_real_time or 0.0:.2f}x real time{summary.with_files}{summary.speed_verdict}")
    if plan_ms := summary.stages_ms.get("plan"):
        before = "inputs" if summary.compression is None else "compress"
        print(
            f"  latency      {before} + network p50 {plan_ms.p50:.1f} ms, p99 {plan_ms.p99:.1f} ms "
            f"(n = {plan_ms.samples}); over {summary.deadline.tick_ms} ms: {summary.deadline.ticks_over}"
        )
    if summary.compression is not None:
        print_ratios(summary.compression)
    if summary.cross_check is not None:
        from fsd.outputs.cross_check_summary import describe_cross_check, describe_second

        print(
            f"  cross-check  {describe_second(summary.cross_check.second)}: {describe_cross_check(summary.cross_check)}"
        )
    joules = summary.joules_per_tick
    value = "unavailable" if joules.value is None else f"{joules.value:.2f} {joules.tag}"
    print(f"  joules/tick  {value} ({joules.source})")
    for planner, scores in msgspec.structs.asdict(summary.scores).items() if summary.scores else ():
        if "ade_3s_m" in scores:
            print(f"  ADE@3s       {scores['ade_3s_m']:.2f} m {planner.replace('_', ' ')} (n = {scores['ticks_3s']})")
    _print_wheel_angle(summary.wheel_angle)
    _print_driving_modes(summary.driving_modes)
    print(f"  plan hash    {summary.plan_hash}")
    viewer = summary.viewer_file
    if viewer and viewer.why:
        print(f"  no mcap      {viewer.why}")
    video = viewer.video if viewer else {}
    for how in sorted(set(video.values()) - {"passed through"}):
        print(f"  mcap video   {', '.join(name for name, each in video.items() if each == how)}: {how}")
    overlay = summary.overlay_file
    if overlay and overlay.why:
        print(f"  no overlay   {overlay.why}")
    elif overlay and overlay.max_mb is not None:
        again = ", encoded twice" if overlay.encoded_twice else ""
        print(
            f"  overlay      {overlay.megabytes:.2f} MB of at most {overlay.max_mb:g} MB, "
            f"{overlay.width_px}x{overlay.height_px}{again}"
        )
    files = [name for name in config.result_files if (config.out / name).exists()]
    print(f"  written      {config.out}/{' '.join(files)}")


def _print_wheel_angle(wheel: "WheelAngleScores | None") -> None:
    """Errors of the steering wheel's angle, where the recording has it."""
    if wheel is not None and wheel.errors:
        errors = ", ".join(f"{error_rad:.3f} rad {name}" for name, error_rad in wheel.errors.items())
        print(f"  wheel angle  {errors} (root mean square, n = {wheel.ticks}; {wheel.geometry})")


def _print_driving_modes(modes: "DrivingModes | None") -> None:
    """Who drove, and the plan errors apart."""
    if modes is None:
        return
    ticks = sum(modes.ticks.values()) or 1
    shares = (f"{mode.replace('_', ' ')} {count / ticks:.0%}" for mode, count in modes.ticks.items())
    print(f"  driven by    {', '.join(shares)}; {modes.disengagements} disengagements, {modes.engagements} engagements")
    errors = (
        ("ADE@3s", "ade_3s_m", "m", "ticks_3s"),
        ("curvature", "curvature_mae_per_m", "1/m", "ticks_curvature"),
        ("acceleration", "acceleration_mae_mps2", "m/s²", "ticks_acceleration"),
    )
    for group, scores in modes.scores.items():
        found = scores.network
        known = [f"{name} {found[key]:.3g} {unit} (n = {found[n]})" for name, key, unit, n in errors if key in found]
        if known:
            print(f"  {group:12} {', '.join(known)}")
