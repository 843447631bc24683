"""A recording as network inputs: decoded, aligned and compressed tick by tick; can be iterated repeatedly.

Saliency is not fed back, so the compressed ticks do not depend on the network. They are cached in memory up to a limit;
later ticks are decoded again in each pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.compressor import Compressor
from fsd.compression.tick import CompressedTick
from fsd.data.errors import ClipError
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.networks.input_buffers import TickInput

KEEP_BYTES = 2**30
"""Memory limit for the ticks of all recordings of an export: 6,000 ticks at B100, 1,700 at B25."""


@dataclass
class RecordedClip:
    """The first `max_ticks` ticks of a recording (None: all), compressed to `budget`.

    Iterable repeatedly, one pass at a time; a step is valid until the next one. `keep_bytes` limits the cache.
    """

    path: Path
    budget: Budget
    max_ticks: int | None = None
    keep_bytes: int = KEEP_BYTES
    _kept: list[TickInput] = field(default_factory=list, repr=False)
    _is_whole: bool = field(default=False, repr=False)

    def __len__(self) -> int:
        """Number of ticks, from the recording's timestamps."""
        with FrameSource(open_clip(self.path), max_ticks=self.max_ticks) as frame_sets:
            expected = frame_sets.expected_ticks
        if expected is None:
            raise ClipError(f"The length of {self.path} is unknown. Leave `--fraction` out.")
        return expected

    def __iter__(self) -> Iterator[TickInput]:
        known = len(self._kept)
        yield from self._kept[:known]
        if self._is_whole:
            return
        made = 0
        # The compressor has state, so cached ticks are compressed again before the first uncached one.
        for step in self._compressed():
            made += 1
            if made <= known:
                continue
            if made == len(self._kept) + 1 and made * _bytes_of(step.tick) <= self.keep_bytes:
                self._kept.append(step._replace(tick=step.tick.copy()))
            yield step
        self._is_whole = made == len(self._kept)

    def _compressed(self) -> Iterator[TickInput]:
        clip = open_clip(self.path)
        compressor = Compressor(clip.rig, self.budget)
        with FrameSource(clip, max_ticks=self.max_ticks) as frame_sets:
            for frame_set in frame_sets:
                ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
                command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
                yield TickInput(compressor.step(frame_set, ego, None), ego, command)


def _bytes_of(tick: CompressedTick) -> int:
    """Memory of one tick; equal for all ticks of a budget."""
    return sum(value.nbytes for name in tick.__slots__ if isinstance(value := getattr(tick, name), np.ndarray))
