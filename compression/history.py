"""The last ten ticks as analysis images, with the pose of the ego: residuals and motion are measured against them.

A ring of fixed size.
"""

import numpy as np

from fsd.compression.sampling import ANALYSIS_COLUMNS, ANALYSIS_ROWS
from fsd.data.frames import CAMERAS

LENGTH = 10
MIN_AGE, MAX_AGE = 4, 9
"""A reference is 4 to 9 ticks old: differences over one tick are noise, over more the warp fails."""

PAUSE_NS = 500_000_000
"""A longer time between ticks is a pause."""


class History:
    """Ring of analysis images.

    Attributes:
        analysis: (10, 8, 120, 160) uint8, indexed by slot.
        is_valid: (10, 8) bool.
        pose: (10, 3) float64 x m, y m, yaw rad of the ego.
        timestamp_ns: (10,) int64.
        slot: the slot of the present tick.
    """

    def __init__(self) -> None:
        self.analysis = np.zeros((LENGTH, len(CAMERAS), ANALYSIS_ROWS, ANALYSIS_COLUMNS), np.uint8)
        self.is_valid = np.zeros((LENGTH, len(CAMERAS)), bool)
        self.pose = np.zeros((LENGTH, 3))
        self.timestamp_ns = np.zeros(LENGTH, np.int64)
        self.reset()

    def reset(self) -> None:
        self.is_valid[:] = False
        self.slot = LENGTH - 1

    def advance(self, timestamp_ns: int, is_valid: np.ndarray) -> np.ndarray:
        """Begin a tick; returns the (8, 120, 160) images to fill for its valid cameras.

        Ticks before a pause are no references: how the ego moved in between is not known.
        """
        if timestamp_ns - self.timestamp_ns[self.slot] > PAUSE_NS:
            self.is_valid[:] = False
        self.slot = (self.slot + 1) % LENGTH
        self.timestamp_ns[self.slot] = timestamp_ns
        self.is_valid[self.slot] = is_valid
        images: np.ndarray = self.analysis[self.slot]
        return images

    def slot_of_age(self, ticks: int) -> int:
        return (self.slot - ticks) % LENGTH
