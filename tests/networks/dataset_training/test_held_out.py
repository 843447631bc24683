"""Errors by horizon and by curvature, beside predictors without images."""

import numpy as np
import pytest

pytest.importorskip("torch")

from fsd.networks.contract import WAYPOINT_TIMES_S
from fsd.networks.dataset_training.held_out import (
    CONSTANT_VELOCITY,
    HOLD_LAST,
    MEAN_PATH,
    NETWORK,
    baselines,
    mean_plan,
    measures,
    score_m,
)

Labels = dict[str, np.ndarray]


def circles(curvature: list[float], speed_mps: float = 10.0) -> Labels:
    """Drives at constant speed along circles."""
    bend = np.array(curvature)[:, None]
    turned = bend * speed_mps * WAYPOINT_TIMES_S
    with np.errstate(invalid="ignore", divide="ignore"):
        x = np.where(bend == 0, speed_mps * WAYPOINT_TIMES_S, np.sin(turned) / bend)
        y = np.where(bend == 0, 0.0, (1 - np.cos(turned)) / bend)
    count = len(curvature)
    return {
        "trajectory": np.stack([x, y, turned, np.full(x.shape, speed_mps)], axis=-1),
        "curvature": bend,
        "acceleration": np.zeros((count, 1)),
        "ego": np.stack([np.full(count, speed_mps), speed_mps * bend[:, 0]], axis=-1),
        "ego_valid": np.ones((count, 1)),
    }


def test_hold_last_drives_circles_and_constant_velocity_drives_straight() -> None:
    labels = circles([0.0, 0.02, -0.03])
    plans = baselines(labels, mean_plan(labels))
    np.testing.assert_allclose(plans[HOLD_LAST][0], labels["trajectory"], atol=1e-9)
    np.testing.assert_allclose(plans[HOLD_LAST][1], labels["curvature"][:, 0])
    np.testing.assert_allclose(plans[CONSTANT_VELOCITY][0], circles([0.0] * 3)["trajectory"])
    np.testing.assert_allclose(plans[MEAN_PATH][0][1], labels["trajectory"].mean(axis=0))


def test_errors_are_by_horizon_and_by_curvature() -> None:
    labels = circles([0.0, 0.005, 0.02])
    plan = labels["trajectory"] + np.array([0, 1, 0, 0]) * WAYPOINT_TIMES_S[:, None]
    plan[1:] += [3, 0, 0, 0]
    found = measures({NETWORK: (plan, np.full(3, 0.01), np.full(3, 2.0))}, labels)
    assert found["position_m@2 s:network"] == pytest.approx((2 + 2 * np.hypot(2, 3)) / 3)
    assert found["path_m@straight:network"] == pytest.approx(WAYPOINT_TIMES_S[:12].mean())
    assert found["curvature_per_m@slight:network"] == pytest.approx(0.005)
    assert found["curvature_rmse_per_m:network"] == pytest.approx(np.sqrt((0.01**2 + 0.005**2 + 0.01**2) / 3))
    assert "path_m@sharp:network" not in found
    ade_m = found["ade_3s_m:network"]
    assert score_m(found) == pytest.approx(ade_m + 0.5 * 2.0 + 0.5 * 100 * (0.01 + 0.005 + 0.01) / 3)


def test_all_predictors_are_scored_on_the_same_rows() -> None:
    labels = circles([0.0, 0.02, 0.02])
    labels["ego_valid"][2] = 0
    labels["trajectory"][1, 8:] = np.nan
    plan = labels["trajectory"] + np.array([[[0, 1, 0, 0]], [[0, 2, 0, 0]], [[0, 300, 0, 0]]])
    found = measures(
        {NETWORK: (plan, np.zeros(3), np.zeros(3)), **baselines(labels, mean_plan(circles([0.0])))}, labels
    )
    assert found["position_m@1 s:network"] == pytest.approx(1.5)
    assert found["position_m@3 s:network"] == pytest.approx(1.0)
    assert found["ade_3s_m:hold last"] == pytest.approx(0.0, abs=1e-9)


def test_a_drive_with_a_steering_wheel_only_is_scored_by_its_curvature() -> None:
    labels = circles([0.0, 0.02])
    for name in ("trajectory", "acceleration"):
        labels[name][:] = np.nan
    labels["ego"][:], labels["ego_valid"][:] = 0, 0
    plan = np.zeros((2, 16, 4)), np.array([0.0, 0.01]), np.zeros(2)
    found = measures({NETWORK: plan, **baselines(labels, mean_plan(labels))}, labels)
    assert {name.partition("@")[0].partition(":")[0] for name in found} == {
        "curvature_rmse_per_m",
        "curvature_mae_per_m",
        "curvature_per_m",
    }
    assert found["curvature_mae_per_m:constant velocity"] == pytest.approx(0.01)
    assert score_m(found) == pytest.approx(50 * 0.005)
