"""Replay one recording offline: plan for every tick and write all results.

Runs as fast as the machine allows. Ctrl-C, a full disk or a broken file end the run early; the results until then stay
readable, and `summary.json` states how the run ended.
"""

import importlib.util
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from fsd.data.clip import Clip
from fsd.data.ego import COMMANDS
from fsd.data.errors import UsageError
from fsd.data.frames import FrameSet
from fsd.data.open_clip import open_clip
from fsd.data.result_folder import ResultFolder, result_folder
from fsd.extras import install_line
from fsd.meters.energy_count import energy_count
from fsd.meters.machine_load import LoadWatch
from fsd.outputs.disk_space import replay_bytes, video_bytes, warn_if_short
from fsd.outputs.progress import print_step, progress_bar
from fsd.outputs.replay_summary import ReplaySummary, ViewerFile
from fsd.outputs.run_status import run_reported
from fsd.outputs.tables import ResultTables
from fsd.overlay.still import Still
from fsd.overlay.video_writer import Overlay, check_limits, expected_images
from fsd.replay.config import RESULT_FILES, STILL_FILE, ReplayConfig
from fsd.replay.film import Film
from fsd.replay.fingerprint import fingerprint
from fsd.replay.page import write_report
from fsd.replay.run_record import RunRecord
from fsd.replay.tick_tables import write_errors, write_worst_ticks
from fsd.replay.worst_ticks import WorstTicks
from fsd.runtime.planner import Planner
from fsd.third_party.open_planner import chosen_planner
from fsd.viewers.foxglove_layout import LAYOUT_FILE

if TYPE_CHECKING:
    from fsd.viewers.drive_writer import DriveWriter

TickImages = WorstTicks | Film | Overlay | Still
"""What draws ticks while they are in memory."""


def replay(
    config: ReplayConfig,
    show_progress: bool = True,
    open_planner: Callable[[Clip, ReplayConfig], Planner] = chosen_planner,
) -> ReplaySummary:
    """Plan for every tick of a recording and write the results to `config.out`.

    Args:
        open_planner: opens the model, or takes one that is loaded.

    Returns:
        The content of `summary.json`.

    Raises:
        ClipError, ModelError, UsageError: nothing could be computed.
        FsdError: the run ended early; its results until then are in `config.out`.
        KeyboardInterrupt: the same, on Ctrl-C.
    """
    if config.rerun and importlib.util.find_spec("rerun") is None:  # checked before anything is computed
        raise UsageError(f"`--rerun` needs the package rerun-sdk, 170 MB to download:\n  {install_line('rerun')}")
    say = print_step if show_progress else lambda part: None
    say(f"opening {config.clip}")
    clip = open_clip(config.clip, config)
    if config.overlay_config.has_limits:
        with config.frame_source(clip) as source:
            check_limits(config.overlay_config, source.expected_ticks, config.overlay)
    say("loading the model")
    planner = open_planner(clip, config)
    record = RunRecord(clip, planner.metadata, config.latency_ms)
    record.is_on_processor = config.device == "cpu"
    worst_ticks, film = WorstTicks(clip, planner.metadata), Film(clip)
    images: list[TickImages] = [worst_ticks, film] if config.report else []

    def write_page(summary: ReplaySummary) -> None:
        if config.report:
            say("writing the report")
            write_report(config.out / "report.html", config.out, summary, clip, worst_ticks, film)
            write_worst_ticks(config.out, worst_ticks.finished(), worst_ticks.measure)
        if clip.ego is not None:
            write_errors(config.out, clip.ego)

    with result_folder(config.out, "replay", RESULT_FILES, config.inputs(clip.files)) as folder:
        folder.set_aside(config.result_files)
        record.made_from = fingerprint(config)
        return run_reported(
            folder,
            lambda: _run(config, folder, clip, planner, record, images, show_progress),
            record.summary,
            write_page,
        )


