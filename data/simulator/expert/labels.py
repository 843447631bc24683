"""Training labels for any state of a world: the expert's plan, and the objects that it reacts to."""

import math

import numpy as np

from fsd.data.kernel import kernel
from fsd.data.simulator.expert.expert import controls_for, planned_trajectory
from fsd.data.simulator.expert.perception import LIGHT_SIGHT_M, Scene, eye, full_scene, situation_of
from fsd.data.simulator.expert.visibility import visible
from fsd.data.simulator.traffic.actors import Pedestrian, Vehicle
from fsd.data.simulator.traffic.driver import Situation
from fsd.data.simulator.traffic.dynamics import FRONT_M
from fsd.data.simulator.world import World

LIGHTS = ("none", "green", "yellow", "red")
GRID_ROWS, GRID_COLUMNS, CELL_M = 24, 16, 2.5
GRID_BEHIND_M, GRID_LEFT_M = 15.0, 20.0
"""As in the network's contract: x from -15 m in 24 rows, y from +20 m in 16 columns; a test compares them."""

LEAD_SIGHT_M = 70.0


def expert_label(world: World) -> dict[str, np.ndarray]:
    """The label of this moment by the expert that knows everything in sight; see `label_of`."""
    scene = full_scene(world)
    return label_of(world, scene, situation_of(world, scene), _visible_boxes(world))


def label_of(world: World, scene: Scene, now: Situation, boxes: np.ndarray) -> dict[str, np.ndarray]:
    """The label of a driver who perceives `scene`, float32 unless said otherwise.

    Args:
        now: the driver's situation; boxes: (n, 5) outlines of the road users to mark in the occupancy grid.

    Returns:
        trajectory: (16, 4) x m, y m, yaw rad, speed m/s in the ego frame, 0.25 … 4 s ahead.
        curvature, acceleration: (1,) 1/m and m/s², the controls to apply now.
        lead: (2,) distance in metres from bumper to bumper and 1 if there is a lead vehicle, else 0, 0.
        light: () int64 index into `LIGHTS` of the light that the ego car faces within 60 m.
        occupancy: (24, 16) 1 where a visible vehicle or pedestrian is.
    """
    curvature, acceleration = controls_for(now)
    return {
        "trajectory": planned_trajectory(now).astype(np.float32),
        "curvature": np.array([curvature], dtype=np.float32),
        "acceleration": np.array([acceleration], dtype=np.float32),
        "lead": _lead(now.vehicles, world.s, world.d),
        "light": np.array(LIGHTS.index(_light(world, scene)), dtype=np.int64),
        "occupancy": _occupancy(world, boxes),
    }


def _lead(vehicles: np.ndarray, s: float, d: float) -> np.ndarray:
    """The nearest vehicle ahead in the car's own lane."""
    nearest = math.inf
    for row in vehicles:
        if abs(row[1] - d) < 1.75 and row[0] > s + 1.4:
            nearest = min(nearest, row[0] - row[4] - (s + FRONT_M))
    if nearest > LEAD_SIGHT_M:
        return np.zeros(2, dtype=np.float32)
    return np.array([max(nearest, 0.0), 1.0], dtype=np.float32)


def _light(world: World, scene: Scene) -> str:
    for junction, colours in zip(world.road.junctions, scene.signals, strict=True):
        ahead_m = junction.stop_m - (world.s + FRONT_M)
        if ahead_m > -1.0:
            near = ahead_m < min(LIGHT_SIGHT_M, world.sight_m)
            return colours[0] if near and junction.control == "signal" else "none"
    return "none"


def outlines(vehicles: list[Vehicle], people: list[Pedestrian]) -> np.ndarray:
    """(n, 5) boxes x, y, heading, half length, half width; vehicles first."""
    rows = [(*v.pose, 0.5 * v.length_m, 0.5 * v.width_m) for v in vehicles]
    rows += [(p.x_m, p.y_m, p.heading_rad, 0.3, 0.3) for p in people]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def _visible_boxes(world: World) -> np.ndarray:
    """Outlines of the road users that neither a house nor a vehicle hides."""
    boxes = outlines(world.traffic.vehicles, world.pedestrians)
    blockers = np.concatenate([world.houses, boxes[: len(world.traffic.vehicles)]])
    return boxes[visible(*eye(world), boxes, blockers, world.sight_m)]


def _occupancy(world: World, boxes: np.ndarray) -> np.ndarray:
    grid = np.zeros((GRID_ROWS, GRID_COLUMNS), dtype=np.float32)
    _fill(grid, boxes, np.array([world.ego.x_m, world.ego.y_m, world.ego.heading_rad]))
    return grid


@kernel
def _fill(grid: np.ndarray, boxes: np.ndarray, ego: np.ndarray) -> None:
    """Mark the cells under each box, sampled at points half a cell apart."""
    cos, sin = math.cos(ego[2]), math.sin(ego[2])
    for row in range(len(boxes)):
        dx, dy = boxes[row, 0] - ego[0], boxes[row, 1] - ego[1]
        x, y, turn = dx * cos + dy * sin, -dx * sin + dy * cos, boxes[row, 2] - ego[2]
        c, s = math.cos(turn), math.sin(turn)
        along, across = boxes[row, 3], boxes[row, 4]
        steps_a = max(1, int(2 * along / 1.2) + 1)
        for i in range(steps_a + 1):
            for j in range(3):
                u = -along + 2 * along * i / steps_a
                v = -across + across * j
                px, py = x + c * u - s * v, y + s * u + c * v
                cell_row = math.floor((px + GRID_BEHIND_M) / CELL_M)
                cell_column = math.floor((GRID_LEFT_M - py) / CELL_M)
                if 0 <= cell_row < grid.shape[0] and 0 <= cell_column < grid.shape[1]:
                    grid[cell_row, cell_column] = 1.0
