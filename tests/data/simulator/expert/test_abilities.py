"""Limits of what a driver perceives."""

from dataclasses import replace

import pytest

from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.expert.abilities import Late, SeesWithin, limited, sees_people_stand
from fsd.data.simulator.expert.expert_drivers import SceneExpert
from fsd.data.simulator.expert.perception import full_scene
from tests.data.simulator._drives import driven
from tests.data.simulator.expert._hand_made import add_person, add_vehicle, empty_world, wait


def test_without_limits_the_expert_is_the_same() -> None:
    env = DrivingEnv("S3", 2)
    expert = SceneExpert(limited(full_scene))
    for _ in range(100):
        assert expert.controls(env.world) == env.expert_controls()
        env.step(*env.expert_controls())


def test_every_class_has_its_range() -> None:
    world = empty_world("S3", 4)
    add_person(world, 20.0, -3.0)
    add_vehicle(world, 30.0, 0.0)
    scene = full_scene(world)
    assert len(SeesWithin(people_m=25.0)(world, scene).people) == 1
    assert not SeesWithin(people_m=15.0)(world, scene).people
    assert not SeesWithin(vehicles_m=25.0)(world, scene).vehicles
    assert len(SeesWithin(crossing_m=0.0)(world, scene).vehicles) == 1
    assert SeesWithin(lights_m=0.0)(world, scene).signals[0] == ("none", "none")
    assert SeesWithin()(world, scene) == scene


def test_crossing_vehicles_have_their_own_range() -> None:
    env = DrivingEnv("S6", 1)
    for _ in range(250):
        env.step(*env.expert_controls())
    world, scene = env.world, full_scene(env.world)
    kinds = {vehicle.stream.kind for vehicle in scene.vehicles if vehicle.stream is not None}
    assert "crossing" in kinds
    seen = SeesWithin(crossing_m=0.0)(world, scene).vehicles
    assert all(vehicle.stream is None or vehicle.stream.kind != "crossing" for vehicle in seen)


def test_late_is_the_scene_of_before() -> None:
    world = empty_world()
    person = add_person(world, 20.0, -3.0, speed_mps=1.0)
    late, places = Late(0.25), []
    for _ in range(12):
        places.append((person.x_m, person.y_m))
        seen = late(world, full_scene(world)).people[0]
        wait(world)
    assert (seen.x_m, seen.y_m) == places[-1 - 9]


def test_limits_apply_one_after_another() -> None:
    world = empty_world()
    add_person(world, 20.0, -3.0, speed_mps=1.0)
    add_person(world, 60.0, -3.0, speed_mps=1.0)
    people = limited(full_scene, SeesWithin(people_m=30.0), sees_people_stand)(world).people
    assert [replace(person, colour=(0, 0, 0)).speed_mps for person in people] == [0.0]


def test_half_the_braking_is_half_way_to_the_empty_road() -> None:
    world = empty_world()
    weak, full = SceneExpert(full_scene, braking=0.5), SceneExpert(full_scene)
    world.ego.speed_mps = 5.0
    alone = full.controls(world)[1]
    assert weak.controls(world)[1] == alone
    add_vehicle(world, 15.0, 0.0)
    braked = full.controls(world)[1]
    assert braked < -1.0
    assert weak.controls(world)[1] == pytest.approx(0.5 * (alone + braked))


def test_who_sees_no_vehicles_does_not_stop_for_them() -> None:
    blind = SceneExpert(limited(full_scene, SeesWithin(vehicles_m=0.0)))
    assert driven("S2", 100_000, lambda env: blind.controls(env.world)).finish == "collision_vehicle"
