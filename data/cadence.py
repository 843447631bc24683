"""How regular a camera is: its mean step from frame to frame, and how far frames stray from an even beat."""

from dataclasses import dataclass

import numpy as np

from fsd.data.frames import TICK_NS

WINDOW_FRAMES = 36
"""Frames are compared with an even beat a second at a time, so that a slowly drifting clock is not called jitter."""

MIN_FRAMES = 18

_BREAK_PERIODS = 1.95  # a step of two periods is a missing frame
_ROUNDING_NS = 10_000  # containers round times to a few microseconds
_RATE_TOLERANCE = 0.03
_MOST_JITTER_NS = 0.49 * TICK_NS


@dataclass(frozen=True)
class Cadence:
    """The beat of one camera.

    Attributes:
        period_ns: mean step from frame to frame.
        jitter_ns: how far a frame may lie from an even beat, to either side; 0 for exact times.
        first_late_ns: how much later than its beat the first frame is.
        missing_frames: steps of two periods or more, in frames.
    """

    period_ns: float
    jitter_ns: int = 0
    first_late_ns: int = 0
    missing_frames: int = 0

    @property
    def is_tick_rate(self) -> bool:
        """Whether the camera runs at the rate of the ticks, so that every tick should show a new frame of it."""
        return abs(self.period_ns / TICK_NS - 1) < _RATE_TOLERANCE


def measure_cadence(timestamp_ns: np.ndarray) -> Cadence | None:
    """The cadence of frames at these times, (n,) int64 in any order; None for too few to tell, under half a second."""
    times = np.sort(np.asarray(timestamp_ns, np.int64))
    if len(times) < MIN_FRAMES:
        return None
    steps = np.diff(times)
    period_ns = float(np.median(steps))
    if period_ns <= 0:
        return None
    breaks = np.flatnonzero(steps > _BREAK_PERIODS * period_ns)
    even = steps[steps <= _BREAK_PERIODS * period_ns]
    period_ns = float(even.mean()) if len(even) else period_ns
    missing = int(np.maximum(np.rint(steps[breaks] / period_ns) - 1, 0).sum())
    jitter_ns, first_late_ns = 0.0, 0.0
    starts = np.concatenate([[0], breaks + 1])
    for start, stop in zip(starts, np.append(starts[1:], len(times)), strict=True):
        for first in range(start, stop, WINDOW_FRAMES):
            # The last window reaches back, so that a short rest is not fitted alone.
            first = max(start, min(first, stop - WINDOW_FRAMES))
            stray_ns = _strays_ns(times[first : min(first + WINDOW_FRAMES, stop)], period_ns)
            jitter_ns = max(jitter_ns, float(np.abs(stray_ns).max()))
            if first == 0:
                first_late_ns = float(stray_ns[0])
    if jitter_ns < _ROUNDING_NS:
        jitter_ns = first_late_ns = 0.0
    return Cadence(period_ns, round(jitter_ns), round(first_late_ns), missing)


def _strays_ns(times: np.ndarray, period_ns: float) -> np.ndarray:
    """How much later than an even beat of this period each frame is; the beat lies in their middle."""
    late = (times - times[0]).astype(np.float64) - period_ns * np.arange(len(times))
    return np.asarray(late - (late.max() + late.min()) / 2)


def tick_phase_ns(cadences: list[tuple[int, Cadence | None]]) -> int:
    """How long after the first frame of all the ticks should begin, so that jitter does not move frames across ticks.

    Every camera that runs at the rate of the ticks should have its frames further than its jitter from any tick. The
    smallest phase is taken that does this for the most cameras; 0 if all are exact.

    Args:
        cadences: for each camera, the time of its first frame, and its cadence.
    """
    first_ns = min(first_ns for first_ns, _ in cadences)
    beats = [
        (first_ns_ - first_ns - cadence.first_late_ns, min(cadence.jitter_ns, _MOST_JITTER_NS))
        for first_ns_, cadence in cadences
        if cadence is not None and cadence.is_tick_rate and cadence.jitter_ns
    ]

    def unmet(phase_ns: float) -> int:
        return sum(not jitter_ns < (phase_ns - beat_ns) % TICK_NS < TICK_NS - jitter_ns for beat_ns, jitter_ns in beats)

    candidates = [0.0, *((beat_ns + jitter_ns + 1_000) % TICK_NS for beat_ns, jitter_ns in beats)]
    return int(min(candidates, key=lambda phase_ns: (unmet(phase_ns), phase_ns)))
