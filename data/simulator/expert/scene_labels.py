"""What the cells of the block grid show and how far away it is: labels for auxiliary outputs in training.

Rays against simple solids instead of a rendering: vehicles, people, houses and signal heads are boxes, crowns of trees
are ellipsoids and cones, the ground is level. Posts, signs, lamps and trunks are left out.
"""

import numpy as np

from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Rig
from fsd.data.simulator.expert.camera_sight import PERSON_M, camera_table
from fsd.data.simulator.expert.ground_map import OPEN_GROUND, ROAD, ground_map
from fsd.data.simulator.expert.ray_casting import BOX, CONE, ELLIPSOID, HOUSE, RAYS, SOLID_COLUMNS, cast, nearest_first
from fsd.data.simulator.rendering.scene import signal_heads
from fsd.data.simulator.rendering.scenery_mesh import GROUND_M
from fsd.data.simulator.world import World

SEMANTIC_CLASSES = ("sky", "ground", "road", "building", "vehicle", "signal", "person")
"""As in the network's contract, a test compares them: a cell has the last class that one of its rays meets. `sky` is
also what is too far; `road` has its markings; `building` any obstacle, trees too; `signal` the side with lamps."""

RANGE_M = 150.0
FOG_DEPTHS = 2.0
"""Fog shortens the range to this many times the distance at which contrast halves."""

MIDDLE_RANGE_M = 60.0
"""Road users and signals as near as this are not missed between two rays; saliency labels reach as far."""

VEHICLE_PARTS = {
    "sedan": ((-2.28, 2.28, 0.90, 0.1, 0.95), (-1.55, 0.8, 0.70, 0.95, 1.43)),
    "van": ((-2.5, 2.48, 0.98, 0.1, 1.12), (-2.45, 1.2, 0.90, 1.12, 2.02)),
    "truck": ((-3.8, 1.75, 1.18, 0.3, 3.1), (1.75, 3.8, 1.12, 0.2, 1.55), (1.92, 3.6, 1.07, 1.55, 2.42)),
}
"""Boxes of a vehicle, forward of its middle: from and to, half width, from and to height, as of `rendering.models`."""

_ROUND_CROWN, _CONIFER = (1.75, 1.7, 5.8), (1.6, 0.9, 6.6)
"""Radius, from and to height of trees of scale 1."""

_HEAD_HALF_M = (0.08, 0.33, 0.72)


class SceneLabels:
    """Labels of one drive.

    Args:
        world: its current state is labelled at each call.
        rig: pinhole cameras; cameras that it lacks are `unknown`.
        mounting_error: (8, 3, 3) rotations of the cameras on their mounts as for the renderer, or None.

    Raises:
        ValueError: a camera is no pinhole.
    """

    def __init__(self, world: World, rig: Rig, mounting_error: np.ndarray | None = None) -> None:
        self._world = world
        self._places = np.array([CAMERAS.index(camera.name) for camera in rig.cameras])
        self._cameras = camera_table(rig, RAYS * GRID_COLUMNS)
        self._cameras[:, [13, 15, 17]] *= (RAYS * GRID_ROWS / self._cameras[:, 17])[:, None]
        if mounting_error is not None:
            nominal = self._cameras[:, 3:12].reshape(-1, 3, 3)
            actual = nominal @ mounting_error[self._places].transpose(0, 2, 1)
            self._cameras[:, 3:12] = actual.reshape(-1, 9)
        self._rays = _unit_rays(self._cameras)
        ground = ground_map(world.road)
        self._ground, self._ground_at = ground.values, np.array([ground.x_m, ground.y_m])
        self._ground_class = np.empty(2, np.int64)
        for value, name in ((OPEN_GROUND, "ground"), (ROAD, "road")):
            self._ground_class[value] = SEMANTIC_CLASSES.index(name)
        self._standing = _standing_solids(world)

    def label(self) -> dict[str, np.ndarray]:
        """The labels of this moment.

        Returns:
            semantic: (8, 15, 20) int8 index into `SEMANTIC_CLASSES`; -1 for cameras that the rig lacks.
            depth: (8, 15, 20) float16 metres along the ray to the nearest surface of that class; NaN for `sky`.
        """
        world = self._world
        ego = np.array([world.ego.x_m, world.ego.y_m, world.ego.heading_rad])
        solids = np.concatenate([self._facing(ego), _moving_solids(world)])
        range_m = min(RANGE_M, FOG_DEPTHS / world.light.fog_density)
        shape = (len(self._places), GRID_ROWS, GRID_COLUMNS)
        semantic, depth = np.empty(shape, np.int8), np.empty(shape, np.float32)
        cast(
            self._cameras,
            self._rays,
            nearest_first(solids, ego, range_m),
            ego,
            self._ground,
            self._ground_at,
            self._ground_class,
            range_m,
            MIDDLE_RANGE_M,
            semantic,
            depth,
        )
        all_semantic = np.full((len(CAMERAS), *shape[1:]), -1, np.int8)
        all_depth = np.full(all_semantic.shape, np.nan, np.float16)
        all_semantic[self._places], all_depth[self._places] = semantic, depth
        return {"semantic": all_semantic, "depth": all_depth}

    def _facing(self, ego: np.ndarray) -> np.ndarray:
        """The stationary solids, without the signal heads whose backs or sides are turned to the ego car."""
        table = self._standing
        x, y = table[:, 0] - ego[0], table[:, 1] - ego[1]
        ahead = x * np.cos(table[:, 2]) + y * np.sin(table[:, 2])
        is_back = (table[:, 7] == SEMANTIC_CLASSES.index("signal")) & (ahead < 0.3 * np.hypot(x, y))
        return table[~is_back]


