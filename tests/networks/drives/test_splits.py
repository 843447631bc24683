"""The parts of a data set are fixed, and far from each other."""

import numpy as np
import pytest

from fsd.data.place_track import PlaceTrack
from fsd.networks.drives.splits import MARGIN_M, PARTS, part_of, parts_of_ticks

METRES_PER_DEGREE = 111_195.0


def test_the_part_of_a_drive_never_changes() -> None:
    found = [PARTS[part_of(f"day:2026-01-{day:02d}")] for day in range(1, 13)]
    others = {4: "validation", 6: "test", 10: "validation"}
    assert found == [others.get(index, "train") for index in range(12)]


def test_shares_are_eight_one_one() -> None:
    counts = np.bincount([part_of(f"drive {number}") for number in range(5000)])
    np.testing.assert_allclose(counts / 5000, (0.8, 0.1, 0.1), atol=0.015)


def straight_north(length_m: float, step_m: float = 5.0, from_deg: float = 48.0) -> tuple[PlaceTrack, np.ndarray]:
    distance_m = np.arange(0, length_m, step_m)
    times_ns = np.arange(len(distance_m)) * 10**9
    longitude = np.full(len(distance_m), 9.013)
    return PlaceTrack(times_ns, from_deg + distance_m / METRES_PER_DEGREE, longitude), distance_m


def test_two_parts_are_at_least_twice_the_margin_apart() -> None:
    places, distance_m = straight_north(100_000)
    parts, is_by_place = parts_of_ticks(places, places.timestamp_ns, "drive")
    assert is_by_place
    assert set(parts.tolist()) == {-1, 0, 1, 2}
    known = np.flatnonzero(parts >= 0)
    change = parts[known[1:]] != parts[known[:-1]]
    assert change.any()
    assert (np.diff(distance_m[known])[change] >= 2 * MARGIN_M - 10).all()


def test_two_drives_along_the_same_road_have_the_same_parts() -> None:
    places, _ = straight_north(40_000)
    first, _ = parts_of_ticks(places, places.timestamp_ns, "one")
    later = PlaceTrack(places.timestamp_ns + 10**15, places.latitude_deg, places.longitude_deg)
    second, _ = parts_of_ticks(later, later.timestamp_ns, "another")
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_without_positions_the_drive_decides(share: float) -> None:
    places, _ = straight_north(40_000)
    latitude = places.latitude_deg.copy()
    latitude[round(share * len(latitude)) :] = np.nan
    thin = PlaceTrack(places.timestamp_ns, latitude, places.longitude_deg)
    parts, is_by_place = parts_of_ticks(thin, places.timestamp_ns, "drive")
    assert not is_by_place
    assert set(parts.tolist()) == {part_of("drive")}
