"""Plan one tick as replay does, write its tables to a temporary folder, and measure every stage."""

import time
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from fsd.data.camera_health.monitor import CameraMonitor
from fsd.data.clip import Clip
from fsd.data.clock import tick_count, tick_time_ns
from fsd.data.ego import COMMANDS
from fsd.data.frames import FrameSet
from fsd.outputs.cross_check_summary import CrossCheckRecord
from fsd.outputs.tables import ResultTables
from fsd.profile.scenarios.samples import TickTimes
from fsd.runtime.planner import Planner


class TimedPipeline:
    """The planner of one clip and the tables it writes; use it as a context manager.

    The recording's ego motion and commands repeat with its images.

    Args:
        cross_check: takes the divergence of a planner that is checked by a second one.
        mask_cameras: whether cameras with faulty pictures count as not valid.
    """

    def __init__(
        self, clip: Clip, planner: Planner, cross_check: CrossCheckRecord | None = None, mask_cameras: bool = True
    ) -> None:
        self.clip = clip
        self.planner = planner
        self._cross_check = cross_check
        self.mask_cameras = mask_cameras
        self._monitor = CameraMonitor(clip.rig, mask_cameras)
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

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def reset(self) -> None:
        """Start a drive anew."""
        self.planner.reset()
        self._monitor.reset()

    def watch(self, frame_set: FrameSet) -> FrameSet:
        """The frame set of a live camera with the faults of its cameras, as `FrameSource` returns them."""
        recorded_ns = self._recorded_ns(frame_set.tick)
        return self._monitor.step(frame_set, self.clip.ego.sample_at(recorded_ns) if self.clip.ego else None)

    def step(self, frame_set: FrameSet, due_ns: int, awake_ns: int, arrived_ns: int) -> TickTimes:
        """Plan one tick and write it.

        Args:
            due_ns, awake_ns, arrived_ns: when the tick was due, the loop started it, and its images were decoded.
        """
        recorded_ns = self._recorded_ns(frame_set.tick)
        ego = self.clip.ego.sample_at(recorded_ns) if self.clip.ego else None
        command = self.clip.commands.command_at(recorded_ns) if self.clip.commands else COMMANDS[0]
        synchronised_ns = time.perf_counter_ns()
        result = self.planner.step(frame_set, ego, command)
        planned_ns = time.perf_counter_ns()
        self._tables.append(result, 0.0, 0.0)
        if self._cross_check is not None and result.divergence is not None:
            self._cross_check.add(result.plan.tick, result.divergence, result.plan_ms)
        written_ns = time.perf_counter_ns()
        stages_ms = (
            (awake_ns - due_ns) / 1e6,
            (arrived_ns - awake_ns) / 1e6,
            (synchronised_ns - arrived_ns) / 1e6,
            result.compress_ms,
            result.bind_ms,
            result.infer_ms - result.bind_ms,
            # From the network's output to the returned plan, the cost of the call included.
            (planned_ns - synchronised_ns) / 1e6 - result.compress_ms - result.infer_ms,
            (written_ns - planned_ns) / 1e6,
        )
        # Another reading: `check_stages` compares the sum of the stages with it.
        return TickTimes(due_ns, planned_ns, time.perf_counter_ns(), stages_ms, result.cpu_ms)

    def _recorded_ns(self, tick: int) -> int:
        return tick_time_ns(tick % self._clip_ticks, self._start_ns)
