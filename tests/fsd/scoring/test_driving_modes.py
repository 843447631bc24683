import numpy as np
import pytest

from fsd.data.driving_mode import DrivingModeTrack
from fsd.data.ego import EgoTrack
from fsd.scoring.baseline_plans import constant_velocity
from fsd.scoring.driving_modes import mode_changes, mode_masks, modes_at
from fsd.scoring.plan_errors import score_groups, score_run

TICK_NS = 10**9 // 36


def straight_drive(seconds: float = 10.0, speed_mps: float = 10.0) -> EgoTrack:
    time_ns = np.arange(round(seconds * 36)) * TICK_NS
    zero = np.zeros(len(time_ns))
    return EgoTrack(time_ns, zero + speed_mps, zero, speed_mps * time_ns * 1e-9, zero, zero)


def test_the_mode_of_a_tick_is_that_of_the_recording_and_unknown_when_it_is_stale() -> None:
    track = DrivingModeTrack(np.array([0, 10**9]), ("manual", "autosteer"))
    assert modes_at(track, np.array([0, 4 * 10**8, 8 * 10**8, 10**9])) == ("manual", "manual", None, "autosteer")


def test_only_changes_between_manual_and_assisted_driving_count() -> None:
    modes = ["manual", "self_driving", "autosteer", "manual", "cruise", "cruise"]
    found = mode_changes(np.arange(6) * TICK_NS, modes)
    assert [(change.row, change.is_disengagement) for change in found] == [(1, False), (3, True), (4, False)]
    assert (found[1].before, found[1].after) == ("autosteer", "manual")


def test_a_change_over_a_long_unknown_stretch_is_none() -> None:
    modes = ["cruise", None, "manual"]
    assert len(mode_changes(np.array([0, 1, 2]) * 10**9, modes)) == 1
    assert mode_changes(np.array([0, 1, 3]) * 10**9, modes) == []


def test_groups_without_a_tick_are_left_out() -> None:
    masks = mode_masks(["cruise", None, "self_driving"])
    assert {group: mask.tolist() for group, mask in masks.items()} == {"assisted": [True, False, True]}


def test_the_scores_of_the_groups_are_those_of_their_ticks_only() -> None:
    ego = straight_drive()
    times_ns = ego.timestamp_ns[:180]
    plans = constant_velocity(ego, times_ns)
    plans.trajectory[90:, :, 1] += 2.0  # the second half is planned 2 m aside
    early = np.arange(180) < 90
    apart = score_groups(ego, times_ns, plans, {"manual": early, "assisted": ~early})
    assert apart["manual"]["network"]["ade_3s_m"] == pytest.approx(0.0, abs=1e-6)
    assert apart["assisted"]["network"]["ade_3s_m"] == pytest.approx(2.0, abs=1e-6)
    assert [apart[group]["network"]["ticks_3s"] for group in apart] == [90, 90]
    assert apart["assisted"]["constant_velocity"]["ade_3s_m"] == pytest.approx(0.0, abs=1e-6)


def test_one_group_of_all_ticks_scores_as_the_whole_run() -> None:
    ego = straight_drive()
    times_ns = ego.timestamp_ns[:100]
    plans = constant_velocity(ego, times_ns)
    plans.trajectory[..., 0] *= 1.1
    whole = score_run(ego, times_ns, plans, 5.0)[0]["network"]
    apart = score_groups(ego, times_ns, plans, {"all": np.ones(100, bool)})["all"]["network"]
    assert apart == {name: value for name, value in whole.items() if "jitter" not in name}
