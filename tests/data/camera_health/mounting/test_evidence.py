"""Verdicts on motions made from the expected ones, with noise: no pictures."""

import numpy as np
import pytest

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.mounting.evidence import MountingEvidence
from fsd.data.camera_health.mounting.expected_motion import QUARTER_TURNS, ExpectedMotion, expected_motion
from fsd.data.frames import CAMERAS
from fsd.data.standard_rigs import canonical_rig

INDEX = {name: index for index, name in enumerate(CAMERAS)}


@pytest.fixture(scope="module")
def expected() -> ExpectedMotion:
    return expected_motion(canonical_rig())


def verdicts(
    expected: ExpectedMotion, shown: dict[str, int] | None = None, samples: int = 40, turns: bool = True, sign: int = 1
) -> dict[str, CameraFault]:
    """The verdicts after a drive in which some cameras show what a hypothesis about them says."""
    evidence, rng = MountingEvidence(expected), np.random.default_rng(0)
    for sample in range(samples):
        turn_rad = 0.03 * np.sin(sample / 5) if turns else 0.0
        for camera, name in enumerate(CAMERAS):
            hypothesis = (shown or {}).get(name, 0)
            nearness = rng.uniform(0.3, 1.2, (len(expected.forward_px[0, 0]), 1))
            moved_px = nearness * 0.4 * sign * expected.forward_px[camera, hypothesis]
            moved_px = moved_px + turn_rad * expected.turn_px[camera, hypothesis] + rng.normal(0, 0.3, moved_px.shape)
            moved_px[np.abs(moved_px).max(axis=1) > 4] = np.nan
            evidence.add(camera, moved_px, 0.4, turn_rad)
    return {CAMERAS[index]: each for index, each in enumerate(evidence.verdicts) if each is not None}


def as_camera(name: str) -> int:
    return QUARTER_TURNS + INDEX[name]


def test_healthy_cameras_have_no_fault(expected: ExpectedMotion) -> None:
    assert verdicts(expected) == {}


@pytest.mark.parametrize(
    ("one", "other"), [("left_pillar", "right_pillar"), ("left_repeater", "right_repeater"), ("front_main", "rear")]
)
def test_two_swapped_cameras_are_both_named_and_no_other(expected: ExpectedMotion, one: str, other: str) -> None:
    found = verdicts(expected, {one: as_camera(other), other: as_camera(one)}, samples=80)
    assert found == dict.fromkeys((one, other), CameraFault.SWAPPED)


@pytest.mark.parametrize("camera", ["left_pillar", "right_repeater", "front_main"])
def test_an_upside_down_camera_is_named(expected: ExpectedMotion, camera: str) -> None:
    assert verdicts(expected, {camera: 2}, samples=120) == {camera: CameraFault.UPSIDE_DOWN}


@pytest.mark.parametrize("quarter_turns", [1, 3])
def test_a_rotated_camera_is_named(expected: ExpectedMotion, quarter_turns: int) -> None:
    assert verdicts(expected, {"left_pillar": quarter_turns}, samples=120) == {"left_pillar": CameraFault.ROTATED}


def test_driving_straight_on_does_not_tell_that_a_front_camera_is_upside_down(expected: ExpectedMotion) -> None:
    assert verdicts(expected, {"front_main": 2}, samples=120, turns=False) == {}


def test_few_samples_tell_nothing(expected: ExpectedMotion) -> None:
    assert verdicts(expected, {"left_pillar": 2}, samples=10) == {}


def test_where_no_camera_fits_the_motion_none_is_blamed(expected: ExpectedMotion) -> None:
    assert verdicts(expected, sign=-1) == {}  # such as a speed that is negative by mistake
