"""Moving objects in view of a camera. Needs no OpenGL."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.simulator.rendering.instances import INSTANCE_FLOATS, INSTANCE_RADIUS_M, Actors, in_view, instance_tables
from fsd.data.simulator.traffic.actors import SHAPES


def rows(places: list[tuple[float, float]]) -> np.ndarray:
    table = np.zeros((len(places), INSTANCE_FLOATS), np.float32)
    table[:, :2] = places
    return table


@given(
    st.lists(st.tuples(st.floats(-200, 200), st.floats(-200, 200)), min_size=1, max_size=30),
    st.floats(-math.pi, math.pi),
    st.floats(0.3, 1.2),
)
@settings(max_examples=50, deadline=None)
def test_no_object_within_the_view_is_left_out(
    places: list[tuple[float, float]], bearing_rad: float, half_view_rad: float
) -> None:
    table = rows(places)
    kept = {tuple(row[:2]) for row in in_view(table, np.zeros(3), bearing_rad, half_view_rad)}
    for x, y in table[:, :2]:
        off = abs((math.atan2(y, x) - bearing_rad + math.pi) % (2 * math.pi) - math.pi)
        if off < half_view_rad:
            assert (x, y) in kept


def test_what_is_behind_is_left_out_and_what_reaches_into_the_view_is_not() -> None:
    kept = in_view(rows([(-20.0, 0.0), (0.0, 0.5 * INSTANCE_RADIUS_M), (20.0, 0.0)]), np.zeros(3), 0.0, 0.5)
    assert kept[:, 0].tolist() == [0.0, 20.0]


def test_no_vehicle_nor_its_shadow_is_larger_than_the_margin() -> None:
    vehicles = np.array([(0.0, 0.0, 0.0, shape, 1, 1, 1, 0, 1.0) for shape in range(len(SHAPES))])
    tables = instance_tables(Actors(vehicles, np.zeros((0, 7)), ()))
    assert np.hypot(*tables["shadow"][:, 8:10].T).max() < INSTANCE_RADIUS_M
    assert max(0.5 * math.hypot(*size) for size in SHAPES.values()) < INSTANCE_RADIUS_M
