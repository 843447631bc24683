"""The figures of the benchmark on real video from made-up results."""

import msgspec
import pytest

pytest.importorskip("torch")

from _steering_fit import steering_figures
from _teslacam_fit import START, Gap, gap_figures

from fsd.data.steering import LINCOLN_MKZ
from fsd.networks.recorded_fit import RecordedFit, SteeringScores
from tests.benchmarks.test_closed_loop import routes


def fit(network_rmse_rad: float, masked_rmse_rad: float) -> RecordedFit:
    scores = SteeringScores(537, network_rmse_rad, masked_rmse_rad, zero_rmse_rad=0.236, mean_rmse_rad=0.23)
    return RecordedFit(
        weights="weights.safetensors",
        clips=["drive"],
        curvature_from=["steering wheel angle"],
        learned=["curvature"],
        train_until_s=[120.0],
        steering=LINCOLN_MKZ,
        is_steering_assumed=True,
        budget="F100",
        initial=None,
        steps=300,
        samples_per_s=9.0,
        loader_share=0.0,
        train=msgspec.structs.replace(scores, network_rmse_rad=0.04),
        test=scores,
        caveat="",
    )


def test_seeds_are_averaged_and_their_range_is_kept() -> None:
    found = steering_figures({"packaged": [fit(0.10, 0.25), fit(0.08, 0.23)], "nothing": [fit(0.15, 0.24)]})
    assert (found["ch2_rmse_rad"], found["ch2_rmse_rad_low"], found["ch2_rmse_rad_high"]) == (
        pytest.approx(0.09),
        0.08,
        0.10,
    )
    assert (found["ch2_masked_rmse_rad"], found["ch2_from_nothing_rmse_rad"]) == (pytest.approx(0.24), 0.15)
    assert (found["ch2_zero_rmse_rad"], found["ch2_rows"], found["ch2_seeds"]) == (0.236, 537, 2)


def test_the_gap_is_what_the_recorded_path_loses_route_by_route() -> None:
    scores = {
        START: routes(driving_score=0.9),
        "direct": routes(driving_score=0.8),
        "recorded": routes(driving_score=0.8) | routes(("S7",), driving_score=0.4),
    }
    found = gap_figures(Gap(28, 10.0, {"recorded": 2000, "direct": 2500}, [None, 0.0], scores))
    assert found["teslacam_sim_score_gap"] == pytest.approx(0.05)
    assert found["teslacam_sim_score_gap_low"] == 0.0
    assert found["teslacam_sim_score_gap_high"] > 0.05
    assert (found["teslacam_routes"], found["teslacam_start_score"]) == (16, pytest.approx(0.9))
