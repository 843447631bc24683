"""A recording as network inputs: decoded, aligned and compressed tick by tick.

As steps, without feedback of saliency: the compressed ticks do not depend on the network. As a `GazeClip`, with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.compressor import Compressor
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.data.rig import Rig
from fsd.export.gaze_feedback import GazeStep, RecordedTick
from fsd.export.kept_steps import KeptSteps
from fsd.networks.input_buffers import TickInput


@dataclass
class RecordedClip(KeptSteps[TickInput]):
    """A recording compressed to `budget`; a step is valid until the next one."""

    budget: Budget

    def __len__(self) -> int:
        """Number of ticks, from the recording's timestamps."""
        return self._expected_ticks()

    def recorded_ticks(self) -> Iterator[RecordedTick]:
        clip = open_clip(self.path)
        with FrameSource(clip, max_ticks=self.max_ticks) as frame_sets:
            for frame_set in frame_sets:
                ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
                command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
                yield RecordedTick(frame_set, ego, command)

    def gaze_replay(self) -> "NetworkGaze":
        return NetworkGaze(open_clip(self.path).rig, self.budget)

    def _steps(self) -> Iterator[TickInput]:
        compressor = Compressor(open_clip(self.path).rig, self.budget)
        for frame_set, ego, command in self.recorded_ticks():
            yield TickInput(compressor.step(frame_set, ego, None), ego, command)

    def _bytes_of(self, step: TickInput) -> int:
        values = (getattr(step.tick, name) for name in step.tick.__slots__)
        return sum(value.nbytes for value in values if isinstance(value, np.ndarray))

    def _copied(self, step: TickInput) -> TickInput:
        return step._replace(tick=step.tick.copy())


class NetworkGaze:
    """A compressor that follows the requests of our own network; implements `GazeReplay`."""

    def __init__(self, rig: Rig, budget: Budget) -> None:
        self._compressor = Compressor(rig, budget)
        self._saliency: np.ndarray | None = None
        self._run: int | None = None

    def step(self, tick: RecordedTick, /) -> GazeStep:
        """The next step; a new run of the recording starts without a request."""
        starts_run = tick.frame_set.run != self._run
        if starts_run:
            self._saliency, self._run = None, tick.frame_set.run
        compressed = self._compressor.step(tick.frame_set, tick.ego, self._saliency)
        return GazeStep(TickInput(compressed, tick.ego, tick.command), compressed, starts_run)

    def steer(self, outputs: Mapping[str, np.ndarray], /) -> None:
        """Take the request from the outputs."""
        self._saliency = outputs["saliency"]
