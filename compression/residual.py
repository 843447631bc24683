"""Surprise: what the cameras show that ego motion, exposure and each block's usual noise do not explain.

Compares every camera with its own picture 4-9 ticks ago, warped by ego motion with a depth prior. Knows the rig and the
history; gaze and keyframes decide what follows from a surprise.
"""

import numpy as np

from fsd.compression import residual_kernels
from fsd.compression.ego_warp import FORWARD_NODES_M, EgoWarp, reference_shifts
from fsd.compression.history import History
from fsd.data.frames import BLOCKS, CAMERAS


class ResidualDetector:
    """Keeps every block's noise floor and measures every tick against it.

    Attributes, all of the last `measure`:
        surprise: (8, 300) int64, 0 … 4095, excess over the noise floor in 1/16 of the usual deviation.
        rise: (8,) int64, residual of the whole camera over its usual one, in 1/256; 256 where nothing was measured.
        gain, offset: (8,) int64, exposure against the reference, in 1/256 and 1/256 grey levels.
        reference_age: (8,) int64 ticks; 0 where there was no reference.
    """

    def __init__(self, warp: EgoWarp) -> None:
        self._warp = warp
        cameras = len(CAMERAS)
        self.surprise = np.zeros((cameras, BLOCKS), np.int64)
        self.reference_age = np.zeros(cameras, np.int64)
        self.rise, self.gain, self.offset = (np.zeros(cameras, np.int64) for _ in range(3))
        self._turns_rad = np.zeros(cameras)
        self._shifts = np.zeros((cameras, 2, BLOCKS), np.int16)
        self._floor = np.zeros((cameras, BLOCKS), np.int64)
        self._spread = np.zeros((cameras, BLOCKS), np.int64)
        self._samples = np.zeros(cameras, np.int64)
        self.reset()

    def reset(self) -> None:
        self._samples[:] = 0
        self.surprise[:] = 0
        self.reference_age[:] = 0
        self.rise[:], self.gain[:], self.offset[:] = 256, 256, 0

    def measure(self, history: History) -> None:
        warp = self._warp
        reference_shifts(
            history.is_valid,
            history.pose,
            history.slot,
            warp.forward,
            warp.side,
            warp.turn,
            FORWARD_NODES_M,
            warp.pixels_per_m,
            warp.pixels_per_rad,
            self.reference_age,
            self._turns_rad,
            self._shifts,
        )
        residual_kernels.measure(
            history.analysis,
            history.slot,
            self.reference_age,
            self._shifts,
            warp.turn,
            self._turns_rad,
            self._floor,
            self._spread,
            self._samples,
            self.surprise,
            self.rise,
            self.gain,
            self.offset,
        )
