"""The foveal prior: how much the direction of every block matters for driving, whatever it shows.

A hand-made function of calibrated rays, not of pixels, so that it applies to any rig.
"""

import numpy as np

from fsd.data.frames import CAMERAS

_CAMERA_WEIGHT = {
    "front_main": 1.0,
    "front_wide": 0.7,
    "front_narrow": 0.75,
    "left_pillar": 0.5,
    "right_pillar": 0.5,
    "left_repeater": 0.4,
    "right_repeater": 0.4,
    "rear": 0.4,
}
_ELEVATION_RAD, _ELEVATION_SPREAD_RAD = np.radians(-2.0), np.radians(7.0)
"""Road users between 10 and 100 m are seen between 8 degrees below the horizon and 4 above."""

_AZIMUTH_SPREAD_RAD = np.radians(28.0)
"""Around the direction of travel for the front cameras, around the optical axis for the others."""

FULL = 1000
"""The prior of the most important direction; priors are whole numbers so that orderings are exact."""


def foveal_prior(block_meta: np.ndarray, has_camera: np.ndarray, heading_rad: float = 0.0) -> np.ndarray:
    """How much every block matters.

    Args:
        block_meta: (8, 300, 8) meta rows of `TokenRays`.
        has_camera: (8,) bool.
        heading_rad: direction of travel, left positive; the fovea of the front cameras follows it.

    Returns:
        (8, 300) int64 in 0 … 1000; 0 for cameras the rig does not have.
    """
    ahead = np.array([np.cos(heading_rad), np.sin(heading_rad), 0.0])
    prior = np.zeros(block_meta.shape[:2], np.int64)
    for index in np.flatnonzero(has_camera):
        name = CAMERAS[index]
        ray = block_meta[index, :, 1:4].astype(np.float64)
        axis = ahead if name.startswith("front") else ray.mean(axis=0)
        azimuth = np.arctan2(ray[:, 1], ray[:, 0]) - np.arctan2(axis[1], axis[0])
        azimuth = np.arctan2(np.sin(azimuth), np.cos(azimuth))
        elevation = np.arcsin(np.clip(ray[:, 2], -1, 1)) - _ELEVATION_RAD
        distance = (azimuth / _AZIMUTH_SPREAD_RAD) ** 2 + (elevation / _ELEVATION_SPREAD_RAD) ** 2
        prior[index] = np.rint(FULL * _CAMERA_WEIGHT[name] * np.exp(-distance / 2))
    return prior


_FINE_WEIGHT = {"front_main": 1.0, "front_wide": 0.5, "front_narrow": 1.0}
_FINE_ELEVATION_RAD, _FINE_ELEVATION_SPREAD_RAD = np.radians(2.0), np.radians(3.0)
"""Lights and signs between 25 and 100 m, and road users further than 30 m, are seen within this of the horizon."""

_FINE_AZIMUTH_SPREAD_RAD = np.radians(10.0)


def fine_prior(quarter_meta: np.ndarray) -> np.ndarray:
    """How much twice the resolution matters: near the horizon and ahead, in the front cameras.

    Args:
        quarter_meta: (8, 1200, 8) of `token_rays.quarter_meta`.

    Returns:
        (8, 1200) int64 in 0 … 1000; 0 for all other cameras, and for those that the rig does not have.
    """
    prior = np.zeros(quarter_meta.shape[:2], np.int64)
    for name, weight in _FINE_WEIGHT.items():
        index = CAMERAS.index(name)
        ray = quarter_meta[index, :, 1:4].astype(np.float64)
        azimuth = np.arctan2(ray[:, 1], ray[:, 0]) / _FINE_AZIMUTH_SPREAD_RAD
        elevation = (np.arcsin(np.clip(ray[:, 2], -1, 1)) - _FINE_ELEVATION_RAD) / _FINE_ELEVATION_SPREAD_RAD
        prior[index] = np.rint(FULL * weight * np.exp(-(azimuth**2 + elevation**2) / 2))
        prior[index, ~ray.any(axis=1)] = 0
    return prior
