"""Which blocks another camera sees better, so that overlapping views are counted once.

Knows the calibrated rays; it sees no pixels.
"""

import numpy as np

from fsd.compression.token_rays import cell_pixels, ego_rays
from fsd.data.camera_model import project
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Camera, Rig
from fsd.data.street_depth import prior_depth

FINER = 1.25
"""A view is better where its pixels are finer by this factor; between equals, the first camera is the better one."""


def better_views(rig: Rig, block_meta: np.ndarray) -> np.ndarray:
    """(8, 300) uint8: bit c is set where camera c sees the middle of the block better.

    Args:
        rig: the cameras.
        block_meta: (8, 300, 8) of `TokenRays`; for the angular sizes.

    The place is taken at the prior's depth, so that near objects, which neighbouring cameras see at different
    angles, match too.
    """
    better = np.zeros(block_meta.shape[:2], np.uint8)
    size = np.sqrt(block_meta[..., 4].astype(np.float64) * block_meta[..., 5])
    cameras = [rig.camera(name) for name in CAMERAS]
    for here, camera in enumerate(cameras):
        if camera is None:
            continue
        rays = ego_rays(camera, cell_pixels(camera, GRID_ROWS, GRID_COLUMNS))
        position = camera.ego_from_camera.matrix()[:3, 3]
        points = position + rays * prior_depth(rays, position)[:, None]
        for there, other in enumerate(cameras):
            if other is None or there == here:
                continue
            block, is_seen = _block_of(other, points)
            ratio = np.where(is_seen, size[here] / np.maximum(size[there][block], 1e-9), 0.0)
            is_better = ratio >= FINER if there > here else ratio > 1 / FINER
            better[here] |= np.where(is_better, np.uint8(1 << there), np.uint8(0))
    return better


def _block_of(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Block of a camera that each (n, 3) ego point falls into, and whether it is in the picture."""
    mount = camera.ego_from_camera.matrix()
    pixels, is_seen = project(camera, (points - mount[:3, 3]) @ mount[:3, :3])
    at = np.nan_to_num(pixels) + 0.5
    column = np.clip(at[:, 0] * GRID_COLUMNS / camera.width_px, 0, GRID_COLUMNS - 1).astype(np.int64)
    row = np.clip(at[:, 1] * GRID_ROWS / camera.height_px, 0, GRID_ROWS - 1).astype(np.int64)
    return row * GRID_COLUMNS + column, is_seen