def _run(
    config: ReplayConfig,
    folder: ResultFolder,
    clip: Clip,
    planner: Planner,
    record: RunRecord,
    images: list[TickImages],
    show_progress: bool,
) -> None:
    with ExitStack() as stack:
        tables = stack.enter_context(closing(ResultTables(config.out, planner.metadata)))
        if config.overlay:
            overlay = Overlay(config.out / "overlay.mp4", clip, planner.metadata, config.overlay_config)
            stack.callback(lambda: setattr(record, "overlay_file", overlay.file))
            images.append(stack.enter_context(closing(overlay)))
        if config.overlay_config.still_s is not None:
            images.append(Still(config.out / STILL_FILE, clip, planner.metadata, config.overlay_config))
        source = stack.enter_context(config.frame_source(clip))
        stack.callback(lambda: record.finish(source.report))
        viewers = _open_viewers(config, clip, planner, record, stack)
        for image in images:
            image.expect(source.expected_ticks)
        if source.expected_ticks is not None:
            warn_if_short(config.out, _needed_bytes(config, clip, source.expected_ticks))
        progress = stack.enter_context(progress_bar(source.expected_ticks, "tick", "replay", show_progress))
        # First at the end: the last rows matter more than the rest of the video on a full disk.
        stack.callback(tables.flush)
        stack.callback(folder.free_rows)
        write_ms, is_warm, waiting_since_ns = 0.0, False, time.perf_counter_ns()
        for frame_set in source:
            if not is_warm:
                record.warm_up_s = _warm_up(planner, frame_set, show_progress)
                record.energy, record.watch = energy_count(), LoadWatch()
                waiting_since_ns, is_warm = time.perf_counter_ns(), True
            wait_ms = (time.perf_counter_ns() - waiting_since_ns) / 1e6
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            command = config.command or (
                clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else COMMANDS[0]
            )
            result = planner.step(frame_set, ego, command)
            write_start_ns = time.perf_counter_ns()
            mode = clip.modes.mode_at(frame_set.timestamp_ns) if clip.modes else None
            tables.append(result, wait_ms, write_ms, mode)
            record.add(result, wait_ms, write_ms)
            for image in images:
                image.add(result, ego, command)
            for viewer in viewers:
                viewer.add(result, ego, command, wait_ms)
            progress.update()
            waiting_since_ns = time.perf_counter_ns()
            write_ms = (waiting_since_ns - write_start_ns) / 1e6


def _needed_bytes(config: ReplayConfig, clip: Clip, ticks: int) -> float:
    """Space that the results of a replay of so many ticks need."""
    height_px = config.overlay_config.height_px
    images = expected_images(config.overlay_config, ticks) if config.overlay else 0
    viewers = config.mcap + config.rerun
    video = video_bytes(clip, ticks) if viewers else 0.0
    return replay_bytes(ticks, images * height_px * height_px * 16 / 9, video, viewers, config.report)


def _warm_up(planner: Planner, frame_set: FrameSet, show_progress: bool) -> float:
    """Warm up on the first frame set; returns the seconds it took."""
    start_s = time.perf_counter()
    if show_progress:
        print_step("getting ready (compiles once on a new machine)")
    planner.warm_up(frame_set)
    return time.perf_counter() - start_s


def _open_viewers(
    config: ReplayConfig, clip: Clip, planner: Planner, record: RunRecord, stack: ExitStack
) -> "list[DriveWriter]":
    """Writers of `drive.mcap` and `drive.rrd`, if wanted; `record` notes what is written, or why not."""
    viewers: list[DriveWriter] = []
    if config.mcap:
        try:
            from fsd.viewers.mcap_writer import DriveMcap
        except ImportError as error:
            why = f"{error}; it comes with the extra `viewer` (see `fsd doctor`)"
            record.viewer_file = ViewerFile(file=None, why=why)
        else:
            writer = DriveMcap(config.out / "drive.mcap", clip, planner.metadata, config.keep_location)
            mcap = stack.enter_context(closing(writer))
            record.viewer_file = ViewerFile(file="drive.mcap", layout=LAYOUT_FILE, video=mcap.video)
            viewers.append(mcap)
    if config.rerun:
        from fsd.viewers.rerun_writer import DriveRerun

        recording = DriveRerun(config.out / "drive.rrd", clip, planner.metadata, config.keep_location)
        rerun = stack.enter_context(closing(recording))
        record.rerun_file = ViewerFile(file="drive.rrd", video=rerun.video)
        viewers.append(rerun)
    return viewers
