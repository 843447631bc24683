"""One tick of the whole path under the clock: from a frame set to a plan that is written.

Runs the pipeline of replay and writes the tables that replay writes, into a folder that is thrown away.
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
from fsd.profile.instrumented_model import Subject
from fsd.runtime.pipeline import TickResult


@dataclass(frozen=True, slots=True)
class StepTimes:
    """When a tick had its plan (`time.perf_counter_ns`), and what the parts took.

    `post_ms` is everything from the network's answer to the plan in hand, the cost of calling included.
    """

    planned_ns: int
    compress_ms: float
    bind_ms: float
    infer_ms: float
    post_ms: float
    write_ms: float


class WholePath:
    """The pipeline of one clip and the tables it writes; use it as a context manager.

    The recording's ego motion and commands repeat with its pictures.
    """

    def __init__(self, clip: Clip, subject: Subject) -> None:
        self.clip = clip
        self.subject = subject
        self.pipeline = subject.pipeline(clip.rig)
        self.last: TickResult | None = None
        streams = [stream for stream in clip.streams if stream is not None]
        starts = [stream.start_ns for stream in streams if stream.start_ns is not None]
        ends = [stream.end_ns for stream in streams if stream.end_ns is not None]
        self._start_ns = min(starts, default=0)
        self._clip_ticks = max(1, tick_count(self._start_ns, max(ends, default=self._start_ns)))

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="fsd-profile-")))
        self._tables = self._stack.enter_context(
            closing(ResultTables(folder, self.subject.metadata.trained, self.subject.budget.patch_count))
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def reset(self) -> None:
        """Forget the drive, as between two recordings."""
        self.pipeline.reset()

    def car_at(self, frame_set: FrameSet) -> tuple[EgoSample | None, str]:
        """What the car told at the tick: its motion, and the route command."""
        recorded_ns = tick_time_ns(frame_set.tick % self._clip_ticks, self._start_ns)
        ego = self.clip.ego.sample_at(recorded_ns) if self.clip.ego else None
        return ego, self.clip.commands.command_at(recorded_ns) if self.clip.commands else COMMANDS[0]

    def step(self, frame_set: FrameSet, ego: EgoSample | None, command: str) -> StepTimes:
        """Plan for one tick and write it."""
        start_ns = time.perf_counter_ns()
        result = self.last = self.pipeline.step(frame_set, ego, command)
        planned_ns = time.perf_counter_ns()
        self._tables.append(result, 0.0, 0.0)
        written_ns = time.perf_counter_ns()
        bind_ms = self.subject.bind_ms
        return StepTimes(
            planned_ns=planned_ns,
            compress_ms=result.compress_ms,
            bind_ms=bind_ms,
            infer_ms=result.infer_ms - bind_ms,
            post_ms=(planned_ns - start_ns) / 1e6 - result.compress_ms - result.infer_ms,
            write_ms=(written_ns - planned_ns) / 1e6,
        )
