"""Plan for live cameras, at 36 Hz of the clock, until they end, `max_ticks` is reached, or Ctrl-C."""

import time
from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from fsd.data.frames import RATE_HZ
from fsd.data.live.live_source import LiveSource
from fsd.data.rig import load_rig
from fsd.live.config import LiveConfig
from fsd.live.page_server import PageServer
from fsd.live.plan_board import PlanBoard
from fsd.outputs.live_summary import LiveSummary
from fsd.outputs.run_info import (
    Status,
    TimePercentiles,
    clip_info,
    describe_training,
    model_info,
    sync_summary,
    time_percentiles,
)
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.third_party.open_planner import chosen_planner


class LivePlan(NamedTuple):
    """A plan as it is handed out.

    Attributes:
        age_ms: from the newest valid image to the plan; NaN where no image is valid.
        away: camera -> why it has no images now; skipped_ticks: until now.
        stalled_ms: for how long this program did not run until now, in stalls of over 50 ms.
    """

    result: StepResult
    age_ms: float
    away: dict[str, str]
    skipped_ticks: int
    stalled_ms: float = 0.0


def live(
    config: LiveConfig,
    on_plan: Callable[[LivePlan], None] | None = None,
    on_start: Callable[[LiveSource, PlannerMetadata, str], None] | None = None,
) -> LiveSummary:
    """Run on live cameras.

    Args:
        on_plan: called with every plan, between ticks.
        on_start: called before the first tick with the cameras, the planner's facts, and the page's address ("" without
            one).

    Raises:
        ClipError, RigError, ModelError, UsageError: nothing could be planned, or a camera gave no images that can be
            used.
    """
    rig = None if config.rig is None else load_rig(config.rig)
    with ExitStack() as stack:
        server = stack.enter_context(PageServer(config.port)) if config.serve else None
        source = stack.enter_context(
            LiveSource(
                config.cameras,
                rig,
                max_age_ns=round(config.max_age_ms * 1e6),
                max_ticks=config.max_ticks,
                mask_cameras=config.mask_cameras,
                start_timeout_s=config.wait_s,
                input_options=config.input_options,
            )
        )
        planner = chosen_planner(source.clip, config)
        planner.warm_up(source.preview())
        board = None
        if server is not None:
            board = stack.enter_context(PlanBoard(source.clip, planner.metadata, config.command))
            server.begin(board)
        if on_start is not None:
            on_start(source, planner.metadata, "" if server is None else server.address)
        record = _Record(source, planner.metadata)
        status: Status = "complete"
        try:
            for frame_set in source:
                result = planner.step(frame_set, None, config.command)
                plan = record.add(result)
                if board is not None:
                    board.show(plan.result)
                if on_plan is not None:
                    on_plan(plan)
        except KeyboardInterrupt:
            status = "interrupted"
        return record.summary(status)


class _Record:
    """Counts plans; memory use is constant except for 16 bytes per tick."""

    def __init__(self, source: LiveSource, metadata: PlannerMetadata) -> None:
        self._source, self._metadata = source, metadata
        self._start_s = time.perf_counter()
        self._plan_ms, self._age_ms = array("d"), array("d")
        self._health: Counter[str] = Counter()
        self._odometry: Counter[str] = Counter()

    def add(self, result: StepResult) -> LivePlan:
        frame_set = result.frame_set
        valid_ns = [
            frame.timestamp_ns
            for frame, is_valid in zip(frame_set.frames, frame_set.is_valid, strict=True)
            if frame is not None and is_valid
        ]
        age_ms = (self._source.now_ns() - max(valid_ns)) / 1e6 if valid_ns else float("nan")
        self._plan_ms.append(result.plan_ms)
        if valid_ns:
            self._age_ms.append(age_ms)
        self._health.update(result.plan.health.split(";"))
        self._odometry[result.odometry] += 1
        away = {name: state for name, state in self._source.states.items() if state != "live"}
        return LivePlan(result, age_ms, away, self._source.skipped_ticks, self._source.stalls.stalled_ns / 1e6)

    def summary(self, status: Status) -> LiveSummary:
        source = self._source
        return LiveSummary(
            status=status,
            error=None,
            clip=clip_info(source.clip),
            ticks=len(self._plan_ms),
            drive_s=float((len(self._plan_ms) + source.skipped_ticks) / RATE_HZ),
            wall_s=time.perf_counter() - self._start_s,
            odometry_ticks=dict(self._odometry),
            cameras=sync_summary(source.report),
            network=describe_training(self._metadata, source.clip),
            model=model_info(self._metadata),
            skipped_ticks=source.skipped_ticks,
            stalls=source.stalls.stalls,
            stalled_ms=source.stalls.stalled_ns / 1e6,
            longest_stall_ms=source.stalls.longest_ns / 1e6,
            returns=source.returns,
            plan_ms=_percentiles(self._plan_ms),
            age_ms=_percentiles(self._age_ms),
            health=dict(self._health),
        )


def _percentiles(values: "array[float]") -> TimePercentiles | None:
    return time_percentiles(np.array(values)) if values else None
