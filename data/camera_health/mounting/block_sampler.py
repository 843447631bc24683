"""Sample the motion of every camera's picture now and then, over a time in which it moves by a few pixels."""

from dataclasses import dataclass

import numpy as np

from fsd.data.camera_health.mounting.block_motion import BLOCKS, block_motion, thumbnail
from fsd.data.frames import CAMERAS, TICK_NS, FrameSet
from fsd.data.kernel import kernel

CYCLE_TICKS = 12
"""Every camera is sampled about once in so many ticks, one after another: 0.1 ms per tick for eight at 1280x960."""

SHORTEST_TICKS, LONGEST_TICKS = 1, 4
"""Limits of the time between the two pictures of a sample."""

SLOW_PX, FAST_PX = 1.0, 2.5
"""The time is doubled or halved where the median block moves less or more than this."""


@dataclass(frozen=True)
class MotionSample:
    """What moved in one camera's picture.

    Attributes:
        camera: index in `CAMERAS`.
        moved_px: (48, 2) motion of the blocks of a small picture; see `block_motion`.
        start_ns, end_ns: times of the two pictures.
    """

    camera: int
    moved_px: np.ndarray
    start_ns: int
    end_ns: int


class BlockSampler:
    """Samples of all cameras, tick by tick."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all pictures."""
        self._first: list[tuple[np.ndarray, int] | None] = [None] * len(CAMERAS)
        self._due_tick: list[int | None] = [None] * len(CAMERAS)
        self._wait_ticks = [2 * SHORTEST_TICKS] * len(CAMERAS)

    def step(self, frame_set: FrameSet) -> list[MotionSample]:
        """The samples that are complete at this tick."""
        samples = []
        for camera, frame in enumerate(frame_set.frames):
            if frame is None or not frame_set.is_valid[camera]:
                self._first[camera] = None
            elif frame_set.is_new[camera]:
                due_tick = self._due_tick[camera]
                if due_tick is None:
                    due_tick = self._due_tick[camera] = frame_set.tick + camera
                first = self._first[camera]
                if first is None:
                    if frame_set.tick >= due_tick:
                        self._first[camera] = thumbnail(frame.y_plane), frame.timestamp_ns
                    continue
                passed_ticks = (frame.timestamp_ns - first[1]) / TICK_NS
                if passed_ticks < self._wait_ticks[camera] - 0.5:
                    continue
                self._first[camera] = None
                self._due_tick[camera] = max(due_tick + CYCLE_TICKS, frame_set.tick)
                if passed_ticks <= 2 * LONGEST_TICKS:
                    moved_px = np.empty((BLOCKS, 2))
                    block_motion(first[0], thumbnail(frame.y_plane), moved_px)
                    self._adapt(camera, moved_px)
                    samples.append(MotionSample(camera, moved_px, first[1], frame.timestamp_ns))
        return samples

    def _adapt(self, camera: int, moved_px: np.ndarray) -> None:
        """Choose the time between the pictures of the next sample."""
        wait = self._wait_ticks[camera]
        speed_px = _median_speed(moved_px)
        if not speed_px <= FAST_PX:
            wait //= 2
        elif speed_px < SLOW_PX:
            wait *= 2
        self._wait_ticks[camera] = min(max(wait, SHORTEST_TICKS), LONGEST_TICKS)


@kernel
def _median_speed(moved_px: np.ndarray) -> float:
    """Of the blocks (48, 2) whose motion is clear; NaN where these are too few."""
    speeds, count = np.empty(moved_px.shape[0]), 0
    for block in range(moved_px.shape[0]):
        if not np.isnan(moved_px[block, 0]):
            speed = np.hypot(moved_px[block, 0], moved_px[block, 1])
            place = count
            while place > 0 and speeds[place - 1] > speed:
                speeds[place] = speeds[place - 1]
                place -= 1
            speeds[place] = speed
            count += 1
    if count < moved_px.shape[0] // 12:
        return np.nan
    return speeds[count // 2] if count % 2 else (speeds[count // 2 - 1] + speeds[count // 2]) / 2
