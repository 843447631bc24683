"""Pass a world's current state to a renderer."""

import math

import numpy as np

from fsd.data.simulator.rendering.instances import BRAKE_LAMP, HEADLAMP, LEFT_INDICATOR, RIGHT_INDICATOR, Actors
from fsd.data.simulator.rendering.renderer import Renderer
from fsd.data.simulator.traffic.actors import SHAPES, Vehicle
from fsd.data.simulator.world import World

_SHAPE_INDEX = {name: index for index, name in enumerate(SHAPES)}


def load_world(renderer: Renderer, world: World) -> None:
    renderer.load(world.road, world.scenery, world.surfaces, world.light, world.setting.country)


def draw_world(renderer: Renderer, world: World, mounting_error: np.ndarray | None = None) -> np.ndarray:
    """(8, H, W, 4) uint8 images of the cameras now. The next call reuses the array."""
    ego_pose = (world.ego.x_m, world.ego.y_m, world.ego.heading_rad)
    return renderer.render(ego_pose, visible_actors(world), world.time_s, mounting_error)


def visible_actors(world: World) -> Actors:
    lit = world.light.lamps_lit
    vehicles = [
        (*vehicle.pose, _SHAPE_INDEX[vehicle.shape], *vehicle.colour, _lamps(vehicle, lit), 1.0)
        for vehicle in world.traffic.vehicles
    ]
    people = [(p.x_m, p.y_m, p.heading_rad, *p.colour, p.phase_rad) for p in world.pedestrians]
    return Actors(
        vehicles=np.array(vehicles, dtype=np.float64).reshape(-1, 9),
        pedestrians=np.array(people, dtype=np.float64).reshape(-1, 7),
        signals=tuple(world.signals),
    )


def _lamps(vehicle: Vehicle, lit: bool) -> int:
    braking = vehicle.acceleration_mps2 < -0.6 or vehicle.speed_mps < 0.1
    indicator = {1: LEFT_INDICATOR, -1: RIGHT_INDICATOR, 0: 0}[vehicle.indicator]
    return (BRAKE_LAMP if braking else 0) | (HEADLAMP if lit else 0) | indicator


def sample_mounting_error(rng: np.random.Generator, error_deg: float) -> np.ndarray:
    """(8, 3, 3) small rotations of the cameras on their mounts, normal with this standard deviation per axis."""
    errors = np.empty((8, 3, 3))
    for index, (roll, pitch, yaw) in enumerate(np.radians(rng.normal(0.0, error_deg, (8, 3)))):
        turn_yaw = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
        turn_pitch = np.array(
            [[math.cos(pitch), 0, math.sin(pitch)], [0, 1, 0], [-math.sin(pitch), 0, math.cos(pitch)]]
        )
        turn_roll = np.array([[1, 0, 0], [0, math.cos(roll), -math.sin(roll)], [0, math.sin(roll), math.cos(roll)]])
        errors[index] = turn_yaw @ turn_pitch @ turn_roll
    return errors
