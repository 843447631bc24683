"""The squares of a standing world: nothing is lost, nothing in view is left out. Needs no OpenGL."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.simulator.rendering import mesh
from fsd.data.simulator.rendering.chunks import CHUNK_M, DRAW_DISTANCE_M, Chunk, cut, draw_distances_m, visible
from fsd.data.simulator.rendering.scene import MATERIALS

EVERYTHING = draw_distances_m(320.0, is_fine=True)


def scene(places: list[tuple[float, float]], material: str = "wall") -> dict[str, np.ndarray]:
    """A small triangle at each of these places."""
    faces = np.zeros((len(places), 3, mesh.FLOATS), np.float32)
    faces[:, :, :2] = np.array(places)[:, None] + [[0.0, 0.0], [0.2, 0.0], [0.0, 0.2]]
    return {material: faces.reshape(-1, mesh.FLOATS)}


def kept(chunks: list[Chunk]) -> np.ndarray:
    faces = np.concatenate([vertices for chunk in chunks for vertices in chunk.drawn.values()])
    return faces[np.lexsort(faces.T)]


places = st.lists(st.tuples(st.floats(-400, 400), st.floats(-400, 400)), min_size=1, max_size=40)


@given(places)
@settings(max_examples=50, deadline=None)
def test_every_face_is_in_one_chunk_and_inside_its_circle(points: list[tuple[float, float]]) -> None:
    drawn = scene(points)
    chunks = cut(drawn, lambda material, vertices: vertices)
    assert np.array_equal(kept(chunks), drawn["wall"][np.lexsort(drawn["wall"].T)])
    for chunk in chunks:
        for vertices in chunk.drawn.values():
            assert np.hypot(*(vertices[:, :2] - chunk.centre).T).max() <= chunk.radius_m + 1e-3
        assert chunk.radius_m < CHUNK_M


@given(places, st.floats(-math.pi, math.pi), st.floats(0.3, 1.2))
@settings(max_examples=50, deadline=None)
def test_nothing_within_the_view_is_left_out(
    points: list[tuple[float, float]], bearing_rad: float, half_view_rad: float
) -> None:
    chunks = cut(scene(points), lambda material, vertices: vertices)
    seen = {id(drawn) for _, drawn in visible(chunks, np.zeros(3), bearing_rad, half_view_rad, EVERYTHING)}
    for chunk in chunks:
        for drawn in chunk.drawn.values():
            x, y = drawn[:, 0], drawn[:, 1]
            off = np.abs((np.arctan2(y, x) - bearing_rad + math.pi) % (2 * math.pi) - math.pi)
            if np.any((off < half_view_rad) & (np.hypot(x, y) < DRAW_DISTANCE_M)):
                assert id(drawn) in seen


def test_what_is_behind_or_far_is_not_drawn() -> None:
    chunks = cut(scene([(-200.0, 0.0), (100.0, 0.0), (900.0, 0.0)]), lambda material, vertices: vertices)
    seen = visible(chunks, np.zeros(3), 0.0, 0.5, EVERYTHING)
    assert [round(float(drawn[0, 0])) for _, drawn in seen] == [100]


def test_near_ones_come_first_within_a_material() -> None:
    both = scene([(220.0, 0.0), (40.0, 0.0)]) | scene([(120.0, 0.0)], "shadow")
    seen = visible(cut(both, lambda material, vertices: vertices), np.zeros(3), 0.0, 0.5, EVERYTHING)
    assert [(MATERIALS[order], round(float(drawn[0, 0]))) for order, drawn in seen] == [
        ("wall", 40),
        ("wall", 220),
        ("shadow", 120),
    ]


@pytest.mark.parametrize(("material", "far_m"), [("props", 45.0), ("foliage", 90.0), ("asphalt", DRAW_DISTANCE_M)])
def test_a_fast_wide_camera_leaves_small_things_out_far_away(material: str, far_m: float) -> None:
    assert draw_distances_m(80.0, is_fine=False)[MATERIALS.index(material)] == far_m
