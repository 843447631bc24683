"""Measure one tick from a frame set to a written plan.

Steps the planner as replay does and writes replay's tables, into a temporary folder.
"""

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from fsd.data.clip import Clip
from fsd.data.clock import tick_count, tick_time_ns
from fsd.data.ego import COMMANDS, EgoSample
from fsd.data.frames import FrameSet
from fsd.outputs.tables import ResultTables
from fsd.runtime.planner import Planner


@dataclass(frozen=True, slots=True)
class StepTimes:
    """When a tick's plan was ready (`time.perf_counter_ns`), and how long the stages took.

    `post_ms` is everything from the network's output to the returned plan, the cost of the call included.
    """

    planned_ns: int
    compress_ms: float
    bind_ms: float
    infer_ms: float
    post_ms: float
    write_ms: float


class TimedPipeline:
    """The planner of one clip and the tables it writes; use it as a context manager.

    The recording's ego motion and commands repeat with its images.
    """

    def __init__(self, clip: Clip, planner: Planner) -> None:
        self.clip = clip
        self.planner = planner
        streams = [stream for stream in clip.streams if stream is not None]
        starts = [stream.start_ns for stream in streams if stream.start_ns is not None]
        ends = [stream.end_ns for stream in streams if stream.end_ns is not None]
        self._start_ns = min(starts, default=0)
        self._clip_ticks = max(1, tick_count(self._start_ns, max(ends, default=self._start_ns)))

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="fsd-profile-")))
        self._tables = self._stack.enter_context(closing(ResultTables(folder, self.planner.metadata)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def reset(self) -> None:
        """Clear the planner's state, as between two recordings."""
        self.planner.reset()

    def car_at(self, frame_set: FrameSet) -> tuple[EgoSample | None, str]:
        """The recorded ego motion and route command of the tick."""
        recorded_ns = tick_time_ns(frame_set.tick % self._clip_ticks, self._start_ns)
        ego = self.clip.ego.sample_at(recorded_ns) if self.clip.ego else None
        return ego, self.clip.commands.command_at(recorded_ns) if self.clip.commands else COMMANDS[0]

    def step(self, frame_set: FrameSet, ego: EgoSample | None, command: str) -> StepTimes:
        """Plan for one tick and write it."""
        start_ns = time.perf_counter_ns()
        result = self.planner.step(frame_set, ego, command)
        planned_ns = time.perf_counter_ns()
        self._tables.append(result, 0.0, 0.0)
        written_ns = time.perf_counter_ns()
        return StepTimes(
            planned_ns=planned_ns,
            compress_ms=result.compress_ms,
            bind_ms=result.bind_ms,
            infer_ms=result.infer_ms - result.bind_ms,
            post_ms=(planned_ns - start_ns) / 1e6 - result.compress_ms - result.infer_ms,
            write_ms=(written_ns - planned_ns) / 1e6,
        )
