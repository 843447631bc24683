"""What the cells of the block grid show, on hand-made worlds with an ego car on a straight road."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fsd.data.camera_model import project
from fsd.data.frames import CAMERAS
from fsd.data.rig import Rig
from fsd.data.simulator.expert.scene_labels import SEMANTIC_CLASSES, VEHICLE_PARTS, SceneLabels
from fsd.data.simulator.rendering import models
from fsd.data.simulator.rendering.camera_view import sample_mounting_error
from fsd.data.simulator.rendering.scene import signal_heads
from fsd.data.simulator.world import World
from fsd.data.standard_rigs import canonical_rig
from fsd.networks import contract
from tests.data.simulator.expert._hand_made import add_person, add_vehicle, empty_world

RIG = canonical_rig(320, 240)
FRONT = CAMERAS.index("front_main")
FRONT_EYE_M = 1.8
"""Distance from the rear axle to the front camera."""


def bare_world() -> World:
    """Without trees as well."""
    world = empty_world()
    vars(world)["scenery"] = replace(world.scenery, trees=np.zeros((0, 5)))
    return world


def label(world: World, mounting_error: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    found = SceneLabels(world, RIG, mounting_error).label()
    return found["semantic"], found["depth"].astype(np.float32)


def shows(semantic: np.ndarray, name: str) -> np.ndarray:
    return semantic == SEMANTIC_CLASSES.index(name)


def cell_of(camera_name: str, ego_point: tuple[float, float, float]) -> tuple[int, int]:
    """Row and column of the cell that shows a point of the ego frame."""
    camera = RIG.camera(camera_name)
    assert camera is not None
    camera_from_ego = np.linalg.inv(camera.ego_from_camera.matrix())
    pixels, _ = project(camera, (camera_from_ego[:3, :3] @ ego_point + camera_from_ego[:3, 3])[None])
    return int((pixels[0, 1] + 0.5) / 16), int((pixels[0, 0] + 0.5) / 16)


def ego_point_of(world: World, x: float, y: float, z: float) -> tuple[float, float, float]:
    dx, dy = x - world.ego.x_m, y - world.ego.y_m
    cos, sin = math.cos(world.ego.heading_rad), math.sin(world.ego.heading_rad)
    return dx * cos + dy * sin, dy * cos - dx * sin, z


def add_house(world: World, ahead_m: float, left_m: float) -> None:
    x, y, heading, _ = world.road.path.pose(world.s + ahead_m, world.d + left_m)
    house = [x, y, heading, 6.0, 8.0, 6.0, 2.0, 0.5, 0.5, 0.5, 0.5]
    vars(world)["scenery"] = replace(world.scenery, buildings=np.array([house]))
    vars(world).pop("houses", None)


def test_the_classes_are_those_of_the_networks() -> None:
    assert SEMANTIC_CLASSES == contract.SEMANTICS


def test_a_person_ahead_is_in_the_cell_that_shows_them_at_their_distance() -> None:
    world = bare_world()
    person = add_person(world, 20.0, 1.0)
    semantic, depth = label(world)
    row, column = cell_of("front_main", ego_point_of(world, person.x_m, person.y_m, 1.0))
    assert shows(semantic, "person")[FRONT, row, column]
    assert depth[FRONT, row, column] == pytest.approx(20.0 - FRONT_EYE_M, abs=0.5)
    assert not shows(semantic, "person")[CAMERAS.index("rear")].any()
    assert 2 <= shows(semantic, "person")[FRONT].sum() <= 8


def test_a_person_between_the_rays_is_not_missed() -> None:
    for left_m in np.arange(-2.0, 2.0, 0.23):
        world = bare_world()
        person = add_person(world, 55.0, left_m)
        semantic, _ = label(world)
        row, column = cell_of("front_wide", ego_point_of(world, person.x_m, person.y_m, 0.9))
        assert shows(semantic, "person")[CAMERAS.index("front_wide"), row, column]


def test_a_house_hides_a_person_and_a_sedan_does_not_hide_their_head() -> None:
    world = bare_world()
    add_person(world, 35.0, 0.0)
    add_house(world, 22.0, 0.0)
    semantic, depth = label(world)
    assert not shows(semantic, "person").any()
    house = shows(semantic, "building")[FRONT]
    assert depth[FRONT][house].min() == pytest.approx(22.0 - 3.0 - FRONT_EYE_M, abs=0.3)
    world = bare_world()
    add_person(world, 30.0, 0.0)
    add_vehicle(world, 20.0, 0.0, shape="sedan")
    semantic, depth = label(world)
    assert shows(semantic, "person")[FRONT].any()
    assert depth[FRONT][shows(semantic, "vehicle")[FRONT]].min() == pytest.approx(20 - 2.28 - FRONT_EYE_M, abs=0.3)


def test_above_is_sky_without_depth_and_below_is_road() -> None:
    semantic, depth = label(bare_world())
    for index in range(len(CAMERAS)):
        assert shows(semantic, "sky")[index, 0].all()
    assert np.array_equal(np.isnan(depth), shows(semantic, "sky"))
    assert shows(semantic, "road")[FRONT, -1, 5:15].all()
    assert set(np.unique(semantic)) == {SEMANTIC_CLASSES.index(name) for name in ("sky", "ground", "road")}
    below = 1.45 / depth[FRONT, -1, 10]  # sine of the angle below the horizon: 2 degrees of pitch and half the view
    assert math.degrees(math.asin(below)) == pytest.approx(2.0 + 19.3, abs=1.0)


def test_vehicles_are_in_the_cameras_that_look_at_them() -> None:
    for ahead_m, left_m, names in (
        (-20.0, 0.0, {"rear"}),
        (5.0, 5.0, {"left_pillar", "front_wide"}),
        (-6.0, -5.0, {"right_repeater", "rear"}),
    ):
        world = bare_world()
        add_vehicle(world, ahead_m, left_m)
        semantic, _ = label(world)
        assert {CAMERAS[i] for i in range(8) if shows(semantic, "vehicle")[i].any()} >= names


def test_heads_are_marked_from_the_side_of_their_lamps_only() -> None:
    world = next(w for w in (empty_world("S3", seed) for seed in range(9)) if signal_heads(w.road))
    junction = next(j for j in world.road.junctions if j.control == "signal")
    pose = world.road.path.pose(junction.stop_m - 12.0, world.d)
    world.ego.x_m, world.ego.y_m, world.ego.heading_rad = pose[:3]
    semantic, _ = label(world)
    heads = shows(semantic, "signal")[CAMERAS.index("front_wide")]
    near = [h for h in signal_heads(world.road) if math.hypot(h[2] - pose[0], h[3] - pose[1]) < 50.0]
    found: dict[bool, list[bool]] = {True: [], False: []}
    for _, _, x, y, z, heading in near:
        towards = math.cos(heading - pose[2])
        row, column = cell_of("front_wide", ego_point_of(world, x, y, z)) if abs(towards) > 0.9 else (-1, -1)
        if 0 <= row < 15 and 0 <= column < 20:
            found[towards > 0].append(bool(heads[row, column]))
    assert found == {True: [True, True], False: [False, False]}


def test_a_camera_turned_on_its_mount_sees_what_it_then_faces() -> None:
    world = bare_world()
    add_person(world, 15.0, 0.0)
    straight, _ = label(world)
    yawed = sample_mounting_error(np.random.default_rng(0), 0.0)
    angle = math.radians(10.0)
    yawed[FRONT] = [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    turned, _ = label(world, yawed)
    columns = [np.nonzero(shows(each, "person")[FRONT])[1].mean() for each in (straight, turned)]
    assert 3.0 < columns[1] - columns[0] < 5.5  # turned to the left, it shows the person farther right
    assert np.array_equal(np.delete(straight, FRONT, 0), np.delete(turned, FRONT, 0))


def test_cameras_that_the_rig_lacks_are_unknown() -> None:
    rig = Rig(name="front", cameras=(RIG.cameras[FRONT],), vehicle=RIG.vehicle)
    found = SceneLabels(bare_world(), rig).label()
    assert (np.delete(found["semantic"], FRONT, 0) == -1).all()
    assert (found["semantic"][FRONT] >= 0).all()


def test_parts_of_vehicles_span_the_rendered_ones() -> None:
    for shape, parts in VEHICLE_PARTS.items():
        points = getattr(models, shape)()[:, :3]
        table = np.array(parts)
        assert table[:, 0].min() == pytest.approx(points[:, 0].min(), abs=0.15)
        assert table[:, 1].max() == pytest.approx(points[:, 0].max(), abs=0.15)
        assert table[:, 4].max() == pytest.approx(points[:, 2].max(), abs=0.1)
