"""Replay one recording offline: every tick planned, everything written, whatever goes wrong on the way.

Runs flat out. Ctrl-C, a full disk or a broken file end the run early; what was computed until then is kept, readable,
and `summary.json` says how the run ended.
"""

import importlib.util
import sys
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from tqdm import tqdm

from fsd.data.clip import Clip, open_clip
from fsd.data.ego import COMMANDS
from fsd.data.errors import UsageError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import FrameSet
from fsd.extras import install_line
from fsd.meters.energy_count import energy_count
from fsd.outputs.replay_summary import ReplaySummary, ViewerFile
from fsd.outputs.run_folder import make_result_folder
from fsd.outputs.run_info import Status
from fsd.outputs.run_status import run_reported
from fsd.outputs.summary_file import write_summary
from fsd.outputs.tables import ResultTables
from fsd.overlay.overlay import Overlay
from fsd.replay.config import ReplayConfig
from fsd.replay.page import write_report
from fsd.replay.run_record import RunRecord
from fsd.replay.worst_ticks import Moments
from fsd.runtime.planner import Planner
from fsd.third_party.open_planner import open_planner
from fsd.viewers.foxglove_layout import LAYOUT_FILE

if TYPE_CHECKING:
    from fsd.viewers.mcap_writer import DriveMcap
    from fsd.viewers.rerun_writer import DriveRerun


def replay(config: ReplayConfig, show_progress: bool = True) -> ReplaySummary:
    """Plan for every tick of a recording and write the results to `config.out`.

    Returns:
        The content of `summary.json`.

    Raises:
        ClipError, ModelError, UsageError: nothing could be computed.
        FsdError: the run broke off; what was computed is in `config.out`.
        KeyboardInterrupt: likewise, on Ctrl-C.
    """
    if config.rerun:
        _check_rerun()
    clip = open_clip(config.clip, config.cameras)
    planner = open_planner(clip.rig, config.model, config.adapter, config.threads, config.device)
    make_result_folder(config.out, ("overlay.mp4", "report.html", "drive.mcap", LAYOUT_FILE, "drive.rrd"))
    record = RunRecord(clip, planner.metadata, config.latency_ms)
    moments = Moments(clip, planner.metadata) if config.report else None

    def report(status: Status, error: BaseException | None) -> ReplaySummary:
        summary = record.summary(status, error)
        write_summary(config.out, summary)
        if moments is not None and status != "running":
            write_report(config.out / "report.html", config.out, clip, moments)
        return summary

    return run_reported(lambda: _run(config, clip, planner, record, moments, show_progress), report)


def _run(
    config: ReplayConfig,
    clip: Clip,
    planner: Planner,
    record: RunRecord,
    moments: Moments | None,
    show_progress: bool,
) -> None:
    with ExitStack() as stack:
        tables = stack.enter_context(closing(ResultTables(config.out, planner.metadata)))
        overlay = None
        if config.overlay:
            overlay = stack.enter_context(
                closing(Overlay(config.out / "overlay.mp4", clip, planner.metadata, config.overlay_config))
            )
        source = stack.enter_context(
            FrameSource(
                clip,
                workers=config.decode_workers,
                max_age_ns=round(config.max_age_ms * 1e6),
                max_ticks=config.max_ticks,
            )
        )
        stack.callback(lambda: record.finish(source.report))
        viewers = [
            viewer for open_viewer in (_mcap, _rerun) if (viewer := open_viewer(config, clip, planner, record, stack))
        ]
        if moments is not None:
            moments.expect(source.expected_ticks)
        progress = stack.enter_context(
            tqdm(total=source.expected_ticks, unit="tick", disable=None if show_progress else True, file=sys.stderr)
        )
        write_ms = 0.0
        is_warm = False
        waiting_since_ns = time.perf_counter_ns()
        for frame_set in source:
            if not is_warm:
                record.warm_up_s = _warm_up(planner, frame_set, show_progress)
                record.energy = energy_count()
                waiting_since_ns, is_warm = time.perf_counter_ns(), True
            wait_ms = (time.perf_counter_ns() - waiting_since_ns) / 1e6
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            command = config.command or (
                clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else COMMANDS[0]
            )
            result = planner.step(frame_set, ego, command)
            write_start_ns = time.perf_counter_ns()
            tables.append(result, wait_ms, write_ms)
            record.add(result, wait_ms, write_ms)
            if overlay is not None:
                overlay.add(result, ego, command)
            if moments is not None:
                moments.add(result, ego, command)
            for viewer in viewers:
                viewer.add(result, ego, command, wait_ms)
            progress.update()
            waiting_since_ns = time.perf_counter_ns()
            write_ms = (waiting_since_ns - write_start_ns) / 1e6


def _warm_up(planner: Planner, frame_set: FrameSet, show_progress: bool) -> float:
    """Warm up on the first frame set; returns the seconds it took."""
    start_s = time.perf_counter()
    if show_progress and sys.stderr.isatty():
        print("getting ready (compiles once on a new machine) …", file=sys.stderr)
    planner.warm_up(frame_set)
    return time.perf_counter() - start_s


def _mcap(
    config: ReplayConfig, clip: Clip, planner: Planner, record: RunRecord, stack: ExitStack
) -> "DriveMcap | None":
    """`drive.mcap`, or None; `record` is told which, and why."""
    if not config.mcap:
        return None
    try:
        from fsd.viewers.mcap_writer import DriveMcap
    except ImportError as error:
        record.viewer_file = ViewerFile(file=None, why=f"{error}; it comes with the extra `viewer` (see `fsd doctor`)")
        return None
    viewer = stack.enter_context(closing(DriveMcap(config.out / "drive.mcap", clip, planner.metadata)))
    record.viewer_file = ViewerFile(file="drive.mcap", layout=LAYOUT_FILE, video=viewer.video)
    return viewer


def _rerun(
    config: ReplayConfig, clip: Clip, planner: Planner, record: RunRecord, stack: ExitStack
) -> "DriveRerun | None":
    """`drive.rrd`, if it was asked for."""
    if not config.rerun:
        return None
    from fsd.viewers.rerun_writer import DriveRerun

    viewer = stack.enter_context(closing(DriveRerun(config.out / "drive.rrd", clip, planner.metadata)))
    record.rerun_file = ViewerFile(file="drive.rrd", video=viewer.video)
    return viewer


def _check_rerun() -> None:
    """Whoever asks for `drive.rrd` wants it: without the package nothing is begun."""
    if importlib.util.find_spec("rerun") is None:
        raise UsageError(f"`--rerun` needs the package rerun-sdk, 170 MB to download:\n  {install_line('rerun')}")
