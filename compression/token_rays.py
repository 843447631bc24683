"""Rays and angular sizes of retina tokens and blocks, in the ego frame, fixed per rig.

Knows the calibrated camera models; no pixels.
"""

import numpy as np

from fsd.compression.tick import META_SIZE, QUARTER_COLUMNS, QUARTER_ROWS, RETINA_TOKENS
from fsd.data.camera_model import rays
from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Camera, Rig

_TOKEN_ROWS, _TOKEN_COLUMNS = 3, 4
assert _TOKEN_ROWS * _TOKEN_COLUMNS == RETINA_TOKENS


def cell_pixels(camera: Camera, rows: int, columns: int, offset: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """(rows * columns, 2) pixel coordinates x, y of one point in every cell of a regular grid over the picture.

    `offset` is the point inside the cell, as fractions (x, y): the centre, or (0, 0.5) for the middle of the left edge.
    Whole pixel coordinates are pixel centres, so the picture begins at -0.5.
    """
    x = (np.arange(columns) + offset[0]) * camera.width_px / columns - 0.5
    y = (np.arange(rows) + offset[1]) * camera.height_px / rows - 0.5
    return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1).reshape(-1, 2)


def ego_rays(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """(…, 3) unit rays in the ego frame of (…, 2) pixels."""
    directions: np.ndarray = rays(camera, pixels) @ camera.ego_from_camera.matrix()[:3, :3].T
    return directions


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle between unit vectors, exact for small angles too."""
    angle: np.ndarray = np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))
    return angle


def _meta_rows(camera: Camera, index: int, rows: int, columns: int) -> np.ndarray:
    meta = np.zeros((rows * columns, META_SIZE), np.float32)
    edge = {
        name: ego_rays(camera, cell_pixels(camera, rows, columns, offset))
        for name, offset in (("left", (0, 0.5)), ("right", (1, 0.5)), ("top", (0.5, 0)), ("bottom", (0.5, 1)))
    }
    meta[:, 0] = index
    meta[:, 1:4] = ego_rays(camera, cell_pixels(camera, rows, columns))
    meta[:, 4] = _angle(edge["left"], edge["right"])
    meta[:, 5] = _angle(edge["top"], edge["bottom"])
    return meta


class TokenRays:
    """Meta rows of all retina tokens and all blocks of a rig, with age and filled still 0.

    Attributes:
        retina_meta: (8, 12, 8) float32, token = row * 4 + column.
        block_meta: (8, 300, 8) float32.
        has_camera: (8,) bool; where False the rows hold the camera index and zeros.
    """

    def __init__(self, rig: Rig) -> None:
        self.retina_meta = np.zeros((len(CAMERAS), RETINA_TOKENS, META_SIZE), np.float32)
        self.block_meta = np.zeros((len(CAMERAS), BLOCKS, META_SIZE), np.float32)
        self.retina_meta[:, :, 0] = np.arange(len(CAMERAS))[:, None]
        self.block_meta[:, :, 0] = np.arange(len(CAMERAS))[:, None]
        self.has_camera = np.zeros(len(CAMERAS), bool)
        for index, name in enumerate(CAMERAS):
            camera = rig.camera(name)
            if camera is not None:
                self.has_camera[index] = True
                self.retina_meta[index] = _meta_rows(camera, index, _TOKEN_ROWS, _TOKEN_COLUMNS)
                self.block_meta[index] = _meta_rows(camera, index, GRID_ROWS, GRID_COLUMNS)


def quarter_meta(rig: Rig) -> np.ndarray:
    """(8, 1200, 8) float32 meta rows of the quarters of all blocks, row * 40 + column; zeros for absent cameras."""
    quarters = np.zeros((len(CAMERAS), QUARTER_ROWS * QUARTER_COLUMNS, META_SIZE), np.float32)
    for index, name in enumerate(CAMERAS):
        camera = rig.camera(name)
        if camera is not None:
            quarters[index] = _meta_rows(camera, index, QUARTER_ROWS, QUARTER_COLUMNS)
    return quarters
