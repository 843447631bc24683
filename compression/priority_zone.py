"""The priority zone: the fewest blocks that show every place of the street ahead where a person may stand.

Surprise finds what moves against the street, but beside the car the street itself moves too fast to tell. The blocks of
the zone are therefore read again at short intervals, whatever they show (see `GazeWeights.max_revisit_ticks`). This
module knows the calibrated rays; no pixels, no budget.
"""

import numpy as np

from fsd.data.camera_model import project
from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Camera, Rig

ZONE_AHEAD_M, ZONE_SIDE_M = 40.0, 10.0
"""How far ahead, and how far to either side of the ego's axis: the street and its pavements."""

HELD_SHARE = 0.25
"""A block holds a person who fills a quarter of it, or of whom it shows a quarter."""

_DISTANCES_M = (7.0, 9.0, 11.0, 14.0, 18.0, 23.0, 29.0, 34.0, ZONE_AHEAD_M)
_BEARINGS_RAD = np.radians(np.arange(-50.0, 50.1, 1.0))
_PERSON_HALF_M, _PERSON_HEIGHT_M = 0.3, 1.75
_CORNERS_M = np.array(
    [
        (x, y, z)
        for x in (-_PERSON_HALF_M, _PERSON_HALF_M)
        for y in (-_PERSON_HALF_M, _PERSON_HALF_M)
        for z in (0.0, _PERSON_HEIGHT_M)
    ]
)


def priority_blocks(rig: Rig) -> np.ndarray:
    """(8, 300) bool: the blocks of the zone.

    Places are covered greedily, the block that holds most of them first (D. S. Johnson, Approximation algorithms for
    combinatorial problems, 1974); places that no camera shows are left out.
    """
    places = _places()
    held = np.zeros((len(CAMERAS), BLOCKS, len(places)), bool)
    for index, name in enumerate(CAMERAS):
        camera = rig.camera(name)
        if camera is not None:
            held[index] = _held(camera, places)
    return _cover(held.reshape(-1, len(places))).reshape(len(CAMERAS), BLOCKS)


def _places() -> np.ndarray:
    """(n, 2) x and y in metres of the ego frame where a person may stand."""
    distance, bearing = (grid.ravel() for grid in np.meshgrid(_DISTANCES_M, _BEARINGS_RAD, indexing="ij"))
    places = np.stack([distance * np.cos(bearing), distance * np.sin(bearing)], axis=1)
    in_zone: np.ndarray = places[np.abs(places[:, 1]) <= ZONE_SIDE_M]
    return in_zone


def _held(camera: Camera, places: np.ndarray) -> np.ndarray:
    """(300, n) bool: which blocks of a camera hold a person at each place."""
    ground = np.concatenate([places, np.zeros((len(places), 1))], axis=1)
    mount = camera.ego_from_camera.matrix()
    points = (ground[:, None] + _CORNERS_M - mount[:3, 3]) @ mount[:3, :3]
    pixels, _ = project(camera, points)
    is_shown = (points[..., 2] > 0.3).all(axis=1) & np.isfinite(pixels).all(axis=(1, 2))
    cells = (np.nan_to_num(pixels) + 0.5) * [GRID_COLUMNS / camera.width_px, GRID_ROWS / camera.height_px]
    low, high = cells.min(axis=1), cells.max(axis=1)
    across = _shared(low[:, 0], high[:, 0], GRID_COLUMNS)
    along = _shared(low[:, 1], high[:, 1], GRID_ROWS)
    shared = along[:, :, None] * across[:, None, :]  # (n, 15, 20), in blocks
    size = np.minimum(across.sum(axis=1) * along.sum(axis=1), 1.0)
    is_held = (shared >= HELD_SHARE * size[:, None, None]) & (size[:, None, None] > 0) & is_shown[:, None, None]
    by_block: np.ndarray = is_held.reshape(len(places), -1).T
    return by_block


def _shared(low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """(n, cells) how much of every unit cell the intervals cover."""
    first = np.arange(cells)
    covered: np.ndarray = np.minimum(high[:, None], first + 1) - np.maximum(low[:, None], first)
    return covered.clip(0.0, 1.0)


def _cover(held: np.ndarray) -> np.ndarray:
    """(blocks,) bool: few rows of (blocks, places) that together have every column that any row has."""
    chosen = np.zeros(len(held), bool)
    is_open = held.any(axis=0)
    while is_open.any():
        best = int(held[:, is_open].sum(axis=1).argmax())
        chosen[best] = True
        is_open &= ~held[best]
    return chosen
