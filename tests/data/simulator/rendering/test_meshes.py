"""Triangles: normals point outwards, roads face up, and every material gets something."""

import numpy as np
import pytest

from fsd.data.simulator.rendering import mesh, models
from fsd.data.simulator.rendering.scene import MATERIALS, build_scene, signal_heads
from fsd.data.simulator.scenarios import build_world


@pytest.mark.parametrize("axis", ["+x", "-x", "+y", "-y", "+z"])
def test_a_disc_faces_where_it_should(axis: str) -> None:
    normals = mesh.disc((1.0, 2.0, 3.0), 0.5, axis, (1, 1, 1))[:, 3:6]
    wanted = np.zeros(3)
    wanted["xyz".index(axis[1])] = 1.0 if axis[0] == "+" else -1.0
    assert normals == pytest.approx(np.tile(wanted, (len(normals), 1)))


def test_a_box_is_closed_and_faces_outwards() -> None:
    faces = mesh.box((-1, -2, -3), (1, 2, 3), (1, 1, 1), bottom=True).reshape(-1, 3, mesh.FLOATS)
    assert len(faces) == 12
    assert (np.sum(faces[..., :3].mean(axis=1) * faces[:, 0, 3:6], axis=1) > 0).all()


@pytest.mark.parametrize("name", ["sedan", "van", "truck"])
def test_painted_panels_of_vehicles_face_outwards(name: str) -> None:
    faces = getattr(models, name)().reshape(-1, 3, mesh.FLOATS)
    painted = faces[faces[:, 0, 9] > 0.5]
    outwards = painted[..., :3].mean(axis=1) - [0, 0, 1.0]
    assert np.mean(np.sum(outwards * painted[:, 0, 3:6], axis=1) > 0) > 0.8


def test_turning_a_mesh_keeps_its_size() -> None:
    car = models.sedan()
    turned = mesh.turned(car, 5.0, -3.0, 1.0, 0.7)
    assert np.linalg.norm(turned[:, :3] - [5, -3, 1], axis=1) == pytest.approx(
        np.linalg.norm(car[:, :3], axis=1), abs=1e-4
    )


def test_a_town_has_every_material_and_its_roads_face_up() -> None:
    world = build_world("tour", 1)
    scene = build_scene(world.road, world.scenery, world.surfaces, world.light, country=False)
    assert tuple(scene) == MATERIALS
    assert all(len(triangles) and np.isfinite(triangles).all() for triangles in scene.values())
    assert (scene["asphalt"][:, 5] >= 0).all()


def test_every_approach_of_a_signalled_junction_has_two_heads() -> None:
    world = build_world("demo", 1)
    heads = signal_heads(world.road)
    assert len(heads) == 8
    assert sum(along for _, along, *_ in heads) == 4
