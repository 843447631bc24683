"""The ablations: limits of every class, and worlds that differ only in when people walk."""

import pytest
from _label_sensitivity import label_changes, sensitivity
from expert_ablations import DRIVERS, REFERENCE, drive

from fsd.data.simulator.expert.abilities import SeesWithin, limited
from fsd.data.simulator.expert.expert_drivers import SceneExpert
from fsd.data.simulator.expert.perception import full_scene


def test_every_ability_can_be_taken_away() -> None:
    assert {"blind to people", "blind to crossing", "blind to vehicles", "blind to lights"} <= DRIVERS.keys()
    assert DRIVERS["people 10 m"].scenarios == ("S7",)


def test_a_driver_without_vehicles_drives_into_one() -> None:
    reference, _ = drive((REFERENCE, "S2", 100_000))
    blind, tick_ms = drive(("blind to vehicles", "S2", 100_000))
    assert (reference.driving_score, blind.finish) == (1.0, "collision_vehicle")
    assert tick_ms > 0.0


def test_late_walkers_change_the_label_of_those_who_see_people_only() -> None:
    def blind() -> SceneExpert:
        return SceneExpert(limited(full_scene, SeesWithin(people_m=0.0)))

    sighted = list(label_changes(100_000, SceneExpert(full_scene), SceneExpert(full_scene)))
    unaware = list(label_changes(100_000, blind(), blind()))
    assert max(sighted) > 1.0
    assert len(unaware) > 10
    assert max(unaware) == 0.0


def test_the_statistics_of_changes() -> None:
    result = sensitivity([0.0] * 90 + [4.0] * 10)
    assert (result.ticks, result.mean_mps2, result.over_3_share) == (100, pytest.approx(0.4), pytest.approx(0.1))
    assert result.p95_mps2 == 4.0
