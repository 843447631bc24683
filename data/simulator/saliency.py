"""Which blocks of which camera show something that matters: road users near enough, and the light that is faced.

The teacher of the network's saliency output, which tells the compressor where to look next. Gaze is scarce, so it
marks little: no car that waits in somebody else's lane, and of things that the base image shows well only the middle.
"""

import math

import numpy as np

from fsd.data.camera_model import project
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Rig
from fsd.data.simulator.perception import seen_vehicles
from fsd.data.simulator.scene import signal_heads
from fsd.data.simulator.world import World

SIGHT_M = 60.0
BOX_CELLS, HEAD_CELLS = 2, 3
"""Of a road user or a signal head that is larger in the picture, only so many middle cells a side are marked."""

STANDING_MPS = 0.5
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 1)], dtype=np.float64)


def saliency_label(world: World, rig: Rig) -> np.ndarray:
    """(8, 15, 20) int8: 1 where a box around a vehicle, a person or a signal head is seen, else 0."""
    grid = np.zeros((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), np.int8)
    corners, most = _boxes_in_ego(world)  # (n, 8, 3), (n,)
    if not len(corners):
        return grid
    for index, name in enumerate(CAMERAS):
        camera = rig.camera(name)
        if camera is None:
            continue
        camera_from_ego = np.linalg.inv(camera.ego_from_camera.matrix())
        points = corners @ camera_from_ego[:3, :3].T + camera_from_ego[:3, 3]
        is_ahead = (points[..., 2] > 0.3).all(axis=1)
        if not is_ahead.any():
            continue
        pixels, _ = project(camera, points[is_ahead])
        # A box with a corner that the lens could not show has no pixel there (NaN): it is far off to the side.
        cells = pixels * [GRID_COLUMNS / camera.width_px, GRID_ROWS / camera.height_px]
        is_finite = np.isfinite(cells).all(axis=(1, 2))
        cells = cells[is_finite]
        for low, high, limit in zip(cells.min(axis=1), cells.max(axis=1), most[is_ahead][is_finite], strict=True):
            x0, x1 = _middle(low[0], high[0], GRID_COLUMNS, limit)
            y0, y1 = _middle(low[1], high[1], GRID_ROWS, limit)
            grid[index, y0:y1, x0:x1] = 1
    return grid


def _middle(low: float, high: float, cells: int, limit: int) -> tuple[int, int]:
    """First cell and the one after the last of what is inside the picture, cut to its middle `limit` cells."""
    first, end = max(math.floor(low), 0), min(math.ceil(high), cells)
    spare = max(end - first - limit, 0)
    return first + spare // 2, max(end - (spare - spare // 2), 0)


def _boxes_in_ego(world: World) -> tuple[np.ndarray, np.ndarray]:
    """(n, 8, 3) corners in the ego frame of everything near that matters, and (n,) how many cells to mark a side."""
    boxes = [
        (*v.pose, 0.5 * v.length_m, 0.5 * v.width_m, 0.0, 1.5, BOX_CELLS)
        for v in seen_vehicles(world)
        if v.stream is None or v.speed_mps > STANDING_MPS
    ]
    boxes += [(p.x_m, p.y_m, p.heading_rad, 0.3, 0.3, 0.0, 1.75, BOX_CELLS) for p in world.pedestrians]
    for junction, is_route, x, y, z, heading in signal_heads(world.road):
        # The heads that the ego car reads: those of its own approach, while it is before the line.
        junction_of = world.road.junctions[junction]
        turn = np.cos(heading - junction_of.heading_rad)
        if is_route and turn > 0.5 and world.s < junction_of.stop_m:
            boxes.append((x, y, heading, 0.2, 0.35, z - 0.7, 1.4, HEAD_CELLS))
    if not boxes:
        return np.empty((0, 8, 3)), np.empty(0, np.int64)
    table = np.array(boxes, dtype=np.float64)
    ego = world.ego
    offset = table[:, :2] - [ego.x_m, ego.y_m]
    table, offset = table[np.hypot(*offset.T) < SIGHT_M], offset[np.hypot(*offset.T) < SIGHT_M]
    local = _CORNERS[None] * table[:, None, [3, 4, 6]]
    local[..., 2] += table[:, None, 5]
    cos, sin = np.cos(table[:, 2])[:, None], np.sin(table[:, 2])[:, None]
    x = offset[:, :1] + cos * local[..., 0] - sin * local[..., 1]
    y = offset[:, 1:] + sin * local[..., 0] + cos * local[..., 1]
    cos_ego, sin_ego = np.cos(ego.heading_rad), np.sin(ego.heading_rad)
    corners = np.stack([cos_ego * x + sin_ego * y, -sin_ego * x + cos_ego * y, local[..., 2]], axis=-1)
    return corners, table[:, 7].astype(np.int64)
