"""A recording as the network meets it: decoded, aligned, compressed, tick by tick, as often as it is asked for.

Saliency is not fed back, so the pixels are the same whatever network is watched on them: what was compressed once is
kept in memory as far as there is room, and only what lies beyond is decoded again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.compressor import Compressor
from fsd.compression.tick import CompressedTick
from fsd.data.clip import open_clip
from fsd.data.errors import ClipError
from fsd.data.frame_source import FrameSource
from fsd.networks.input_buffers import TickInput

KEEP_BYTES = 2**30
"""Room for the ticks of all recordings of an export: 6,000 of them in B100, 1,700 in B25."""


@dataclass
class RecordedClip:
    """The first `max_ticks` ticks of a recording (None: all), compressed to `budget`.

    Iterable again and again, one pass after the other; a step is valid until the next one is made. `keep_bytes` bounds
    what later passes find in memory.
    """

    path: Path
    budget: Budget
    max_ticks: int | None = None
    keep_bytes: int = KEEP_BYTES
    _kept: list[TickInput] = field(default_factory=list, repr=False)
    _is_whole: bool = field(default=False, repr=False)

    def __len__(self) -> int:
        """Ticks of the recording, as its timestamps say."""
        with FrameSource(open_clip(self.path), max_ticks=self.max_ticks) as frame_sets:
            expected = frame_sets.expected_ticks
        if expected is None:
            raise ClipError(f"{self.path} does not say how long it is. Leave `--fraction` out.")
        return expected

    def __iter__(self) -> Iterator[TickInput]:
        known = len(self._kept)
        yield from self._kept[:known]
        if self._is_whole:
            return
        made = 0
        # The compressor remembers: what is known is compressed again on the way to what is not.
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
    """Memory of one tick; the same for all of a budget."""
    return sum(value.nbytes for name in tick.__slots__ if isinstance(value := getattr(tick, name), np.ndarray))
