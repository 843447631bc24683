"""Saliency labels: the blocks of each camera that show nearby road users or the traffic light that the ego faces.

The network's saliency output learns from them; the compressor uses that output to place its gaze. Gaze is limited, so
few blocks are marked: no cars that wait in other streams, and only the middle of objects that are large in the image.
"""

import math

import numpy as np

from fsd.data.camera_model import project
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Rig
from fsd.data.simulator.expert.perception import seen_vehicles
from fsd.data.simulator.rendering.scene import signal_heads
from fsd.data.simulator.world import World

SIGHT_M = 60.0
BOX_CELLS, HEAD_CELLS = 2, 3
"""At most this many cells per side are marked, at the middle of a road user or a signal head."""

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
        # A corner outside the lens's range has no pixel (NaN): the box is far off to the side.
        cells = pixels * [GRID_COLUMNS / camera.width_px, GRID_ROWS / camera.height_px]
        is_finite = np.isfinite(cells).all(axis=(1, 2))
        cells = cells[is_finite]
        for low, high, limit in zip(cells.min(axis=1), cells.max(axis=1), most[is_ahead][is_finite], strict=True):
            x0, x1 = _middle(low[0], high[0], GRID_COLUMNS, limit)
            y0, y1 = _middle(low[1], high[1], GRID_ROWS, limit)
            grid[index, y0:y1, x0:x1] = 1
    return grid


def _middle(low: float, high: float, cells: int, limit: int) -> tuple[int, int]:
    """First cell and the one after the last inside the image, limited to the middle `limit` cells."""
    first, end = max(math.floor(low), 0), min(math.ceil(high), cells)
    spare = max(end - first - limit, 0)
    return first + spare // 2, max(end - (spare - spare // 2), 0)


def _boxes_in_ego(world: World) -> tuple[np.ndarray, np.ndarray]:
    """(n, 8, 3) corners of all relevant objects in the ego frame, and (n,) how many cells per side to mark."""
    boxes = [
        (*v.pose, 0.5 * v.length_m, 0.5 * v.width_m, 0.0, 1.5, BOX_CELLS)
        for v in seen_vehicles(world)
        if v.stream is None or v.speed_mps > STANDING_MPS
    ]
    boxes += [(p.x_m, p.y_m, p.heading_rad, 0.3, 0.3, 0.0, 1.75, BOX_CELLS) for p in world.pedestrians]
    for junction, is_route, x, y, z, heading in signal_heads(world.road):
        # The heads that the ego car reads: those of its own approach, until it has passed the line.
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
