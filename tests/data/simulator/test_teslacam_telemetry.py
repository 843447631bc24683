"""The places of simulated drives."""

import numpy as np
import pytest

from fsd.data.place_track import PlaceTrack
from fsd.data.simulator.teslacam_telemetry import PLACES, origin
from fsd.networks.drives.splits import parts_of_ticks


@pytest.mark.parametrize("seed", [1, 60_003])
def test_a_drive_of_500_m_around_its_origin_has_a_part(seed: int) -> None:
    along_m = np.linspace(-250.0, 250.0, 50)
    latitude_deg, longitude_deg = origin(seed).degrees(along_m, along_m)
    places = PlaceTrack(np.arange(50) * 10**8, latitude_deg, longitude_deg)
    parts, is_by_place = parts_of_ticks(places, places.timestamp_ns, "drive")
    assert is_by_place
    assert len(set(parts.tolist())) == 1
    assert parts[0] >= 0


def test_worlds_are_kilometres_apart_and_in_the_atlantic() -> None:
    latitudes_deg = np.array([origin(seed).latitude_deg for seed in range(PLACES)])
    assert np.diff(latitudes_deg).min() * 111 > 4
    assert (latitudes_deg.min(), latitudes_deg.max()) == (pytest.approx(30, abs=0.1), pytest.approx(50, abs=0.1))
