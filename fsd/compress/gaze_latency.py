"""How long something new waits for its first full-resolution patch: event-to-gaze latency, in ticks.

Knows block indices and tick counts; takes the compressor's telemetry for what is new, not the truth about hazards.
"""

from collections import Counter
from typing import Any

import numpy as np

from fsd.compression.budget import ALL_BLOCKS
from fsd.compression.keyframes import SURPRISE
from fsd.compression.telemetry import TickTelemetry

EVENT_SURPRISE = 64
"""A block is news from 4 usual deviations above its noise floor on, as for keyframes; counted in 1/16 of one."""


class GazeLatency:
    """Counts the ticks from an event in a block until that block is read; 0 is the same tick."""

    def __init__(self) -> None:
        self._waiting_since = np.full(ALL_BLOCKS, -1, np.int64)
        self.ticks: Counter[int] = Counter()

    def add(self, count: int, is_event: np.ndarray, read: np.ndarray) -> None:
        """Add a tick.

        Args:
            count: ticks since the start, rising.
            is_event: (2400,) bool, blocks where something happened; one that waits already goes on waiting.
            read: (n,) indices of the blocks that were read at this tick.
        """
        waiting = self._waiting_since
        waiting[is_event & (waiting < 0)] = count
        answered = read[waiting[read] >= 0]
        self.ticks.update((count - waiting[answered]).tolist())
        waiting[answered] = -1

    @property
    def waiting(self) -> int:
        """Events that no patch has shown yet."""
        return int((self._waiting_since >= 0).sum())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; percentiles are of the events that were read, and None without any."""
        values = np.repeat(np.array(list(self.ticks), np.int64), list(self.ticks.values()))
        known = len(values) > 0
        return {
            "events": len(values) + self.waiting,
            "read": len(values),
            "not_read_before_the_end": self.waiting,
            "same_tick": self.ticks[0],
            "p50_ticks": float(np.percentile(values, 50)) if known else None,
            "p99_ticks": float(np.percentile(values, 99)) if known else None,
            "max_ticks": int(values.max()) if known else None,
            "ticks": {str(ticks): self.ticks[ticks] for ticks in sorted(self.ticks)},
        }


class EventDetector:
    """What counts as an event: a block that becomes news, and the most surprising block of a surprise keyframe."""

    def __init__(self) -> None:
        self._was_news = np.zeros(ALL_BLOCKS, bool)

    def blocks(self, telemetry: TickTelemetry) -> np.ndarray:
        """(2400,) bool: surprise reached `EVENT_SURPRISE` at this tick."""
        is_news = telemetry.block_surprise.reshape(-1) >= EVENT_SURPRISE
        is_event = is_news & ~self._was_news
        self._was_news = is_news
        return is_event

    @staticmethod
    def keyframes(telemetry: TickTelemetry) -> np.ndarray:
        """(2400,) bool: the most surprising block of every camera whose keyframe was a surprise."""
        surprise = telemetry.block_surprise.reshape(len(telemetry.keyframe_reasons), -1)
        is_event = np.zeros(surprise.shape, bool)
        for camera in np.flatnonzero(telemetry.keyframe_reasons & SURPRISE):
            is_event[camera, surprise[camera].argmax()] = True
        return is_event.reshape(-1)
