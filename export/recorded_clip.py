"""A recording as network inputs: decoded, aligned and compressed tick by tick.

Saliency is not fed back, so the compressed ticks do not depend on the network.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.compressor import Compressor
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.export.kept_steps import KeptSteps
from fsd.networks.input_buffers import TickInput


@dataclass
class RecordedClip(KeptSteps[TickInput]):
    """A recording compressed to `budget`; a step is valid until the next one."""

    budget: Budget

    def __len__(self) -> int:
        """Number of ticks, from the recording's timestamps."""
        return self._expected_ticks()

    def _steps(self) -> Iterator[TickInput]:
        clip = open_clip(self.path)
        compressor = Compressor(clip.rig, self.budget)
        with FrameSource(clip, max_ticks=self.max_ticks) as frame_sets:
            for frame_set in frame_sets:
                ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
                command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
                yield TickInput(compressor.step(frame_set, ego, None), ego, command)

    def _bytes_of(self, step: TickInput) -> int:
        values = (getattr(step.tick, name) for name in step.tick.__slots__)
        return sum(value.nbytes for value in values if isinstance(value, np.ndarray))

    def _copied(self, step: TickInput) -> TickInput:
        return step._replace(tick=step.tick.copy())
