"""Speed and yaw rate of a series of poses use the past alone."""

import numpy as np
import pytest

from fsd.data.errors import ClipError
from fsd.data.formats.pose_track import ego_track_of_poses

SPEED_MPS, YAW_RATE_RPS = 10.0, 0.3


def circle(timestamp_ns: np.ndarray, speed_mps: float = SPEED_MPS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    yaw_rad = YAW_RATE_RPS * timestamp_ns * 1e-9 + 3.0  # passes pi
    radius_m = speed_mps / YAW_RATE_RPS
    return radius_m * np.sin(yaw_rad), -radius_m * np.cos(yaw_rad), np.mod(yaw_rad + np.pi, 2 * np.pi) - np.pi


@pytest.mark.parametrize("speed_mps", [SPEED_MPS, -SPEED_MPS], ids=["forward", "reverse"])
def test_a_circle_has_its_speed_and_yaw_rate(speed_mps: float) -> None:
    times_ns = 10_000_000 * np.arange(200)
    track = ego_track_of_poses(times_ns, *circle(times_ns, speed_mps), "poses", [])
    assert np.isnan(track.speed_mps[:5]).all()
    np.testing.assert_allclose(track.speed_mps[5:], speed_mps, rtol=1e-3)
    np.testing.assert_allclose(track.yaw_rate_rps[5:], YAW_RATE_RPS, rtol=1e-6)


def test_no_value_changes_when_later_poses_do() -> None:
    times_ns = 30_000_000 * np.arange(50)
    x_m, y_m, yaw_rad = circle(times_ns)
    before = ego_track_of_poses(times_ns, x_m, y_m, yaw_rad, "poses", [])
    x_m = np.where(np.arange(50) > 20, x_m + 100, x_m)
    after = ego_track_of_poses(times_ns, x_m, y_m, yaw_rad, "poses", [])
    np.testing.assert_array_equal(before.speed_mps[:21], after.speed_mps[:21])


def test_poses_a_nanosecond_apart_or_repeated_or_unsorted_are_no_jump() -> None:
    times_ns = np.array([0, 50_000_000, 100_000_000, 100_000_001, 100_000_001, 200_000_000, 150_000_000])
    track = ego_track_of_poses(times_ns, *circle(times_ns), "poses", [])
    assert len(track.timestamp_ns) == 6
    np.testing.assert_allclose(track.speed_mps[1:], SPEED_MPS, rtol=1e-3)


def test_speed_over_a_hole_is_unknown() -> None:
    times_ns = np.array([0, 100_000_000, 2_000_000_000, 2_100_000_000])
    track = ego_track_of_poses(times_ns, *circle(times_ns), "poses", [])
    assert np.isfinite(track.speed_mps).tolist() == [False, True, False, True]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_row_that_is_no_pose_is_left_out_and_spoils_no_other(value: float, column: int) -> None:
    if column == 2 and value == 1e300:
        value = -np.inf
    times_ns = 10_000_000 * np.arange(200)
    poses = circle(times_ns)
    poses[column][[0, 50]] = value
    notes: list[str] = []
    track = ego_track_of_poses(times_ns, *poses, "poses", notes)
    assert len(track.timestamp_ns) == 198
    np.testing.assert_allclose(track.speed_mps[6:], SPEED_MPS, rtol=1e-3)
    assert notes == [
        "2 of 200 rows of ego motion in poses are left out: a value is not a number, or one that no vehicle reaches."
    ]


def test_poses_of_which_none_is_one_are_refused() -> None:
    times_ns = 10_000_000 * np.arange(3)
    with pytest.raises(ClipError, match=r"poses: every row"):
        ego_track_of_poses(times_ns, *(np.full(3, np.nan),) * 3, "poses", [])
