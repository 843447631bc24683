"""The values behind the compressor's decisions of a tick, for reports and pictures; not an input of the network."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class TickTelemetry:
    """One tick; the arrays are copies.

    Attributes:
        odometry: source of the motion: "ego", "image" (estimated from the pictures) or "none".
        speed_mps, yaw_rate_rps: the motion that was used.
        block_surprise: (8, 15, 20) int64, 1/16 of the block's usual deviation above its noise floor.
        block_score: (8, 15, 20) int64, by the policy; -1 where the camera is not valid.
        block_age_ticks: (8, 15, 20) int64, since the last patch of it; -1 where it was never read.
        patch_is_swept: (K,) bool, patches that were read because of their age, not their score.
        camera_surprise: (8,) int64, by which keyframes are decided.
        keyframe_reasons: (8,) int64, bits of `keyframes`.
        rise: (8,) float64, residual of the whole camera over its usual one.
        gain: (8,) float64 exposure against the reference; offset: (8,) float64 grey levels.
        reference_age_ticks: (8,) int64, 0 where there was no reference.
    """

    odometry: str
    speed_mps: float
    yaw_rate_rps: float
    block_surprise: np.ndarray
    block_score: np.ndarray
    block_age_ticks: np.ndarray
    patch_is_swept: np.ndarray
    camera_surprise: np.ndarray
    keyframe_reasons: np.ndarray
    rise: np.ndarray
    gain: np.ndarray
    offset: np.ndarray
    reference_age_ticks: np.ndarray
