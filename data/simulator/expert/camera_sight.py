"""Which objects a rig's cameras show: in a field of view, large enough, and not hidden.

Straight lines of sight from every camera to nine points of an object; boxes with a height (vehicles and houses) hide
what is behind and below them. Trees, poles and the ego car itself hide nothing; mounting errors are ignored.
"""

import math
from dataclasses import dataclass

import numpy as np

from fsd.data.kernel import kernel
from fsd.data.rig import Pinhole, Rig
from fsd.data.simulator.expert.visibility import crossing
from fsd.data.simulator.traffic.actors import Vehicle
from fsd.data.simulator.world import World

HEIGHT_M = {"sedan": 1.43, "van": 2.02, "truck": 3.1}
PERSON_M = (0.22, 0.28, 1.77)
"""Half length, half width and height of a person."""

TARGET_COLUMNS, BLOCKER_COLUMNS, CAMERA_COLUMNS = 7, 6, 18
"""Rows: x, y, heading, half length, half width, from and to height; the same with only the latter height; see
`camera_table`."""


@dataclass(frozen=True)
class CameraSight:
    """What counts as shown by a camera.

    Attributes:
        retina_width_px: width of the images in whose pixels sizes are counted, those of the compressor's retina.
        min_pixels: area of the part of a road user that is not hidden. A patch has eight times the resolution: two
            pixels are an 11x11 square of a patch. At 4, crossing cars are known too late for S6.
        min_light_pixels: the same for a signal head.
    """

    retina_width_px: int = 80
    min_pixels: float = 2.0
    min_light_pixels: float = 0.5


def camera_table(rig: Rig, width_px: int) -> np.ndarray:
    """(n, `CAMERA_COLUMNS`) per camera: position in the ego frame, rotation camera_from_ego, and the pinhole's fx, fy,
    cx, cy, width, height for images of this width.

    Raises:
        ValueError: a camera is no pinhole.
    """
    rows = []
    for camera in rig.cameras:
        lens = camera.intrinsics
        if not isinstance(lens, Pinhole):
            raise ValueError(f"{camera.name} has a {type(lens).__name__} lens; the simulator draws pinholes only.")
        pose, scale = camera.ego_from_camera.matrix(), width_px / camera.width_px
        optics = np.array(
            [lens.fx_px, lens.fy_px, lens.cx_px + 0.5, lens.cy_px + 0.5, camera.width_px, camera.height_px]
        )
        rows.append(np.concatenate([pose[:3, 3], pose[:3, :3].T.ravel(), scale * optics]))
    return np.array(rows)


def vehicle_boxes(vehicles: list[Vehicle]) -> np.ndarray:
    """(n, `TARGET_COLUMNS`) boxes of vehicles."""
    rows = [(*v.pose, 0.5 * v.length_m, 0.5 * v.width_m, 0.0, HEIGHT_M[v.shape]) for v in vehicles]
    return np.array(rows, dtype=np.float64).reshape(-1, TARGET_COLUMNS)


def house_boxes(world: World) -> np.ndarray:
    """(n, `BLOCKER_COLUMNS`) boxes of the houses, up to the eaves."""
    return np.column_stack([world.houses, world.scenery.buildings[:, 5]])


