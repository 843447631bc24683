"""Hand-made worlds: a straight road with nothing on it but what a test puts there."""

from dataclasses import replace

import numpy as np

from fsd.data.frames import TICK_S
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.traffic.actors import Pedestrian, Vehicle
from fsd.data.simulator.world import World


def empty_world(scenario: str = "S7", seed: int = 2) -> World:
    """A world without traffic, people, scripts or houses; the ego car stands."""
    world = DrivingEnv(scenario, seed).world
    world.traffic.vehicles.clear()
    world.traffic.flows.clear()
    world.pedestrians.clear()
    world.scripts.clear()
    vars(world)["scenery"] = replace(world.scenery, buildings=np.zeros((0, 11)))
    world.ego.speed_mps = 0.0
    return world


def add_person(world: World, ahead_m: float, left_m: float, speed_mps: float = 0.0) -> Pedestrian:
    """A person on the route, relative to the ego car, who faces left and walks there."""
    x, y, heading, _ = world.road.path.pose(world.s + ahead_m, world.d + left_m)
    person = Pedestrian(x, y, heading + np.pi / 2, speed_mps, 100.0, (0.5, 0.5, 0.5))
    world.pedestrians.append(person)
    return person


def add_vehicle(world: World, ahead_m: float, left_m: float, speed_mps: float = 0.0, shape: str = "truck") -> Vehicle:
    """A vehicle in the ego's direction, relative to the ego car."""
    vehicle = world.traffic.add_on_road(world.s + ahead_m, 0, speed_mps, speed_mps, shape)
    vehicle.d = vehicle.lane_d = world.d + left_m
    vehicle.update_pose()
    return vehicle


def wait(world: World, ticks: int = 1) -> None:
    """Let people walk and vehicles roll while the ego car stands."""
    for _ in range(ticks):
        world.tick += 1
        for person in world.pedestrians:
            person.step(TICK_S)
        for vehicle in world.traffic.vehicles:
            vehicle.s += vehicle.speed_mps * TICK_S
            vehicle.update_pose()
