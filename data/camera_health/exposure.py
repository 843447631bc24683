"""Find cameras whose brightness swings up and down: an exposure control that does not settle."""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, HealthTick, unknown
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.kernel import kernel

SWING = 0.25
"""Change of brightness, as a natural logarithm, from one turning point to the next that counts."""

SWING_TICKS = 54
"""A swing that takes longer is a change of light, not hunting."""

SWINGS = 3
"""So many swings in a row, each against the one before, are hunting: a bridge or a tunnel is two."""

UNIFORM_SHARE = 0.8
"""Exposure makes at least this part of the picture brighter, or darker, at once; what passes by does not."""

QUIET_TICKS = 72
"""Without a swing for this long, the exposure has settled."""


class HuntingExposure:
    """The brightness of the whole picture swings, and that of most other cameras does not."""

    fault = CameraFault.EXPOSURE

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        cameras = len(CAMERAS)
        self._blocks = np.zeros((cameras, GRID_ROWS, GRID_COLUMNS), np.float32)
        self._has_blocks = np.zeros(cameras, np.bool_)
        self._gain = np.zeros(cameras)
        self._swings = [_Swings() for _ in CAMERAS]

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence = unknown()
        _gain_change(tick.is_new, tick.motion.block_luma, self._blocks, self._has_blocks, self._gain)
        for camera in np.flatnonzero(tick.is_new):
            self._swings[camera].add(tick.frame_set.tick, float(self._gain[camera]))
        hunting = [swings.count >= SWINGS for swings in self._swings]
        swinging = sum(swings.count >= SWINGS - 1 for swings in self._swings)
        for camera in np.flatnonzero(tick.is_new):
            if not hunting[camera]:
                if tick.frame_set.tick - self._swings[camera].last_tick > QUIET_TICKS:
                    evidence[camera] = GOOD
            elif swinging == 1 or 2 * swinging < int(self._has_blocks.sum()):
                evidence[camera] = BAD
        return evidence


class _Swings:
    """Counts swings of a brightness that is given as its changes.

    Attributes:
        count: swings in a row, each against the one before and soon after it.
        last_tick: of the newest swing.
    """

    def __init__(self) -> None:
        self.count = 0
        self.last_tick = -QUIET_TICKS
        self._level = self._low = self._high = 0.0
        self._low_tick = self._high_tick = -SWING_TICKS
        self._direction = 0

    def add(self, tick: int, change: float) -> None:
        """The change of the logarithm of the brightness at a tick."""
        if tick - self.last_tick > SWING_TICKS:
            self.count = 0
        self._level += change
        if self._level <= self._low:
            self._low, self._low_tick = self._level, tick
        if self._level >= self._high:
            self._high, self._high_tick = self._level, tick
        rise, fall = self._level - self._low, self._high - self._level
        if self._direction <= 0 and rise >= SWING:
            self._turn(1, tick, tick - self._low_tick)
            self._high, self._high_tick = self._level, tick
        elif self._direction >= 0 and fall >= SWING:
            self._turn(-1, tick, tick - self._high_tick)
            self._low, self._low_tick = self._level, tick

    def _turn(self, direction: int, tick: int, took_ticks: int) -> None:
        self._direction = direction
        self.count = self.count + 1 if took_ticks <= SWING_TICKS else 0
        self.last_tick = tick


@kernel
def _gain_change(
    is_new: np.ndarray, block_luma: np.ndarray, blocks: np.ndarray, has_blocks: np.ndarray, gain: np.ndarray
) -> None:
    """`gain` (8,) change of the logarithm of the brightness of most of a new picture; 0 where it is not uniform.

    `block_luma` (8, 15, 20) mean luma of each block; `blocks` is the same above black, updated here.
    """
    rows, columns = blocks.shape[1:]
    for camera in range(len(blocks)):
        gain[camera] = 0.0
        if not is_new[camera]:
            continue
        up = down = 0
        total_before = total_now = 0.0
        for r in range(rows):
            for c in range(columns):
                now, before = max(block_luma[camera, r, c] - np.float32(16.0), np.float32(1.0)), blocks[camera, r, c]
                up += now > before * 1.005
                down += now < before * 0.995
                total_before += float(before)
                total_now += float(now)
                blocks[camera, r, c] = now
        if has_blocks[camera] and max(up, down) >= UNIFORM_SHARE * rows * columns:
            gain[camera] = np.log(total_now / total_before)
        has_blocks[camera] = True
