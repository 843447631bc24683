"""Replay one recording offline: every tick planned, everything written, whatever goes wrong on the way.

Runs flat out. Ctrl-C, a full disk or a broken file end the run early; what was computed until then is kept, readable,
and `summary.json` says how the run ended.
"""

import importlib.util
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from fsd.data.clip import Clip, open_clip
from fsd.data.ego import COMMANDS
from fsd.data.errors import UsageError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import FrameSet
from fsd.doctor import install_line
from fsd.meters.energy_count import energy_count
from fsd.networks.onnx_session import PROVIDERS
from fsd.outputs.replay_summary import ReplaySummary, ViewerFile
from fsd.outputs.run_folder import make_result_folder
from fsd.outputs.summary_file import write_summary
from fsd.outputs.tables import ResultTables
from fsd.overlay.layout import OverlayConfig
from fsd.overlay.overlay import Overlay
from fsd.replay.page import write_report
from fsd.replay.run_record import RunRecord
from fsd.replay.worst_ticks import Moments
from fsd.runtime.engine import Engine
from fsd.runtime.pipeline import Pipeline
from fsd.third_party.adapted_model import AdaptedModel
from fsd.third_party.adapted_pipeline import AdaptedPipeline
from fsd.viewers.foxglove_layout import LAYOUT_FILE

if TYPE_CHECKING:
    from fsd.viewers.mcap_writer import DriveMcap
    from fsd.viewers.rerun_writer import DriveRerun


@dataclass(frozen=True)
class ReplayConfig:
    """Settings of `fsd replay`.

    Attributes:
        clip: folder or video file of the recording; out: folder for the results, made when missing.
        cameras: camera name -> video, where the names cannot be told from the files.
        model: ONNX file with fsd metadata; None is the packaged one.
        adapter: `adapter.json` for a `model` without such metadata.
        device: what the network runs on, one of `onnx_session.PROVIDERS`.
        threads: of the network; decode_workers: threads that decode, each serving several cameras.
        max_ticks: stop after this many; None replays everything.
        max_age_ms: a camera whose newest frame is older is masked.
        command: route command for the whole clip, over the recorded ones; one of `COMMANDS`.
        overlay: write `overlay.mp4`; report: write `report.html`; mcap: write `drive.mcap`, where the `viewer` extra is
            installed (the summary says so where it is not); rerun: write `drive.rrd`, which needs the `rerun` extra.
        overlay_config: what the overlay shows, where, and from when to when.
        latency_ms: what a plan is taken to cost in the latency-charged scores; None takes what was measured.
    """

    clip: Path
    out: Path = Path("out")
    cameras: Mapping[str, Path] | None = None
    model: Path | None = None
    adapter: Path | None = None
    device: str = "cpu"
    threads: int = 1
    decode_workers: int = 2
    max_ticks: int | None = None
    max_age_ms: float = 250.0
    command: str | None = None
    overlay: bool = True
    report: bool = True
    mcap: bool = True
    rerun: bool = False
    overlay_config: OverlayConfig = field(default_factory=OverlayConfig)
    latency_ms: float | None = None

    def __post_init__(self) -> None:
        if self.threads < 1 or self.decode_workers < 1:
            raise ValueError(
                f"threads and decode_workers must be at least 1, got {self.threads} and {self.decode_workers}."
            )
        if self.adapter is not None and self.model is None:
            raise ValueError("adapter needs the model that it is for: give `--model` as well.")
        if self.device not in PROVIDERS:
            raise ValueError(f"device must be one of {', '.join(PROVIDERS)}; got {self.device!r}.")
        if self.max_ticks is not None and self.max_ticks < 1:
            raise ValueError(f"max_ticks must be at least 1, got {self.max_ticks}.")
        if self.max_age_ms <= 0:
            raise ValueError(f"max_age_ms must be positive, got {self.max_age_ms}.")
        if self.latency_ms is not None and not 0 <= self.latency_ms < float("inf"):
            raise ValueError(f"latency_ms must be 0 or more, got {self.latency_ms}.")
        if self.command is not None and self.command not in COMMANDS:
            raise ValueError(f"command must be one of {', '.join(COMMANDS)}; got {self.command!r}.")


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
    engine = _engine(config)
    make_result_folder(config.out, ("overlay.mp4", "report.html", "drive.mcap", LAYOUT_FILE, "drive.rrd"))
    record = RunRecord(clip, engine.metadata, config.latency_ms)
    moments = Moments(clip, engine.metadata) if config.report else None
    write_summary(config.out, record.summary("running"))
    try:
        _run(config, clip, engine, record, moments, show_progress)
    except KeyboardInterrupt:
        _finish(config, clip, record.summary("interrupted"), moments)
        raise
    except BaseException as error:
        try:
            _finish(config, clip, record.summary("failed", error), moments)
        except Exception as second:  # on a full disk nothing can be written; the first error is the one that matters
            error.add_note(f"The summary or the report could not be written either: {second}")
        raise
    summary = record.summary("complete")
    _finish(config, clip, summary, moments)
    return summary


