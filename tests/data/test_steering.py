"""The steering wheel: read from a CSV file beside the video, and turned into curvature."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.errors import ClipError, ClockError
from fsd.data.open_clip import open_clip
from fsd.data.steering import LINCOLN_MKZ, SteeringGeometry, SteeringTrack, load_steering, possible_steering

START_NS = 1_479_425_441_182_877_835


def write_table(path: Path, *rows: str, header: str = "frame,timestamp_ns,steering_angle_rad") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_quarter_turn_of_the_wheel_becomes_a_curvature_through_ratio_and_wheelbase() -> None:
    geometry = SteeringGeometry(ratio=15.0, wheelbase_m=3.0)
    assert float(geometry.curvature_per_m(np.array(math.pi / 2))) == pytest.approx(math.tan(math.pi / 30) / 3.0)
    assert float(geometry.curvature_per_m(np.array(-math.pi / 2))) < 0


@settings(derandomize=True, deadline=None)
@given(st.floats(-8.0, 8.0))
def test_wheel_angle_and_curvature_are_each_others_inverse(angle_rad: float) -> None:
    there = LINCOLN_MKZ.curvature_per_m(np.array(angle_rad))
    assert float(LINCOLN_MKZ.wheel_angle_rad(there)) == pytest.approx(angle_rad, abs=1e-9)


@pytest.mark.parametrize("ratio", [0.0, -1.0, math.nan])
def test_a_steering_ratio_that_is_no_ratio_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="ratio"):
        SteeringGeometry(ratio, 2.85)


def test_the_angle_of_a_time_is_that_of_the_newest_row_not_later() -> None:
    track = SteeringTrack(START_NS + 50_000_000 * np.arange(3), np.array([0.1, 0.2, 0.3]))
    assert math.isnan(track.angle_at(START_NS - 1))
    assert track.angle_at(START_NS) == 0.1
    assert track.angle_at(START_NS + 99_999_999) == 0.2
    assert track.angle_at(START_NS + 100_000_000) == 0.3


def test_an_angle_older_than_half_a_second_is_unknown() -> None:
    track = SteeringTrack(np.array([START_NS]), np.array([0.1]))
    assert track.angle_at(START_NS + 500_000_000) == 0.1
    assert math.isnan(track.angle_at(START_NS + 500_000_001))


def test_an_empty_angle_is_unknown(tmp_path: Path) -> None:
    track = load_steering(write_table(tmp_path / "a.csv", f"0,{START_NS},0.5", f"1,{START_NS + 1},"))
    np.testing.assert_array_equal(track.angle_rad, [0.5, math.nan])


def test_an_angle_that_is_no_number_names_the_row(tmp_path: Path) -> None:
    table = write_table(tmp_path / "a.csv", f"0,{START_NS},0.5", f"1,{START_NS + 1},left")
    with pytest.raises(ClipError, match=r"row 1: `steering_angle_rad`.*left"):
        load_steering(table)


def test_times_that_fall_are_a_clock_error(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match="row 1"):
        load_steering(write_table(tmp_path / "a.csv", f"0,{START_NS},0.5", f"1,{START_NS},0.5"))


def test_a_file_without_the_column_says_what_it_has(tmp_path: Path) -> None:
    table = write_table(tmp_path / "a.csv", f"0,{START_NS}", header="frame,timestamp_ns")
    with pytest.raises(ClipError, match="frame, timestamp_ns") as caught:
        load_steering(table)
    assert caught.value.field == "steering_angle_rad"


def test_a_clip_has_the_steering_of_the_table_beside_its_video(tmp_path: Path, tools: Any) -> None:
    tools.write_video(tmp_path / "drive.mp4", [50 * k for k in range(4)])
    rows = [f"{k},{START_NS + 50_000_000 * k},{0.1 * k:.1f}" for k in range(4)]
    write_table(tmp_path / "drive.csv", *rows)
    for path in (tmp_path, tmp_path / "drive.mp4"):
        steering = open_clip(path).steering
        assert steering is not None
        np.testing.assert_allclose(steering.angle_rad, [0, 0.1, 0.2, 0.3])
        assert steering.timestamp_ns[0] == START_NS


def test_a_clip_with_times_alone_has_no_steering(tmp_path: Path, tools: Any) -> None:
    tools.write_video(tmp_path / "drive.mp4", [0, 50])
    write_table(tmp_path / "drive.csv", f"0,{START_NS}", f"1,{START_NS + 50_000_000}", header="frame,timestamp_ns")
    assert open_clip(tmp_path).steering is None


def test_the_udacity_drive_has_an_angle_for_every_picture(recordings: Path) -> None:
    if not (recordings / "udacity_ch2").is_dir():
        pytest.skip("no recording udacity_ch2 here")
    steering = open_clip(recordings / "udacity_ch2").steering
    assert steering is not None
    assert np.isfinite(steering.angle_rad).sum() == 3600
    assert steering.angle_at(START_NS) == -0.0169280299332


def test_angles_that_no_steering_wheel_has_are_unknown_and_counted() -> None:
    track = SteeringTrack(START_NS + np.arange(4), np.array([0.5, math.inf, -1e300, math.nan]))
    notes: list[str] = []
    np.testing.assert_array_equal(possible_steering(track, notes).angle_rad, [0.5, math.nan, math.nan, math.nan])
    assert len(notes) == 1
    assert "2 of 4" in notes[0]
