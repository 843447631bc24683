"""What is true about a hazard at a tick: how far it is, whether a camera can see it, and which blocks hold it.

Reads the simulator's world and, once per hazard, its pictures; it knows nothing of compressors.
"""

from dataclasses import dataclass

import numpy as np
from _rd_hazard_worlds import Hazard

from fsd.data.camera_model import project
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Rig
from fsd.data.simulator.actors import Pedestrian
from fsd.data.simulator.camera_view import draw_world
from fsd.data.simulator.perception import eye
from fsd.data.simulator.renderer import Renderer
from fsd.data.simulator.visibility import visible
from fsd.data.simulator.world import World
from fsd.data.simulator.yuv import planes_from_rgb

NEAR_M = 40.0
"""A hazard counts within this distance of the cameras."""

SEEN_PIXELS, SEEN_GREY_LEVELS = 12, 10
"""It has appeared when at least so many pixels of one camera would differ by this much without it."""

HELD_SHARE = 0.25
"""A block holds a hazard if its box fills a quarter of the block, or a quarter of the box is in the block."""

_BEHIND_M = -2.0
_HEIGHT_M = {"person": 1.75, "vehicle": 1.5}
_PERSON_HALF_M = 0.3
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 1)], dtype=np.float64)


@dataclass(frozen=True)
class Sight:
    """One hazard at one tick.

    Attributes:
        distance_m: from the cameras to the middle of its box.
        is_seen: within 40 m, not behind the car, and in a clear line of sight; from its appearance in a picture on.
        is_under_way: it has begun to be dangerous; stays so.
        held: (8, 300) bool, blocks that hold it.
    """

    distance_m: float
    is_seen: bool
    is_under_way: bool
    held: np.ndarray


class HazardWatch:
    """Follows one hazard through a drive."""

    def __init__(self, world: World, hazard: Hazard, rig: Rig) -> None:
        self.hazard = hazard
        self._world, self._rig = world, rig
        self._has_appeared = self._is_under_way = False

    def look(self, renderer: Renderer, luma: np.ndarray) -> Sight:
        """The truth at the world's present tick.

        Args:
            renderer: that the world is loaded in; used only until the hazard has appeared.
            luma: (8, H, W) uint8, what the cameras show now.
        """
        self._is_under_way |= self.hazard.is_under_way()
        box = outline(self.hazard)
        corners = box_in_ego(self._world, box, self._height_m)
        held = held_blocks(corners, self._rig)
        x, y = eye(self._world)
        distance_m = float(np.hypot(box[0] - x, box[1] - y))
        is_near = distance_m <= NEAR_M and corners[:, 0].max() > _BEHIND_M and bool(held.any())
        is_clear = is_near and self._in_clear_view(box)
        if is_clear and not self._has_appeared:
            self._has_appeared = self._changes_picture(renderer, luma, corners)
        return Sight(distance_m, is_clear and self._has_appeared, self._is_under_way, held)

    @property
    def _height_m(self) -> float:
        return _HEIGHT_M["person" if isinstance(self.hazard.actor, Pedestrian) else "vehicle"]

    def _in_clear_view(self, box: np.ndarray) -> bool:
        world = self._world
        vehicles = [(*v.pose, 0.5 * v.length_m, 0.5 * v.width_m) for v in world.traffic.vehicles]
        blockers = np.concatenate([world.houses, np.array(vehicles, dtype=np.float64).reshape(-1, 5)])
        return bool(visible(*eye(world), box[None], blockers, world.sight_m)[0])

    def _changes_picture(self, renderer: Renderer, luma: np.ndarray, corners: np.ndarray) -> bool:
        """Whether the pictures would differ, inside the box, if the hazard were not there."""
        actor, world = self.hazard.actor, self._world
        actors: list = world.pedestrians if isinstance(actor, Pedestrian) else world.traffic.vehicles
        place = next(index for index, other in enumerate(actors) if other is actor)
        actors.pop(place)
        without = planes_from_rgb(draw_world(renderer, world)).y
        actors.insert(place, actor)
        changed = np.abs(luma.astype(np.int16) - without) >= SEEN_GREY_LEVELS
        for index, (left, top, right, bottom) in boxes_in_pictures(corners, self._rig).items():
            part = changed[index, int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
            if part.sum() >= SEEN_PIXELS:
                return True
        return False


def outline(hazard: Hazard) -> np.ndarray:
    """(5,) x, y, heading, half length, half width in the world."""
    actor = hazard.actor
    if isinstance(actor, Pedestrian):
        return np.array([actor.x_m, actor.y_m, actor.heading_rad, _PERSON_HALF_M, _PERSON_HALF_M])
    return np.array([*actor.pose, 0.5 * actor.length_m, 0.5 * actor.width_m])


def box_in_ego(world: World, box: np.ndarray, height_m: float) -> np.ndarray:
    """(8, 3) corners of an upright box in the ego frame."""
    local = _CORNERS * [box[3], box[4], height_m]
    cos, sin = np.cos(box[2]), np.sin(box[2])
    x = box[0] + cos * local[:, 0] - sin * local[:, 1] - world.ego.x_m
    y = box[1] + sin * local[:, 0] + cos * local[:, 1] - world.ego.y_m
    cos, sin = np.cos(world.ego.heading_rad), np.sin(world.ego.heading_rad)
    return np.stack([cos * x + sin * y, -sin * x + cos * y, local[:, 2]], axis=1)


def boxes_in_pictures(corners: np.ndarray, rig: Rig) -> dict[int, tuple[float, float, float, float]]:
    """Camera index -> left, top, right, bottom in pixels of (8, 3) ego corners, clipped to the picture.

    A camera that has a corner beside or behind it is left out: the box is not what it shows of the thing.
    """
    found = {}
    for index, name in enumerate(CAMERAS):
        camera = rig.camera(name)
        if camera is None:
            continue
        camera_from_ego = np.linalg.inv(camera.ego_from_camera.matrix())
        points = corners @ camera_from_ego[:3, :3].T + camera_from_ego[:3, 3]
        if points[:, 2].min() < 0.3:
            continue
        pixels, _ = project(camera, points)
        if not np.isfinite(pixels).all():
            continue
        size = (camera.width_px, camera.height_px)
        low, high = np.clip(pixels.min(axis=0) + 0.5, 0, size), np.clip(pixels.max(axis=0) + 0.5, 0, size)
        if (high - low).min() >= 1.0:
            found[index] = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return found


def held_blocks(corners: np.ndarray, rig: Rig) -> np.ndarray:
    """(8, 300) bool: blocks that hold a good part of a box, see `HELD_SHARE`."""
    held = np.zeros((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), bool)
    for index, (left, top, right, bottom) in boxes_in_pictures(corners, rig).items():
        camera = rig.camera(CAMERAS[index])
        assert camera is not None
        width, height = camera.width_px / GRID_COLUMNS, camera.height_px / GRID_ROWS
        across = _overlaps(left / width, right / width, GRID_COLUMNS)
        along = _overlaps(top / height, bottom / height, GRID_ROWS)
        shared = np.outer(along, across)  # in blocks
        box = (right - left) * (bottom - top) / (width * height)
        held[index] = shared >= HELD_SHARE * min(1.0, box)
    return held.reshape(len(CAMERAS), -1)


def _overlaps(low: float, high: float, cells: int) -> np.ndarray:
    """(cells,) how much of each unit cell an interval covers."""
    first = np.arange(cells)
    return np.clip(np.minimum(high, first + 1) - np.maximum(low, first), 0.0, 1.0)