def _engine(config: ReplayConfig) -> Engine | AdaptedModel:
    """What plans: our engine, or another's model behind its adapter."""
    if config.adapter is None or config.model is None:
        return Engine(config.model, threads=config.threads, device=config.device)
    return AdaptedModel(config.model, config.adapter, config.threads, config.device)


def _finish(config: ReplayConfig, clip: Clip, summary: ReplaySummary, moments: Moments | None) -> None:
    write_summary(config.out, summary)
    if moments is not None:
        write_report(config.out / "report.html", config.out, clip, moments)


def _run(
    config: ReplayConfig,
    clip: Clip,
    engine: Engine | AdaptedModel,
    record: RunRecord,
    moments: Moments | None,
    show_progress: bool,
) -> None:
    pipeline = AdaptedPipeline(engine) if isinstance(engine, AdaptedModel) else Pipeline(clip.rig, engine)
    with ExitStack() as stack:
        tables = stack.enter_context(
            closing(ResultTables(config.out, engine.metadata.trained, engine.budget.patch_count))
        )
        overlay = None
        if config.overlay:
            overlay = stack.enter_context(
                closing(Overlay(config.out / "overlay.mp4", clip, engine.metadata, config.overlay_config))
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
            viewer for open_viewer in (_mcap, _rerun) if (viewer := open_viewer(config, clip, engine, record, stack))
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
                record.warm_up_s = _warm_up(pipeline, frame_set, show_progress)
                record.energy = energy_count()
                waiting_since_ns, is_warm = time.perf_counter_ns(), True
            wait_ms = (time.perf_counter_ns() - waiting_since_ns) / 1e6
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            command = config.command or (
                clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else COMMANDS[0]
            )
            result = pipeline.step(frame_set, ego, command)
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


def _warm_up(pipeline: Pipeline | AdaptedPipeline, frame_set: FrameSet, show_progress: bool) -> float:
    """Get ready on the first frame set; returns the seconds it took."""
    start_s = time.perf_counter()
    if show_progress and sys.stderr.isatty():
        print("getting ready (compiles once on a new machine) …", file=sys.stderr)
    pipeline.warm_up(frame_set)
    return time.perf_counter() - start_s


def _mcap(
    config: ReplayConfig, clip: Clip, engine: Engine | AdaptedModel, record: RunRecord, stack: ExitStack
) -> "DriveMcap | None":
    """`drive.mcap`, or None; `record` is told which, and why."""
    if not config.mcap:
        return None
    try:
        from fsd.viewers.mcap_writer import DriveMcap
    except ImportError as error:
        record.viewer_file = ViewerFile(file=None, why=f"{error}; it comes with the extra `viewer` (see `fsd doctor`)")
        return None
    viewer = stack.enter_context(closing(DriveMcap(config.out / "drive.mcap", clip, engine.metadata)))
    record.viewer_file = ViewerFile(file="drive.mcap", layout=LAYOUT_FILE, video=viewer.video)
    return viewer


def _rerun(
    config: ReplayConfig, clip: Clip, engine: Engine | AdaptedModel, record: RunRecord, stack: ExitStack
) -> "DriveRerun | None":
    """`drive.rrd`, if it was asked for."""
    if not config.rerun:
        return None
    from fsd.viewers.rerun_writer import DriveRerun

    viewer = stack.enter_context(closing(DriveRerun(config.out / "drive.rrd", clip, engine.metadata)))
    record.rerun_file = ViewerFile(file="drive.rrd", video=viewer.video)
    return viewer


def _check_rerun() -> None:
    """Whoever asks for `drive.rrd` wants it: without the package nothing is begun."""
    if importlib.util.find_spec("rerun") is None:
        raise UsageError(f"`--rerun` needs the package rerun-sdk, 170 MB to download:\n  {install_line('rerun')}")
