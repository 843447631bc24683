"""Degrees to metres and back."""

import numpy as np
import pytest

from fsd.data.formats.local_frame import LocalFrame


@pytest.mark.parametrize(
    ("latitude_deg", "east_m", "north_m"), [(0.0, 111_320, 110_574), (45.0, 78_847, 111_132), (60.0, 55_800, 111_412)]
)
def test_lengths_of_a_degree_are_those_of_the_ellipsoid(latitude_deg: float, east_m: float, north_m: float) -> None:
    # Published tables of WGS 84, rounded to metres.
    assert LocalFrame(latitude_deg, 10.0).metres_per_degree == pytest.approx((east_m, north_m), abs=1)


def test_there_and_back_across_the_antimeridian() -> None:
    frame = LocalFrame(-30.0, 179.9995)
    latitude_deg, longitude_deg = frame.degrees(100.0, -50.0)
    wrapped = longitude_deg - 360
    assert longitude_deg > 180
    assert frame.metres(np.array([latitude_deg]), np.array([wrapped]))[0] == pytest.approx([100, -50], abs=1e-6)
