"""Small helpers of the simulator's tests: drive an environment, and fingerprint a world."""

import hashlib

import numpy as np

from fsd.data.simulator.baselines import BASELINES, Baseline
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.scoring.metrics import DriveRecorder, RouteScore
from fsd.data.simulator.world import World


def driven(scenario: str, seed: int, driver: Baseline = BASELINES["expert"]) -> RouteScore:
    """The score of a whole drive."""
    env = DrivingEnv(scenario, seed)
    recorder = DriveRecorder(env)
    while not env.done:
        env.step(*driver(env))
        recorder.record_tick()
    return recorder.score()


def fingerprint(world: World) -> str:
    """Hash of everything that moves."""
    digest = hashlib.sha256()
    ego = world.ego
    state = [ego.x_m, ego.y_m, ego.heading_rad, ego.speed_mps, world.s, world.d, float(world.tick)]
    for vehicle in world.traffic.vehicles:
        state += [*vehicle.pose, vehicle.speed_mps]
    for person in world.pedestrians:
        state += [person.x_m, person.y_m, person.phase_rad]
    digest.update(np.array(state).tobytes())
    digest.update(repr(world.signals).encode())
    return digest.hexdigest()
