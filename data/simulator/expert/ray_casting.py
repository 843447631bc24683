"""Cast the rays of all cameras against simple solids and the ground: what each cell of the block grid shows, how far.

Works on tables of numbers in one pass per camera: the nearest solids come first, and each is tested only against the
rays inside its outline in the image. It does not know which classes there are, but a larger number wins a cell.
"""

import math

import numpy as np

from fsd.data.kernel import kernel
from fsd.data.simulator.expert.ground_map import CELL_M

SOLID_COLUMNS = 11
"""Rows: x, y, heading, half length, half width, from and to height, class, form, height of the eaves, and the number of
heights at which a ray goes to the middle of it, so that a small one is not missed."""

BOX, HOUSE, ELLIPSOID, CONE = 0, 1, 2, 3
"""Forms: a house has a ridge along its length; a cone stands on its base, whose radius is the half length."""

RAYS = 3
"""Rays per side of a cell."""

NEAR_M = 0.1
EYE_M = 2.6
"""No camera is farther from the rear axle."""


def nearest_first(solids: np.ndarray, ego: np.ndarray, range_m: float) -> np.ndarray:
    """(m, `SOLID_COLUMNS` + 4) the solids in range, in the ego frame; `ego` is x, y, heading.

    Further columns: cosine and sine of the heading, radius, and the least distance from the ego car.
    """
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    dx, dy, turn = solids[:, 0] - ego[0], solids[:, 1] - ego[1], solids[:, 2] - ego[2]
    radius = np.sqrt(solids[:, 3] ** 2 + solids[:, 4] ** 2 + 0.25 * (solids[:, 6] - solids[:, 5]) ** 2)
    nearest = np.hypot(dx, dy) - radius
    local = np.column_stack([solids, np.cos(turn), np.sin(turn), radius, nearest])
    local[:, 0], local[:, 1] = dx * cos + dy * sin, dy * cos - dx * sin
    order = np.argsort(nearest, kind="stable")
    return np.ascontiguousarray(local[order[nearest[order] < range_m]])


@kernel
def cast(
    cameras: np.ndarray,
    rays: np.ndarray,
    solids: np.ndarray,
    ego: np.ndarray,
    ground: np.ndarray,
    ground_at: np.ndarray,
    ground_class: np.ndarray,
    range_m: float,
    middle_range_m: float,
    semantic: np.ndarray,
    depth: np.ndarray,
) -> None:
    """Fill `semantic` and `depth`, (N, rows, columns) of int8 and float32.

    Args:
        cameras: (N, 18) of `camera_sight.camera_table`, whose pixels are rays.
        rays: (N, RAYS * rows, RAYS * columns, 3) unit vectors in the ego frame.
        solids: from `nearest_first`; ego: x, y, heading of the ego frame in the world.
        ground: values of a `GroundMap`, and in `ground_at` its x and y; ground_class: class of each value.
        range_m: what is farther is not seen; middle_range_m: so far, rays go to the middles of solids.

    A cell has the largest class that one of its rays meets, and the distance of the nearest of these; 0 and NaN: none.
    """
    rows, columns = rays.shape[1], rays.shape[2]
    distance, kind = np.empty((rows, columns)), np.empty((rows, columns), np.int64)
    corners, box = np.empty((8, 3)), np.empty(4)
    for index in range(len(cameras)):
        camera = cameras[index]
        for i in range(rows):
            for j in range(columns):
                slope = rays[index, i, j, 2]
                far = -camera[2] / slope if slope < -1e-6 else range_m
                distance[i, j], kind[i, j] = min(far, range_m), -1 if far < range_m else 0
        for row in range(len(solids)):
            _draw(camera, rays[index], solids[row], corners, box, distance, kind)
        _find_ground(camera, rays[index], ego, ground, ground_at, ground_class, distance, kind)
        _reduce(distance, kind, semantic[index], depth[index])
        for row in range(len(solids)):
            if solids[row, 10] > 0 and solids[row, 14] < middle_range_m:
                _aim_at_middle(camera, solids, row, semantic[index], depth[index])


