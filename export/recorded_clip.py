"""A recording as the network meets it: decoded, aligned, compressed, tick by tick; made again for every pass.

Saliency is not fed back, so the pixels are the same whatever network is watched on them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fsd.compression.budget import Budget
from fsd.compression.compressor import Compressor
from fsd.data.clip import open_clip
from fsd.data.errors import ClipError
from fsd.data.frame_source import FrameSource
from fsd.networks.feeds import Step


@dataclass(frozen=True)
class RecordedClip:
    """The first `max_ticks` ticks of a recording (None: all), compressed to `budget`.

    Iterable again and again; a step is valid until the next one is made.
    """

    path: Path
    budget: Budget
    max_ticks: int | None = None

    def __len__(self) -> int:
        """Ticks of the recording, as its timestamps say."""
        with FrameSource(open_clip(self.path), max_ticks=self.max_ticks) as frame_sets:
            expected = frame_sets.expected_ticks
        if expected is None:
            raise ClipError(f"{self.path} does not say how long it is. Leave `--fraction` out.")
        return expected

    def __iter__(self) -> Iterator[Step]:
        clip = open_clip(self.path)
        compressor = Compressor(clip.rig, self.budget)
        with FrameSource(clip, max_ticks=self.max_ticks) as frame_sets:
            for frame_set in frame_sets:
                ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
                command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
                yield Step(compressor.step(frame_set, ego, None), ego, command)
