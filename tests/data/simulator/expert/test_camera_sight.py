"""What counts as shown by a camera, on hand-made boxes around an ego car at the origin that faces +x."""

import numpy as np
import pytest

from fsd.data.rig import Rig
from fsd.data.simulator.expert.camera_sight import HEIGHT_M, camera_table, shown
from fsd.data.simulator.rendering import models
from fsd.data.simulator.traffic.actors import SHAPES
from fsd.data.standard_rigs import assumed_rig, canonical_rig

SEDAN = (2.28, 0.92, 0.0, 1.43)
PERSON = (0.22, 0.28, 0.0, 1.77)
NOTHING = np.zeros((0, 6))
ORIGIN = np.zeros(3)


def is_shown(
    target: tuple[float, ...],
    blockers: np.ndarray = NOTHING,
    rig: Rig | None = None,
    min_pixels: float = 1.0,
    sight_m: float = 95.0,
) -> bool:
    table = camera_table(rig or canonical_rig(), 80)
    smallest, own = np.array([min_pixels]), np.array([-1])
    return bool(shown(table, ORIGIN, np.array([target]), smallest, blockers, own, sight_m)[0])


def test_a_house_hides_a_person_and_not_the_one_beside_it() -> None:
    house = np.array([[15.0, 0.0, 0.0, 3.0, 4.0, 6.0]])
    assert not is_shown((25.0, 0.0, 0.0, *PERSON), house)
    assert is_shown((25.0, 12.0, 0.0, *PERSON), house)
    assert is_shown((8.0, 0.0, 0.0, *PERSON), house)


def test_a_head_is_seen_over_a_car_but_not_over_a_van() -> None:
    behind = (20.0, 0.0, 0.0, *PERSON)
    for shape, expected in (("sedan", True), ("van", False), ("truck", False)):
        length, width = SHAPES[shape]
        blocker = np.array([[14.0, 0.0, 0.0, length / 2, width / 2, HEIGHT_M[shape]]])
        assert is_shown(behind, blocker) is expected


def test_heights_are_those_of_the_rendered_vehicles() -> None:
    for shape, height_m in HEIGHT_M.items():
        assert getattr(models, shape)()[:, 2].max() == pytest.approx(height_m, abs=0.05)


def test_a_vehicle_does_not_hide_itself() -> None:
    truck = np.array([[14.0, 0.0, 0.0, 3.8, 1.2, 3.1]])
    target = np.array([[14.0, 0.0, 0.0, 3.8, 1.2, 0.0, 3.1]])
    table, one = camera_table(canonical_rig(), 80), np.ones(1)
    assert shown(table, ORIGIN, target, one, truck, np.array([0]), 95.0)[0]


def test_only_cameras_that_the_rig_has_see() -> None:
    front = assumed_rig({"front_main": (640, 480)})
    beside, ahead = (0.0, 4.0, 0.0, *SEDAN), (20.0, 0.0, 0.0, *SEDAN)
    assert (is_shown(ahead, rig=front), is_shown(beside, rig=front)) == (True, False)
    assert is_shown(beside)


def test_what_is_small_in_the_picture_or_in_fog_is_not_shown() -> None:
    crossing = (5.0, 50.0, -np.pi / 2, *SEDAN)  # seen from the front, by a pillar camera
    assert is_shown(crossing, min_pixels=1.0)
    assert not is_shown(crossing, min_pixels=4.0)
    assert not is_shown(crossing, sight_m=40.0)


def test_a_wide_lens_without_a_pinhole_is_refused() -> None:
    with pytest.raises(ValueError, match="rear"):
        camera_table(assumed_rig({"rear": (640, 480)}, {"rear": 170.0}), 80)