@kernel
def shown(
    cameras: np.ndarray,
    ego: np.ndarray,
    targets: np.ndarray,
    min_pixels: np.ndarray,
    blockers: np.ndarray,
    own: np.ndarray,
    sight_m: float,
) -> np.ndarray:
    """(n,) bool: whether some camera shows enough of each target.

    Args:
        cameras: from `camera_table`.
        ego: x, y, heading of the ego car.
        targets: (n, `TARGET_COLUMNS`); min_pixels: (n,) area of each that must be in view and not hidden.
        blockers: (m, `BLOCKER_COLUMNS`); own: (n,) the blocker that is the target itself, or -1.
        sight_m: objects farther away are not shown.
    """
    seen = np.zeros(len(targets), dtype=np.bool_)
    near = np.empty(len(blockers), dtype=np.int64)
    cos, sin = math.cos(ego[2]), math.sin(ego[2])
    for row in range(len(targets)):
        target = targets[row]
        dx, dy = target[0] - ego[0], target[1] - ego[1]
        distance = math.hypot(dx, dy)
        if distance > sight_m:
            continue
        count = _near_line(ego, target, distance, blockers, own[row], near)
        for index in range(len(cameras)):
            camera = cameras[index]
            x, y = ego[0] + camera[0] * cos - camera[1] * sin, ego[1] + camera[0] * sin + camera[1] * cos
            area = _area(camera, x, y, target)
            if area < min_pixels[row]:
                continue
            points = 0
            for end in (0.0, 1.0, -1.0):
                px = target[0] + end * target[3] * math.cos(target[2])
                py = target[1] + end * target[3] * math.sin(target[2])
                for level in (0.2, 0.55, 0.9):
                    pz = target[5] + level * (target[6] - target[5])
                    ahead, left = (px - ego[0]) * cos + (py - ego[1]) * sin, (py - ego[1]) * cos - (px - ego[0]) * sin
                    if _in_view(camera, ahead, left, pz) and not _hidden(
                        x, y, camera[2], px, py, pz, blockers, near, count
                    ):
                        points += 1
            if area * points / 9.0 >= min_pixels[row]:
                seen[row] = True
                break
    return seen


@kernel
def _near_line(
    ego: np.ndarray, target: np.ndarray, distance: float, blockers: np.ndarray, own: int, near: np.ndarray
) -> int:
    """Collect the blockers that can touch a line of sight, so that few are tested exactly; returns their number."""
    count = 0
    along_x, along_y = (target[0] - ego[0]) / max(distance, 1e-6), (target[1] - ego[1]) / max(distance, 1e-6)
    for other in range(len(blockers)):
        dx, dy = blockers[other, 0] - ego[0], blockers[other, 1] - ego[1]
        reach = math.hypot(blockers[other, 3], blockers[other, 4]) + target[3] + 2.6  # cameras are 2.5 m from the axle
        along = dx * along_x + dy * along_y
        if other != own and -reach < along < distance + reach and abs(dx * along_y - dy * along_x) < reach:
            near[count] = other
            count += 1
    return count


@kernel
def _area(camera: np.ndarray, x: float, y: float, target: np.ndarray) -> float:
    """Pixels that a box would cover in the middle of a camera's image."""
    dx, dy = target[0] - x, target[1] - y
    distance = max(math.hypot(dx, dy), 0.5)
    turn = target[2] - math.atan2(dy, dx)
    width = 2 * (target[3] * abs(math.sin(turn)) + target[4] * abs(math.cos(turn)))
    return camera[12] * camera[13] * width * (target[6] - target[5]) / (distance * distance)


@kernel
def _in_view(camera: np.ndarray, ahead: float, left: float, up: float) -> bool:
    dx, dy, dz = ahead - camera[0], left - camera[1], up - camera[2]
    depth = camera[9] * dx + camera[10] * dy + camera[11] * dz
    if depth < 0.1:
        return False
    u = camera[14] + camera[12] * (camera[3] * dx + camera[4] * dy + camera[5] * dz) / depth
    v = camera[15] + camera[13] * (camera[6] * dx + camera[7] * dy + camera[8] * dz) / depth
    return 0.0 <= u <= camera[16] and 0.0 <= v <= camera[17]


@kernel
def _hidden(
    x: float, y: float, z: float, px: float, py: float, pz: float, blockers: np.ndarray, near: np.ndarray, count: int
) -> bool:
    """Whether one of the first `count` blockers of `near` is between a camera and a point."""
    for index in range(count):
        box = blockers[near[index]]
        enter, leave = crossing(box, x, y, px, py)
        if enter < leave and min(z + enter * (pz - z), z + leave * (pz - z)) < box[5]:
            return True
    return False
