"""The canonical rig, and the rig that is assumed where none was given."""

import math

import pytest

from fsd.data.frames import CAMERAS
from fsd.data.rig import FTheta
from fsd.data.standard_rigs import assumed_rig, canonical_rig


def test_the_canonical_rig_has_the_eight_cameras_looking_where_they_should() -> None:
    rig = canonical_rig()
    assert tuple(camera.name for camera in rig.cameras) == CAMERAS
    yaws_deg, pitches_deg = [], []
    for camera in rig.cameras:
        forward = camera.ego_from_camera.matrix()[:3, 2]
        yaws_deg.append(round(math.degrees(math.atan2(forward[1], forward[0]))))
        pitches_deg.append(math.degrees(math.asin(forward[2])))
        right = camera.ego_from_camera.matrix()[:3, 0]
        assert right[2] == pytest.approx(0)  # no roll
    assert yaws_deg == [0, 0, 0, 60, -60, 145, -145, 180]
    assert pitches_deg == pytest.approx([-2, -4, 0.5, -4, -4, -3, -3, -6])
    assert rig.cameras[0].intrinsics.fx_px == pytest.approx(640 / math.tan(math.radians(25)))  # type: ignore[union-attr]
    assert rig.camera("rear") is rig.cameras[7]


def test_an_assumed_rig_has_the_cameras_it_was_given_sizes_for() -> None:
    rig = assumed_rig({"rear": (640, 480), "front_main": (1920, 1080)}, {"rear": 120})
    assert [(camera.name, camera.width_px) for camera in rig.cameras] == [("front_main", 1920), ("rear", 640)]
    assert isinstance(rig.cameras[1].intrinsics, FTheta)
