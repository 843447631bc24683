"""Errors, intervals over drives, bins and stated uncertainty, on made drives of which the right values are known."""

import numpy as np
import pytest

from fsd.data.steering import LINCOLN_MKZ
from fsd.evaluate.card import NETWORK, NOMINAL, Card
from fsd.evaluate.intervals import DriveBootstrap
from fsd.evaluate.labels import Driven, baseline_plans, mean_plan
from fsd.evaluate.measures import STATED, errors_of
from fsd.networks.contract import WAYPOINT_TIMES_S
from fsd.scoring.baseline_plans import Plans

ROWS = 60
STEP_NS = 111_111_111


def straight(speed_mps: float = 10.0, acceleration_mps2: float = 0.0, rows: int = ROWS) -> Driven:
    """A car on a straight road; every path is known to its end."""
    time_s = np.arange(rows) * STEP_NS * 1e-9
    speed = speed_mps + acceleration_mps2 * time_s
    path = np.zeros((rows, 16, 4))
    path[..., 0] = speed[:, None] * WAYPOINT_TIMES_S + acceleration_mps2 * WAYPOINT_TIMES_S**2 / 2
    path[..., 3] = speed[:, None] + acceleration_mps2 * WAYPOINT_TIMES_S
    return Driven(
        path,
        np.zeros(rows),
        np.full(rows, acceleration_mps2),
        speed,
        np.zeros(rows),
        np.arange(rows) * STEP_NS,
        np.ones(rows, bool),
        None,
    )


def changed(labels: Driven, **values: object) -> Driven:
    return Driven(**{**labels.__dict__, **values})  # type: ignore[arg-type]


def shifted(labels: Driven, left_m: float) -> Plans:
    """Plans that drive beside the car."""
    return Plans(
        labels.trajectory + np.array([0, left_m, 0, 0]), labels.curvature_per_m + 0.01, labels.acceleration_mps2
    )


def nothing(rows: int) -> dict[str, np.ndarray]:
    return {name: np.full(rows, np.nan) for name in STATED}


def test_a_plan_beside_the_path_is_as_far_off_as_it_is_beside_it() -> None:
    labels = straight()
    errors = errors_of(shifted(labels, 0.5), labels)
    for name in ("ade_1s_m", "ade_4s_m", "fde_1s_m", "fde_4s_m"):
        np.testing.assert_allclose(errors[name], 0.5)
    np.testing.assert_allclose(errors["curvature_per_m"], 0.01)
    assert np.isnan(errors["steering_wheel_rad"]).all()


def test_a_horizon_that_is_not_recorded_is_not_scored() -> None:
    labels = straight()
    labels.trajectory[:, 8:] = np.nan
    errors = errors_of(shifted(labels, 0.5), labels)
    assert np.isfinite(errors["ade_2s_m"]).all()
    assert np.isnan(errors["ade_3s_m"]).all()
    assert np.isnan(errors["fde_3s_m"]).all()


def test_the_steering_wheel_is_scored_where_the_curvature_is_its() -> None:
    wheel_rad = np.full(ROWS, 0.3)
    labels = changed(straight(), curvature_per_m=LINCOLN_MKZ.curvature_per_m(wheel_rad), steering=LINCOLN_MKZ)
    zero = Plans(labels.trajectory, np.zeros(ROWS), np.zeros(ROWS))
    np.testing.assert_allclose(errors_of(zero, labels)["steering_wheel_rad"], 0.3)


def test_baselines_know_the_past_only() -> None:
    labels = straight(5.0, 1.0)
    found = baseline_plans(labels, None)
    error_m = errors_of(found["constant_velocity"], labels)["fde_2s_m"]
    np.testing.assert_allclose(error_m, 2.0, atol=1e-6)  # 1 m/s² over 2 s
    late = errors_of(found["hold_last"], labels)["fde_2s_m"]
    np.testing.assert_allclose(late[3:], 0.0, atol=1e-6)
    np.testing.assert_allclose(late[0], 2.0, atol=1e-6)  # nothing before the first row
    assert set(found) == {"constant_velocity", "hold_last"}


def test_baselines_do_not_look_over_holes_of_the_ego_motion() -> None:
    labels = straight()
    labels.speed_mps[20:30] = np.nan
    found = baseline_plans(labels, None)
    for plans in found.values():
        assert np.isnan(plans.trajectory[20:30]).all()
        assert np.isfinite(plans.trajectory[30:]).all()


def test_without_ego_motion_the_last_angle_of_the_wheel_is_held() -> None:
    unknown = np.full(ROWS, np.nan)
    labels = changed(
        straight(),
        speed_mps=unknown,
        yaw_rate_rps=unknown,
        curvature_per_m=np.arange(ROWS) * 1e-3,
        steering=LINCOLN_MKZ,
    )
    found = baseline_plans(labels, None)
    np.testing.assert_allclose(found["hold_last"].curvature_per_m[3:], np.arange(ROWS - 3) * 1e-3)
    assert (found["constant_velocity"].curvature_per_m == 0).all()


