"""The compressor of one drive, and the network's request where it looks next: `GazeLoop`."""

from collections.abc import Iterator

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.compressor import Compressor
from fsd.compression.tick import CompressedTick
from fsd.data.clock import tick_time_ns
from fsd.data.ego import EgoSample
from fsd.data.frames import FrameSet
from fsd.data.rig import Rig

WARM_UP_TICKS = 14
"""Ticks until all kernels of the compressor are compiled: more than the age of its oldest reference (9 ticks)."""


class GazeLoop:
    """Compresses tick by tick.

    Attributes:
        saliency: (8, 15, 20) request of the network after the last tick; None lets the compressor choose alone.
    """

    def __init__(self, rig: Rig, budget: Budget) -> None:
        self._compressor = Compressor(rig, budget)
        self.saliency: np.ndarray | None = None

    @property
    def odometry(self) -> str:
        """Source of the last tick's motion, as `Compressor.odometry`."""
        return self._compressor.odometry

    def reset(self) -> None:
        """Clear references and the request."""
        self._compressor.reset()
        self.saliency = None

    def step(self, frame_set: FrameSet, ego: EgoSample | None, given: CompressedTick | None = None) -> CompressedTick:
        """The next tick, compressed; `given` is what another planner's compressor made of it, and comes back."""
        return self._compressor.step(frame_set, ego, self.saliency) if given is None else given


def warm_up_ticks(frame_set: FrameSet) -> Iterator[tuple[FrameSet, EgoSample | None]]:
    """Ticks like this one that make the compressor compile or load all kernels: with and without an ego sample.

    The first use on a machine compiles them, which takes up to half a minute.
    """
    for later in range(WARM_UP_TICKS):
        tick = frame_set.tick + later
        offset_ns = tick_time_ns(tick) - tick_time_ns(frame_set.tick)
        yield frame_set.held(tick, frame_set.timestamp_ns + offset_ns), EgoSample(5.0, 0.1) if later % 2 else None