def _unit_rays(cameras: np.ndarray) -> np.ndarray:
    """(N, rows, columns, 3) directions in the ego frame of the middles of a `camera_table`'s pixels."""
    u, v = np.arange(RAYS * GRID_COLUMNS) + 0.5, np.arange(RAYS * GRID_ROWS) + 0.5
    rays = np.ones((len(cameras), len(v), len(u), 3))
    rays[..., 0] = (u - cameras[:, 14, None, None]) / cameras[:, 12, None, None]
    rays[..., 1] = (v[:, None] - cameras[:, 15, None, None]) / cameras[:, 13, None, None]
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    camera_from_ego = cameras[:, 3:12].reshape(-1, 1, 3, 3)
    return np.ascontiguousarray(rays @ camera_from_ego)


def _standing_solids(world: World) -> np.ndarray:
    building, signal = (float(SEMANTIC_CLASSES.index(name)) for name in ("building", "signal"))
    rows: list[tuple[float, ...]] = []
    for (x, y, heading, half_length, half_depth), (height, roof) in zip(
        world.houses, world.scenery.buildings[:, 5:7], strict=True
    ):
        rows.append((x, y, heading, half_length, half_depth, GROUND_M, height + roof, building, HOUSE, height, 0))
    for x, y, scale, kind, _ in world.scenery.trees:
        radius, low, high = (scale * value for value in (_CONIFER if kind else _ROUND_CROWN))
        rows.append((x, y, 0.0, radius, radius, low, high, building, CONE if kind else ELLIPSOID, 0.0, 0))
    half_length, half_width, half_height = _HEAD_HALF_M
    for _, _, x, y, z, heading in signal_heads(world.road):
        rows.append((x, y, heading, half_length, half_width, z - half_height, z + half_height, signal, BOX, 0.0, 1))
    return np.array(rows, dtype=np.float64).reshape(-1, SOLID_COLUMNS)


def _moving_solids(world: World) -> np.ndarray:
    vehicle, person = float(SEMANTIC_CLASSES.index("vehicle")), float(SEMANTIC_CLASSES.index("person"))
    rows: list[tuple[float, ...]] = []
    for each in world.traffic.vehicles:
        x, y, heading = each.pose
        for back, front, half_width, low, high in VEHICLE_PARTS[each.shape]:
            middle = 0.5 * (back + front)
            at = (x + middle * np.cos(heading), y + middle * np.sin(heading), heading)
            rows.append((*at, 0.5 * (front - back), half_width, low, high, vehicle, BOX, 0.0, 1))
    half_length, half_width, height = PERSON_M
    for human in world.pedestrians:
        at = (human.x_m, human.y_m, human.heading_rad)
        rows.append((*at, half_length, half_width, 0.0, height, person, BOX, 0.0, 3))
    return np.array(rows, dtype=np.float64).reshape(-1, SOLID_COLUMNS)