def test_the_mean_path_is_of_rows_to_learn_from() -> None:
    one, other = straight(10.0), straight(20.0)
    one.is_used[:30] = False
    mean = mean_plan([one, other])
    assert mean is not None
    assert mean.trajectory[0, 3, 0] == pytest.approx((10 * 30 + 20 * 60) / 90)
    assert mean_plan([]) is None


def test_an_interval_is_over_drives_and_not_over_ticks() -> None:
    drive = np.repeat(np.arange(20), 50)
    level = np.random.default_rng(0).normal(1.0, 0.5, 20)
    found = DriveBootstrap(drive).mean(level[drive])
    assert found is not None
    assert found.value == pytest.approx(level.mean())
    assert (found.ticks, found.drives) == (1000, 20)
    assert found.low is not None
    assert found.high is not None
    half = 1.96 * level.std() / np.sqrt(20)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)  # over ticks it would be a seventh


def test_one_drive_has_no_interval() -> None:
    found = DriveBootstrap(np.zeros(10, np.int64)).mean(np.arange(10.0), is_rms=True)
    assert found is not None
    assert (found.low, found.high, found.drives) == (None, None, 1)
    assert found.value == pytest.approx(np.sqrt((np.arange(10.0) ** 2).mean()))
    assert DriveBootstrap(np.zeros(3, np.int64)).mean(np.full(3, np.nan)) is None


def two_drives() -> Card:
    card = Card()
    for drive, speed_mps, left_m in (("a", 3.0, 0.5), ("b", 12.0, 1.5)):
        labels = straight(speed_mps)
        planners = {
            NETWORK: shifted(labels, left_m),
            "constant_velocity": baseline_plans(labels, None)["constant_velocity"],
        }
        errors = {name: errors_of(plans, labels) for name, plans in planners.items()}
        if drive == "a":
            errors["constant_velocity"]["ade_3s_m"][:30] = np.nan
        card.add(drive, labels.speed_mps, labels.curvature_per_m, errors, nothing(ROWS))
        card.add_withheld("no_pictures", errors_of(shifted(labels, left_m + 1), labels))
    return card


def test_planners_are_scored_over_the_same_ticks() -> None:
    tables = two_drives().tables(("constant_velocity",))
    ade = {name: scores["ade_3s_m"] for name, scores in tables.planners.items()}
    assert {each.ticks for each in ade.values()} == {90}
    assert ade[NETWORK].value == pytest.approx((30 * 0.5 + 60 * 1.5) / 90)
    assert ade["constant_velocity"].value == pytest.approx(0, abs=1e-5)
    assert tables.gains["constant_velocity"]["ade_3s_m"].value == pytest.approx(ade[NETWORK].value, abs=1e-5)
    assert tables.planners[NETWORK]["ade_1s_m"].ticks == 120


def test_what_is_withheld_is_a_loss_at_the_same_ticks() -> None:
    found = two_drives().tables(("constant_velocity",)).withheld({"no_pictures": "pictures", "never_run": "nothing"})
    assert set(found) == {"no_pictures"}
    loss = found["no_pictures"].losses["ade_3s_m"]
    assert (loss.value, loss.low, loss.high) == pytest.approx((1, 1, 1))
    assert "curvature_rmse_per_m" in found["no_pictures"].scores


def test_bins_divide_the_ticks() -> None:
    tables = two_drives().tables(("constant_velocity",))
    slow, fast = tables.speed_bins()
    assert (slow.low, slow.high, slow.ticks, slow.drives) == (1, 5, 60, 1)
    assert (fast.low, fast.high) == (10, 15)
    assert slow.planners[NETWORK]["ade_3s_m"].value == pytest.approx(0.5)
    assert [each.low for each in tables.curvature_bins()] == [0]


def test_a_scale_that_is_right_holds_the_shares_that_it_states() -> None:
    card, rows = Card(), 20_000
    labels = straight(rows=rows)
    ratio = np.abs(np.random.default_rng(0).laplace(0, 1, rows))
    card.add("a", labels.speed_mps, labels.curvature_per_m, {NETWORK: errors_of(shifted(labels, 0), labels)}, {
        **nothing(rows), "curvature_per_m": ratio, "across_3s_m": 2 * ratio
    })  # fmt: skip
    found = card.tables().uncertainty()
    assert set(found) == {"curvature_per_m", "across_3s_m"}
    np.testing.assert_allclose(found["curvature_per_m"].covered, NOMINAL, atol=0.01)
    assert found["curvature_per_m"].mean_ratio.value == pytest.approx(1, abs=0.03)
    assert found["across_3s_m"].mean_ratio.value == pytest.approx(2, abs=0.06)
    assert found["across_3s_m"].covered[2] < 0.35


def test_a_card_of_nothing_is_empty() -> None:
    tables = Card().tables()
    assert tables.planners == {}
    assert tables.speed_bins() == ()
    assert tables.uncertainty() == {}