@kernel
def _outline(camera: np.ndarray, solid: np.ndarray, corners: np.ndarray, box: np.ndarray) -> bool:
    """Put the outline of a solid in the image into `box`: u0, u1, v0, v1; False if it is not in view."""
    dx, dy = solid[0] - camera[0], solid[1] - camera[1]
    dz = 0.5 * (solid[5] + solid[6]) - camera[2]
    if camera[9] * dx + camera[10] * dy + camera[11] * dz < -solid[13]:
        return False
    for corner in range(8):
        along = solid[3] if corner & 1 else -solid[3]
        across = solid[4] if corner & 2 else -solid[4]
        x = dx + solid[11] * along - solid[12] * across
        y = dy + solid[12] * along + solid[11] * across
        z = (solid[6] if corner & 4 else solid[5]) - camera[2]
        for axis in range(3):
            corners[corner, axis] = camera[3 + 3 * axis] * x + camera[4 + 3 * axis] * y + camera[5 + 3 * axis] * z
    box[0], box[1], box[2], box[3] = 1e9, -1e9, 1e9, -1e9
    for corner in range(8):
        if corners[corner, 2] >= NEAR_M:
            _extend(camera, corners[corner, 0], corners[corner, 1], corners[corner, 2], box)
        for bit in (1, 2, 4):
            other = corner ^ bit
            if corners[corner, 2] < NEAR_M <= corners[other, 2]:
                share = (NEAR_M - corners[corner, 2]) / (corners[other, 2] - corners[corner, 2])
                x = corners[corner, 0] + share * (corners[other, 0] - corners[corner, 0])
                y = corners[corner, 1] + share * (corners[other, 1] - corners[corner, 1])
                _extend(camera, x, y, NEAR_M, box)
    return box[0] < camera[16] and box[1] > 0.0 and box[2] < camera[17] and box[3] > 0.0


@kernel
def _extend(camera: np.ndarray, x: float, y: float, z: float, box: np.ndarray) -> None:
    u, v = camera[14] + camera[12] * x / z, camera[15] + camera[13] * y / z
    box[0], box[1], box[2], box[3] = min(box[0], u), max(box[1], u), min(box[2], v), max(box[3], v)


@kernel
def _draw(
    camera: np.ndarray,
    rays: np.ndarray,
    solid: np.ndarray,
    corners: np.ndarray,
    box: np.ndarray,
    distance: np.ndarray,
    kind: np.ndarray,
) -> None:
    """Test a solid against the rays in its outline, one per pixel of the camera's table, through the pixel's middle."""
    if not _outline(camera, solid, corners, box):
        return
    px, py = camera[0] - solid[0], camera[1] - solid[1]
    least = math.hypot(px, py) - solid[13]
    cos, sin = solid[11], solid[12]
    x, y = px * cos + py * sin, py * cos - px * sin
    first_row, last_row = max(math.ceil(box[2] - 0.5), 0), min(math.floor(box[3] - 0.5), distance.shape[0] - 1)
    first, last = max(math.ceil(box[0] - 0.5), 0), min(math.floor(box[1] - 0.5), distance.shape[1] - 1)
    for i in range(first_row, last_row + 1):
        for j in range(first, last + 1):
            if distance[i, j] > least:
                a, b = rays[i, j, 0], rays[i, j, 1]
                at = hit(solid, x, y, camera[2], a * cos + b * sin, b * cos - a * sin, rays[i, j, 2])
                if at < distance[i, j]:
                    distance[i, j], kind[i, j] = at, int(solid[7])


@kernel
def hit(solid: np.ndarray, x: float, y: float, z: float, dx: float, dy: float, dz: float) -> float:
    """Distance to a solid along a ray, both in the solid's frame (z above the ground); infinite if they do not meet."""
    form = int(solid[8])
    if form >= ELLIPSOID:
        return _hit_tree(solid, x, y, z, dx, dy, dz)
    enter, leave = -np.inf, np.inf
    for start, step, low, high in (
        (x, dx, -solid[3], solid[3]),
        (y, dy, -solid[4], solid[4]),
        (z, dz, solid[5], solid[6]),
    ):
        if abs(step) < 1e-9:
            if not low <= start <= high:
                return np.inf
        else:
            near, far = (low - start) / step, (high - start) / step
            enter, leave = max(enter, min(near, far)), min(leave, max(near, far))
    if form == HOUSE and solid[6] > solid[9]:
        for pitch in ((solid[6] - solid[9]) / solid[4], (solid[9] - solid[6]) / solid[4]):
            room, rise = solid[6] - pitch * y - z, pitch * dy + dz
            if rise > 1e-9:
                leave = min(leave, room / rise)
            elif rise < -1e-9:
                enter = max(enter, room / rise)
            elif room < 0.0:
                return np.inf
    return enter if 0.0 < enter < leave else np.inf


@kernel
def _hit_tree(solid: np.ndarray, x: float, y: float, z: float, dx: float, dy: float, dz: float) -> float:
    """The nearer solution of a quadratic equation, and for a cone only where it is between base and tip."""
    tall = solid[6] - solid[5]
    if int(solid[8]) == ELLIPSOID:
        stretch = 2.0 * solid[3] / tall  # to a sphere
        up, rise = (z - 0.5 * (solid[5] + solid[6])) * stretch, dz * stretch
        a, b = dx * dx + dy * dy + rise * rise, x * dx + y * dy + up * rise
        c = x * x + y * y + up * up - solid[3] ** 2
    else:
        square, below = (solid[3] / tall) ** 2, solid[6] - z
        a, b = dx * dx + dy * dy - square * dz * dz, x * dx + y * dy + square * below * dz
        c = x * x + y * y - square * below * below
    root = b * b - a * c
    if root < 0.0 or abs(a) < 1e-12:
        return np.inf
    root = math.sqrt(root)
    nearer, farther = min((-b - root) / a, (-b + root) / a), max((-b - root) / a, (-b + root) / a)
    for at in (nearer, farther):
        if at > 0.0 and solid[5] - 1e-6 <= z + at * dz <= solid[6] + 1e-6:
            return at
    return np.inf


