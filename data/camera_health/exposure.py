"""Find cameras whose brightness swings up and down: an exposure control that does not settle."""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, HealthTick, unknown
from fsd.data.frames import CAMERAS
from fsd.data.kernel import kernel

SWING = 0.25
"""Change of brightness, as a natural logarithm, from one turning point to the next that counts."""

SWING_TICKS = 54
"""A swing that takes longer is a change of light, not hunting."""

SWINGS = 3
"""So many swings in a row, each against the one before, are hunting: a bridge or a tunnel is two."""

UNIFORM_SWING = 0.1
"""Exposure changes the dark and the bright parts of a picture alike: each by at least this in a swing. What passes by
does not."""

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Parts of a picture, as quantiles of its luma."""

_LEVELS = np.array(LEVELS)

QUIET_TICKS = 72
"""Without a swing for this long, the exposure has settled."""


class HuntingExposure:
    """The brightness of the whole picture swings, and that of most other cameras does not."""

    fault = CameraFault.EXPOSURE

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._levels = np.zeros((len(CAMERAS), len(LEVELS)))
        self._is_seen = np.zeros(len(CAMERAS), np.bool_)
        self._swings = [_Swings() for _ in CAMERAS]

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence = unknown()
        _log_levels(tick.is_new, tick.motion.luma[:, ::2, ::2], _LEVELS, self._levels)
        self._is_seen |= tick.is_new
        for camera in np.flatnonzero(tick.is_new):
            self._swings[camera].add(tick.frame_set.tick, self._levels[camera])
        hunting = [swings.count >= SWINGS for swings in self._swings]
        swinging = sum(swings.count >= SWINGS - 1 for swings in self._swings)
        for camera in np.flatnonzero(tick.is_new):
            if not hunting[camera]:
                if tick.frame_set.tick - self._swings[camera].last_tick > QUIET_TICKS:
                    evidence[camera] = GOOD
            elif swinging == 1 or 2 * swinging < int(self._is_seen.sum()):
                evidence[camera] = BAD
        return evidence


class _Swings:
    """Counts swings of brightness.

    Attributes:
        count: swings in a row, each against the one before and soon after it.
        last_tick: of the newest swing.
    """

    def __init__(self) -> None:
        self.count = 0
        self.last_tick = -QUIET_TICKS
        self._extremes: dict[int, tuple[float, int, np.ndarray]] = {}
        self._direction = 0

    def add(self, tick: int, levels: np.ndarray) -> None:
        """The logarithms of the brightness of all `LEVELS` at a tick."""
        if tick - self.last_tick > SWING_TICKS:
            self.count = 0
        brightness = float(levels.mean())
        for sign in (-1, 1):  # the darkest and the brightest picture since the last turning point
            if sign not in self._extremes or sign * (brightness - self._extremes[sign][0]) >= 0:
                self._extremes[sign] = (brightness, tick, levels.copy())
        for direction in (-1, 1):
            start, start_tick, start_levels = self._extremes[-direction]
            if self._direction != direction and direction * (brightness - start) >= SWING:
                is_uniform = bool((direction * (levels - start_levels) >= UNIFORM_SWING).all())
                is_counted = is_uniform and tick - start_tick <= SWING_TICKS
                self.count = self.count + 1 if is_counted else 0
                self.last_tick, self._direction = tick, direction
                self._extremes[direction] = (brightness, tick, levels.copy())
                return


@kernel
def _log_levels(is_new: np.ndarray, luma: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> None:
    """`levels` (8, 5): logarithms of the quantiles of the luma above black of every new (h, w) sample."""
    counts = np.empty(256, np.int64)
    for camera in range(len(luma)):
        if not is_new[camera]:
            continue
        counts[:] = 0
        for row in luma[camera]:
            for value in row:
                counts[value] += 1
        reached, size = 0, luma[camera].size
        level = 0
        for value in range(256):
            reached += counts[value]
            while level < len(quantiles) and reached >= quantiles[level] * size:
                levels[camera, level] = np.log(max(value - 16, 4))
                level += 1
