"""Event-to-gaze latency: ticks from an event in a block to the first patch of that block.

Knows block indices and tick counts. Events are what the compressor's telemetry notices, not true hazards.
"""

import math
from collections import Counter

import numpy as np

from fsd.compression.budget import ALL_BLOCKS
from fsd.compression.keyframes import SURPRISE
from fsd.compression.telemetry import TickTelemetry
from fsd.outputs.compress_summary import GazeLatencySummary

EVENT_SURPRISE = 64
"""A block is novel from 4 usual deviations above its noise floor, as for keyframes; in units of 1/16 deviation."""


class GazeLatency:
    """Counts the ticks from an event in a block until that block is read; 0 is the same tick."""

    def __init__(self) -> None:
        self._waiting_since = np.full(ALL_BLOCKS, -1, np.int64)
        self.ticks: Counter[int] = Counter()

    def add(self, count: int, is_event: np.ndarray, read: np.ndarray) -> None:
        """Add a tick.

        Args:
            count: ticks since the start, rising.
            is_event: (2400,) bool, blocks with an event; a block that already waits keeps its first event.
            read: (n,) indices of the blocks that were read at this tick.
        """
        waiting = self._waiting_since
        waiting[is_event & (waiting < 0)] = count
        found = read[waiting[read] >= 0]
        self.ticks.update((count - waiting[found]).tolist())
        waiting[found] = -1

    @property
    def waiting(self) -> int:
        """Events that no patch has shown yet."""
        return int((self._waiting_since >= 0).sum())

    def summary(self) -> GazeLatencySummary:
        """Counts and percentiles until now."""
        values = np.sort(np.repeat(np.array(list(self.ticks), np.int64), list(self.ticks.values())))
        events = len(values) + self.waiting

        def percentile(rank: int) -> float | None:
            row = max(0, math.ceil(events * rank / 100) - 1)
            return float(values[row]) if row < len(values) else None

        return GazeLatencySummary(
            events=events,
            read=len(values),
            not_read_before_the_end=self.waiting,
            same_tick=self.ticks[0],
            p50_ticks=percentile(50),
            p99_ticks=percentile(99),
            max_ticks=int(values[-1]) if len(values) else None,
            ticks={str(ticks): self.ticks[ticks] for ticks in sorted(self.ticks)},
        )


class EventDetector:
    """Detects events: a block becomes novel, or a camera has a surprise keyframe (at its most surprising block)."""

    def __init__(self) -> None:
        self._was_novel = np.zeros(ALL_BLOCKS, bool)

    def blocks(self, telemetry: TickTelemetry) -> np.ndarray:
        """(2400,) bool: surprise reached `EVENT_SURPRISE` at this tick."""
        is_novel = telemetry.block_surprise.reshape(-1) >= EVENT_SURPRISE
        is_event = is_novel & ~self._was_novel
        self._was_novel = is_novel
        return is_event

    @staticmethod
    def keyframes(telemetry: TickTelemetry) -> np.ndarray:
        """(2400,) bool: the most surprising block of every camera whose keyframe was a surprise."""
        surprise = telemetry.block_surprise.reshape(len(telemetry.keyframe_reasons), -1)
        is_event = np.zeros(surprise.shape, bool)
        for camera in np.flatnonzero(telemetry.keyframe_reasons & SURPRISE):
            is_event[camera, surprise[camera].argmax()] = True
        return is_event.reshape(-1)
