"""Surprise: what the cameras show that ego motion, exposure and each block's usual noise do not explain.

Compares every camera with its own picture 4-9 ticks ago, warped by ego motion with a depth prior. Knows the rig and the
history; what is done about a surprise is decided by gaze and keyframes.
"""

import numpy as np
from numba import njit

from fsd.compression.ego_warp import FORWARD_NODES_M, EgoWarp, block_shifts, motion_between
from fsd.compression.history import MAX_AGE, MIN_AGE, History
from fsd.compression.residual_kernels import block_sums, fit_exposure, residuals, surprise, warp
from fsd.compression.token_geometry import BLOCKS
from fsd.data.frames import CAMERAS

MAX_FLOW_PX = 6.0
"""The reference is as old as it can be while the median block has moved less than this, in analysis pixels."""


@njit(nogil=True, cache=True, error_model="numpy")
def _reference_age(flow_px: float, is_valid: np.ndarray, slot: int, camera: int) -> int:
    """Ticks back to the best reference that this camera has, given how far its picture moves in a tick; 0 for none."""
    wanted = MAX_AGE if flow_px * MAX_AGE <= MAX_FLOW_PX else max(MIN_AGE, int(MAX_FLOW_PX / flow_px))
    length = is_valid.shape[0]
    for age in range(wanted, MIN_AGE - 1, -1):
        if is_valid[(slot - age) % length, camera]:
            return age
    for age in range(wanted + 1, MAX_AGE + 1):
        if is_valid[(slot - age) % length, camera]:
            return age
    return 0


@njit(nogil=True, cache=True, error_model="numpy")
def _measure(
    analysis: np.ndarray,
    is_valid: np.ndarray,
    poses: np.ndarray,
    slot: int,
    forward: np.ndarray,
    rates: np.ndarray,
    nodes_m: np.ndarray,
    pixels_per_m: np.ndarray,
    pixels_per_rad: np.ndarray,
    floor: np.ndarray,
    spread: np.ndarray,
    samples: np.ndarray,
    out: np.ndarray,
    state: np.ndarray,
) -> None:
    """All cameras, one after the other: the result cannot depend on a number of threads."""
    length, cameras, rows, columns = analysis.shape
    blocks = out.shape[1]
    shifts = np.empty((blocks, 2), np.int16)
    warped = np.empty((rows, columns), np.uint8)
    sums_now, sums_then = np.empty(blocks, np.int64), np.empty(blocks, np.int64)
    residual = np.empty(blocks, np.int64)
    step_m, _, step_rad = motion_between(poses[(slot - 1) % length], poses[slot])
    for camera in range(cameras):
        out[camera] = 0
        state[camera, 0], state[camera, 1], state[camera, 2], state[camera, 3] = 256, 256, 0, 0
        flow_px = abs(step_m) * pixels_per_m[camera] + abs(step_rad) * pixels_per_rad[camera]
        age = _reference_age(flow_px, is_valid, slot, camera) if is_valid[slot, camera] else 0
        if age == 0:
            continue
        then = (slot - age) % length
        forward_m, side_m, turn_rad = motion_between(poses[then], poses[slot])
        block_shifts(forward[camera], rates[camera], nodes_m, forward_m, side_m, turn_rad, shifts)
        image, reference = analysis[slot, camera], analysis[then, camera]
        warp(reference, shifts, warped)
        block_sums(image, sums_now)
        block_sums(warped, sums_then)
        gain, offset = fit_exposure(sums_now, sums_then)
        residuals(image, warped, gain, offset, residual)
        rise = surprise(
            image,
            reference,
            shifts,
            rates[camera, 1],
            turn_rad,
            gain,
            offset,
            residual,
            floor[camera],
            spread[camera],
            samples[camera],
            out[camera],
        )
        samples[camera] += 1
        state[camera, 0], state[camera, 1], state[camera, 2], state[camera, 3] = rise, gain, offset, age


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
        self.surprise = np.zeros((len(CAMERAS), BLOCKS), np.int64)
        self._state = np.zeros((len(CAMERAS), 4), np.int64)
        self.rise, self.gain, self.offset, self.reference_age = self._state.T
        self._floor = np.zeros((len(CAMERAS), BLOCKS), np.int64)
        self._spread = np.zeros((len(CAMERAS), BLOCKS), np.int64)
        self._samples = np.zeros(len(CAMERAS), np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget all noise floors."""
        self._samples[:] = 0
        self.surprise[:] = 0
        self._state[:] = (256, 256, 0, 0)

    def measure(self, history: History) -> None:
        """Measure the present tick of the history."""
        warp = self._warp
        _measure(
            history.analysis,
            history.is_valid,
            history.pose,
            history.slot,
            warp.forward,
            warp.rates,
            FORWARD_NODES_M,
            warp.pixels_per_m,
            warp.pixels_per_rad,
            self._floor,
            self._spread,
            self._samples,
            self.surprise,
            self._state,
        )
