"""Lags and lenses from yaw rates, without pictures."""

import numpy as np
import pytest

from fsd.data.camera_health.mounting.expected_motion import expected_motion
from fsd.data.camera_health.mounting.turn_response import TurnResponse
from fsd.data.camera_health.mounting.turn_verdicts import LensPairs, clock_offsets_s
from fsd.data.frames import CAMERAS
from fsd.data.standard_rigs import canonical_rig

INDEX = {name: index for index, name in enumerate(CAMERAS)}
SPEED_MPS = 7.0


def driven(
    lags_s: dict[str, float] | None = None, gains: dict[str, float] | None = None, turns: bool = True
) -> TurnResponse:
    """The responses after 40 s with three turns, sampled three times per second, with noise."""
    response, rng = TurnResponse(), np.random.default_rng(0)
    times_s = np.arange(0.0, 40.0, 0.01)
    turned = sum(np.exp(-(((times_s - middle) / 1.2) ** 2)) for middle in (10.0, 20.0, 32.0))
    rates_rps = 0.4 * turned * turns
    slopes_rps2 = np.gradient(rates_rps, times_s)
    for at_s in np.arange(1.0, 39.0, 1 / 3):
        for camera, name in enumerate(CAMERAS):
            late_s = (lags_s or {}).get(name, 0.0)
            shown_rps = (gains or {}).get(name, 0.9) * np.interp(at_s - late_s, times_s, rates_rps)
            now = (float(np.interp(at_s, times_s, each)) for each in (rates_rps, slopes_rps2))
            response.add(camera, shown_rps + rng.normal(0.02, 0.02), *now, SPEED_MPS)
    return response


@pytest.mark.parametrize("late_s", [0.3, -0.3])
def test_a_camera_with_another_clock_stands_out_by_its_lag(late_s: float) -> None:
    offsets_s = clock_offsets_s(driven({"front_main": late_s}))
    assert offsets_s[INDEX["front_main"]] == pytest.approx(late_s, abs=0.1)
    assert np.abs(np.delete(offsets_s, INDEX["front_main"])).max() < 0.1


def test_ego_motion_that_is_late_blames_no_camera() -> None:
    assert np.abs(clock_offsets_s(driven(dict.fromkeys(CAMERAS, -0.3)))).max() < 0.1


def test_a_drive_without_turns_tells_nothing() -> None:
    assert np.isnan(clock_offsets_s(driven({"front_main": 0.3}, turns=False))).all()


@pytest.mark.parametrize(
    ("gains", "exchanged"),
    [
        ({}, []),
        ({"front_wide": 0.5}, []),
        ({"front_main": -0.9}, []),  # upside down
        ({"front_main": 0.3, "front_wide": 1.5}, ["front_main", "front_wide"]),
        ({"front_main": 1.6, "front_narrow": 0.5}, ["front_main", "front_narrow"]),
    ],
)
def test_exchanged_lenses_show_turns_as_too_small_and_too_large(gains: dict[str, float], exchanged: list[str]) -> None:
    rig = canonical_rig()
    found = LensPairs(rig, expected_motion(rig)).exchanged(driven(gains=gains))
    assert [CAMERAS[index] for index in np.flatnonzero(found)] == exchanged
