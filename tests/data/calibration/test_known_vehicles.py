"""Assumed rigs of Tesla recordings: the right cameras in the right sizes, and nothing that is never recorded."""

import pytest

from fsd.data.calibration.estimate import direction_deg, hfov_deg
from fsd.data.calibration.known_vehicles import TESLA, known_rig

HW3 = dict.fromkeys(("front_main", "left_repeater", "right_repeater", "rear"), (1280, 960))
HW4 = {name: (2896, 1876) if name == "front_main" else (1448, 938) for name in TESLA}


def test_hw3_has_four_cameras_as_assumed() -> None:
    rig = known_rig(HW3)
    assert {camera.name: (camera.width_px, camera.height_px) for camera in rig.cameras} == HW3
    rear = rig.camera("rear")
    assert rear is not None
    assert abs(direction_deg(rear)[0]) == pytest.approx(180)
    assert hfov_deg(rear) == pytest.approx(TESLA["rear"].hfov_deg, abs=1e-6)


def test_hw4_has_a_larger_front_camera_and_the_pillars() -> None:
    rig = known_rig({**HW4, "front_narrow": (640, 480)})
    assert {camera.name for camera in rig.cameras} == set(HW4)
    front = rig.camera("front_main")
    assert front is not None
    assert hfov_deg(front) == pytest.approx(TESLA["front_main"].hfov_deg, abs=1e-6)
    assert (front.width_px, front.height_px) == (2896, 1876)
    assert "HW4" in rig.name
    assert "HW3" in known_rig(HW3).name
