"""The metrics of the closed-loop benchmark from made-up scores of routes."""

from dataclasses import fields, replace

import pytest
from closed_loop import ALL, NEED_EIGHT, SIDE_AND_REAR, metrics_of

from fsd.data.simulator.scoring.metrics import RouteScore
from fsd.drive.table import Routes

PERFECT = replace(
    RouteScore(**{field.name: 0 for field in fields(RouteScore)}),  # type: ignore[arg-type]
    finish="completed",
    driving_score=1.0,
    route_completion=1.0,
    distance_m=500.0,
)


def routes(scenarios: tuple[str, ...] = ALL, **values: float | str) -> Routes:
    return {(scenario, seed): replace(PERFECT, **values) for scenario in scenarios for seed in (1, 2)}  # type: ignore[arg-type]


@pytest.fixture
def found() -> dict[str, float]:
    own = routes(driving_score=0.9)
    own["S7", 1] = replace(PERFECT, driving_score=0.5, finish="collision_pedestrian")
    own["S3", 1] = replace(PERFECT, driving_score=0.7, stop_lines_met=3, red_lights=1)
    own["S4", 2] = replace(PERFECT, driving_score=1.0, stop_lines_met=7)
    claim = {"network": own, "expert": routes(), "blind_steering": routes(driving_score=0.4)}
    front = routes(NEED_EIGHT, driving_score=0.9) | routes(("S6",), driving_score=0.7)
    cameras = {"network": routes(NEED_EIGHT, driving_score=0.9), "network_front_only": front}
    lost = {f"network:{camera}": own for camera in SIDE_AND_REAR}
    controls = {"network": own, "network_blackout": routes(driving_score=0.2), "network_blurred": own, **lost}
    return metrics_of(claim, cameras, controls, ())


def test_shares_have_intervals_over_routes(found: dict[str, float]) -> None:
    assert found["collision_share"] == pytest.approx(1 / 14)
    assert found["collision_share_low"] == 0.0 < found["collision_share_high"]
    assert (found["red_light_share"], found["signals_crossed"]) == (pytest.approx(0.9), 10)
    assert found["red_light_share_low"] < 0.9 < found["red_light_share_high"]
    assert found["completion"] == 1.0


def test_scores_are_by_scenario_and_relative_to_other_drivers_on_the_same_routes(found: dict[str, float]) -> None:
    assert (found["s6_score"], found["s7_score"]) == (pytest.approx(0.9), pytest.approx(0.7))
    assert found["score_over_expert"] == pytest.approx((11 * 0.9 + 0.5 + 0.7 + 1.0) / 14)
    assert found["score_over_expert_s8"] == pytest.approx(0.9)
    assert found["blackout_score_ratio"] == pytest.approx(0.2 / (13 * 0.9 + 2.2) * 16)
    assert found["score_over_blind_steering"] == pytest.approx((13 * 0.9 + 2.2) / 16 - 0.4)


def test_side_cameras_are_judged_in_each_scenario_that_needs_them(found: dict[str, float]) -> None:
    assert found["side_cameras_gain_s5"] == pytest.approx(0.0)
    assert found["side_cameras_gain_s6"] == pytest.approx(0.2)
    assert found["side_cameras_gain_s6_low"] == pytest.approx(0.2)
