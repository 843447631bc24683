"""The truth about a hazard at a tick: how far away it is, whether a camera sees it, and which blocks contain it.

Reads the simulator's world and, until the hazard has appeared, its images. It does not know compressors.
"""

from dataclasses import dataclass

import numpy as np

from fsd.data.camera_model import project
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Rig
from fsd.data.simulator.expert.perception import eye
from fsd.data.simulator.expert.visibility import visible
from fsd.data.simulator.rendering.camera_view import draw_world
from fsd.data.simulator.rendering.renderer import Renderer
from fsd.data.simulator.rendering.yuv import planes_from_rgb
from fsd.data.simulator.traffic.actors import Pedestrian
from fsd.data.simulator.world import World
from rate_distortion.hazard_worlds import Hazard

NEAR_M = 40.0
"""A hazard counts only within this distance of the cameras."""

SEEN_PIXELS, SEEN_GREY_LEVELS = 12, 10
"""A hazard has appeared once at least 12 pixels of one camera would differ by 10 grey levels without it."""

MIN_SHARE = 0.25
"""A block contains a hazard if its box fills a quarter of the block, or a quarter of the box is in the block."""

_BEHIND_M = -2.0
_HEIGHT_M = {"person": 1.75, "vehicle": 1.5}
_PERSON_HALF_M = 0.3
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 1)], dtype=np.float64)


@dataclass(frozen=True)
class HazardState:
    """One hazard at one tick.

    Attributes:
        distance_m: from the cameras to the centre of its box.
        is_seen: within 40 m, not behind the car, in a clear line of sight, and it has appeared in an image by now.
        is_under_way: it has become dangerous at this tick or before.
        blocks: (8, 300) bool, blocks that contain it.
    """

    distance_m: float
    is_seen: bool
    is_under_way: bool
    blocks: np.ndarray


class HazardTracker:
    """Follows one hazard through a drive."""

    def __init__(self, world: World, hazard: Hazard, rig: Rig) -> None:
        self.hazard = hazard
        self._world, self._rig = world, rig
        self._has_appeared = self._is_under_way = False

    def observe(self, renderer: Renderer, luma: np.ndarray) -> HazardState:
        """The hazard's state at the world's current tick.

        Args:
            renderer: the world is loaded in it; used only until the hazard has appeared.
            luma: (8, H, W) uint8 images of this tick.
        """
        self._is_under_way |= self.hazard.is_under_way()
        box = outline(self.hazard)
        corners = box_in_ego(self._world, box, self._height_m)
        blocks = blocks_with(corners, self._rig)
        x, y = eye(self._world)
        distance_m = float(np.hypot(box[0] - x, box[1] - y))
        is_near = distance_m <= NEAR_M and corners[:, 0].max() > _BEHIND_M and bool(blocks.any())
        is_clear = is_near and self._in_clear_view(box)
        if is_clear and not self._has_appeared:
            self._has_appeared = self._changes_image(renderer, luma, corners)
        return HazardState(distance_m, is_clear and self._has_appeared, self._is_under_way, blocks)

    @property
    def _height_m(self) -> float:
        return _HEIGHT_M["person" if isinstance(self.hazard.actor, Pedestrian) else "vehicle"]

    def _in_clear_view(self, box: np.ndarray) -> bool:
        world = self._world
        vehicles = [(*v.pose, 0.5 * v.length_m, 0.5 * v.width_m) for v in world.traffic.vehicles]
        blockers = np.concatenate([world.houses, np.array(vehicles, dtype=np.float64).reshape(-1, 5)])
        return bool(visible(*eye(world), box[None], blockers, world.sight_m)[0])

    def _changes_image(self, renderer: Renderer, luma: np.ndarray, corners: np.ndarray) -> bool:
        """Whether the images inside the box would differ if the hazard were not there."""
        actor, world = self.hazard.actor, self._world
        actors: list = world.pedestrians if isinstance(actor, Pedestrian) else world.traffic.vehicles
        place = next(index for index, other in enumerate(actors) if other is actor)
        actors.pop(place)
        without = planes_from_rgb(draw_world(renderer, world)).y
        actors.insert(place, actor)
        changed = np.abs(luma.astype(np.int16) - without) >= SEEN_GREY_LEVELS
        for index, (left, top, right, bottom) in boxes_in_images(corners, self._rig).items():
            part = changed[index, int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
            if part.sum() >= SEEN_PIXELS:
                return True
        return False


def outline(hazard: Hazard) -> np.ndarray:
    """(5,) x, y, heading, half length and half width in the world frame."""
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


def boxes_in_images(corners: np.ndarray, rig: Rig) -> dict[int, tuple[float, float, float, float]]:
    """Camera index -> left, top, right, bottom in pixels of a box of (8, 3) ego corners, clipped to the image.

    Cameras with a corner beside or behind them are left out, because the projected corners do not bound the object.
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


def blocks_with(corners: np.ndarray, rig: Rig) -> np.ndarray:
    """(8, 300) bool: blocks that contain enough of a box, see `MIN_SHARE`."""
    found = np.zeros((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), bool)
    for index, (left, top, right, bottom) in boxes_in_images(corners, rig).items():
        camera = rig.camera(CAMERAS[index])
        assert camera is not None
        width, height = camera.width_px / GRID_COLUMNS, camera.height_px / GRID_ROWS
        across = _overlaps(left / width, right / width, GRID_COLUMNS)
        along = _overlaps(top / height, bottom / height, GRID_ROWS)
        shared = np.outer(along, across)  # area in blocks
        box = (right - left) * (bottom - top) / (width * height)
        found[index] = shared >= MIN_SHARE * min(1.0, box)
    return found.reshape(len(CAMERAS), -1)


def _overlaps(low: float, high: float, cells: int) -> np.ndarray:
    """(cells,) length of each unit cell that an interval covers."""
    first = np.arange(cells)
    return np.clip(np.minimum(high, first + 1) - np.maximum(low, first), 0.0, 1.0)