@kernel
def _find_ground(
    camera: np.ndarray,
    rays: np.ndarray,
    ego: np.ndarray,
    ground: np.ndarray,
    ground_at: np.ndarray,
    ground_class: np.ndarray,
    distance: np.ndarray,
    kind: np.ndarray,
) -> None:
    """Look up what the rays that no solid stops meet on the ground."""
    cos, sin = math.cos(ego[2]), math.sin(ego[2])
    for i in range(distance.shape[0]):
        for j in range(distance.shape[1]):
            if kind[i, j] < 0:
                x = camera[0] + distance[i, j] * rays[i, j, 0]
                y = camera[1] + distance[i, j] * rays[i, j, 1]
                row = math.floor((ego[0] + cos * x - sin * y - ground_at[0]) / CELL_M)
                column = math.floor((ego[1] + sin * x + cos * y - ground_at[1]) / CELL_M)
                is_mapped = 0 <= row < ground.shape[0] and 0 <= column < ground.shape[1]
                kind[i, j] = ground_class[ground[row, column] if is_mapped else 0]


@kernel
def _reduce(distance: np.ndarray, kind: np.ndarray, semantic: np.ndarray, depth: np.ndarray) -> None:
    for i in range(semantic.shape[0]):
        for j in range(semantic.shape[1]):
            best, nearest = 0, np.inf
            for u in range(RAYS * i, RAYS * (i + 1)):
                for v in range(RAYS * j, RAYS * (j + 1)):
                    if kind[u, v] > best:
                        best, nearest = kind[u, v], distance[u, v]
                    elif kind[u, v] == best:
                        nearest = min(nearest, distance[u, v])
            semantic[i, j], depth[i, j] = best, nearest if best > 0 else np.nan


@kernel
def _aim_at_middle(camera: np.ndarray, solids: np.ndarray, row: int, semantic: np.ndarray, depth: np.ndarray) -> None:
    """Send rays to the middle line of a solid, and mark the cells in which they show it."""
    solid = solids[row]
    points = int(solid[10])
    for point in range(points):
        dx, dy = solid[0] - camera[0], solid[1] - camera[1]
        dz = solid[5] + (point + 0.5) / points * (solid[6] - solid[5]) - camera[2]
        ahead = camera[9] * dx + camera[10] * dy + camera[11] * dz
        if ahead < NEAR_M:
            continue
        u = camera[14] + camera[12] * (camera[3] * dx + camera[4] * dy + camera[5] * dz) / ahead
        v = camera[15] + camera[13] * (camera[6] * dx + camera[7] * dy + camera[8] * dz) / ahead
        i, j = math.floor(v / RAYS), math.floor(u / RAYS)
        if not (0 <= i < semantic.shape[0] and 0 <= j < semantic.shape[1]) or semantic[i, j] > solid[7]:
            continue
        length = math.sqrt(dx * dx + dy * dy + dz * dz)
        dx, dy, dz = dx / length, dy / length, dz / length
        own = _hit_in_ego(camera, solid, dx, dy, dz)
        is_hidden = own == np.inf
        for other in range(len(solids)):
            if is_hidden or solids[other, 14] > length + EYE_M:
                break
            is_hidden = other != row and _hit_in_ego(camera, solids[other], dx, dy, dz) < own
        if not is_hidden:
            known = depth[i, j] if semantic[i, j] == solid[7] else np.inf
            semantic[i, j], depth[i, j] = int(solid[7]), min(own, known)


@kernel
def _hit_in_ego(camera: np.ndarray, solid: np.ndarray, dx: float, dy: float, dz: float) -> float:
    """`hit` for a ray in the ego frame, after a cheap test against the solid's radius."""
    x, y, z = camera[0] - solid[0], camera[1] - solid[1], camera[2] - 0.5 * (solid[5] + solid[6])
    along = x * dx + y * dy + z * dz
    if x * x + y * y + z * z - along * along > solid[13] ** 2:
        return np.inf
    cos, sin = solid[11], solid[12]
    return hit(solid, x * cos + y * sin, y * cos - x * sin, camera[2], dx * cos + dy * sin, dy * cos - dx * sin, dz)
