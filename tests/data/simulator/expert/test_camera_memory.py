"""What the cameras showed: remembered for two seconds, with people's motion from their positions only."""

import math

import numpy as np
import pytest

from fsd.data.simulator.expert.camera_memory import MEMORY_TICKS, MOTION_TICKS, CameraMemory
from tests.data.simulator.expert._hand_made import add_person, add_vehicle, empty_world, wait


def test_a_walkers_speed_is_known_after_half_a_second_and_not_at_once() -> None:
    world, memory = empty_world(), CameraMemory()
    person = add_person(world, 20.0, -3.0)
    for _ in range(MOTION_TICKS):
        memory(world)
        wait(world)
    person.speed_mps = 1.4
    speeds = []
    for _ in range(MOTION_TICKS + 2):
        speeds.append(memory(world).people[0].speed_mps)
        wait(world)
    assert speeds[0] == 0.0
    assert (np.diff(speeds) > -1e-6).all()
    assert 0.2 < speeds[MOTION_TICKS // 2] < 1.2
    assert speeds[-1] == pytest.approx(1.4, abs=1e-6)


def test_the_estimated_motion_points_where_the_person_walks() -> None:
    world, memory = empty_world(), CameraMemory()
    person = add_person(world, 20.0, -3.0, speed_mps=1.2)
    for _ in range(4):
        memory(world)
        wait(world)
    assert memory(world).people[0].heading_rad == pytest.approx(person.heading_rad, abs=1e-6)


def test_someone_who_disappears_walks_on_for_two_seconds_and_is_forgotten() -> None:
    world, memory = empty_world(), CameraMemory()
    person = add_person(world, 25.0, -1.0, speed_mps=1.0)
    for _ in range(MOTION_TICKS):
        memory(world)
        wait(world)
    memory(world)
    add_vehicle(world, 12.0, 0.0)  # a truck in between
    wait(world, 36)
    (known,) = memory(world).people
    assert math.hypot(known.x_m - person.x_m, known.y_m - person.y_m) < 0.01
    wait(world, MEMORY_TICKS - 36)
    assert len(memory(world).people) == 1
    wait(world)
    assert not memory(world).people


def test_someone_never_seen_is_not_known() -> None:
    world, memory = empty_world(), CameraMemory()
    add_person(world, 25.0, 0.0)
    add_vehicle(world, 12.0, 0.0)
    scene = memory(world)
    assert (len(scene.vehicles), len(scene.people)) == (1, 0)


def test_a_hidden_vehicle_rolls_on() -> None:
    world, memory = empty_world(), CameraMemory()
    hidden = add_vehicle(world, 30.0, 0.0, speed_mps=5.0, shape="sedan")
    memory(world)
    add_vehicle(world, 12.0, 0.0)
    wait(world, 36)
    known = next(vehicle for vehicle in memory(world).vehicles if vehicle.shape == "sedan")
    assert known is not hidden
    assert known.s == pytest.approx(hidden.s, abs=1e-6)
    assert known.pose == pytest.approx(hidden.pose, abs=1e-6)


def test_what_a_hidden_vehicle_does_is_not_known() -> None:
    world, memory = empty_world(), CameraMemory()
    hidden = add_vehicle(world, 30.0, 0.0, speed_mps=5.0, shape="sedan")
    memory(world)
    add_vehicle(world, 12.0, 0.0)
    before_m, hidden.speed_mps = hidden.s, 0.0
    hidden.path = world.road.path.through(world.road.path.points[100:, :2])
    wait(world, 36)
    known = next(vehicle for vehicle in memory(world).vehicles if vehicle.shape == "sedan")
    assert (known.s, known.speed_mps) == (pytest.approx(before_m + 5.0), 5.0)
    assert known.path is world.road.path


def test_a_light_is_known_where_a_camera_sees_it_and_its_crossing_light_never() -> None:
    world, memory = empty_world("S3", 4), CameraMemory()
    junction = world.road.junctions[0]
    assert memory(world).signals[0][0] == "none"  # far away
    x, y, heading, _ = world.road.path.pose(junction.stop_m - 30.0, world.lane_offset)
    world.ego.x_m, world.ego.y_m, world.ego.heading_rad = x, y, heading
    world.s = junction.stop_m - 30.0
    world.locate()
    world.tick += 1
    route_light, crossing_light = memory(world).signals[0]
    assert route_light == world.signals[0][0]
    assert crossing_light == ("red" if route_light == "green" else "green")
    world.ego.x_m += 1000.0  # nobody sees it now
    wait(world, MEMORY_TICKS + 1)
    assert memory(world).signals[0][0] == "none"


def test_a_memory_starts_afresh_in_another_world() -> None:
    memory, first = CameraMemory(), empty_world()
    add_person(first, 20.0, -3.0)
    assert memory(first).people
    assert not memory(empty_world()).people
