"""How far the street is that a camera sees, where nothing is known of it: the ground plane, and walls at both sides."""

import numpy as np

WALL_M, FAR_M = 6.0, 60.0
"""Lateral distance of the walls from the ego's axis, and the depth of everything that is neither ground nor wall."""


def prior_depth(rays: np.ndarray, position_m: np.ndarray) -> np.ndarray:
    """(n,) metres along (n, 3) unit ego rays from a camera at `position_m` to the street model, at most 60."""
    with np.errstate(divide="ignore"):
        ground = np.where(rays[:, 2] < 0, position_m[2] / -rays[:, 2], np.inf)
        wall = (WALL_M - np.sign(rays[:, 1]) * position_m[1]) / np.abs(rays[:, 1])
    depth: np.ndarray = np.minimum(np.minimum(ground, wall), FAR_M)
    return depth
