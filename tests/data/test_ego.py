"""Ego motion and commands: causal for the network, interpolated only for scoring."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsd.data.ego import EgoSample, EgoTrack, load_commands, load_ego
from fsd.data.errors import ClipError, ClockError
from fsd.data.open_clip import open_clip

START_NS = 1_763_000_000_000_000_000


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def times(count: int, step_ns: int = 100_000_000) -> pa.Array:
    return pa.array([START_NS + step_ns * k for k in range(count)], pa.int64())


def circle(folder: Path) -> EgoTrack:
    """A turn to the left at 10 m/s and 0.5 rad/s, through the direction where the yaw jumps from pi to -pi."""
    yaw = 3.0 + 0.05 * np.arange(20)
    return load_ego(
        write(
            folder / "ego.parquet",
            t_ns=times(20),
            x=20 * np.sin(yaw),
            y=-20 * np.cos(yaw),
            qw=np.cos(yaw / 2),
            qx=np.zeros(20),
            qy=np.zeros(20),
            qz=np.sin(yaw / 2),
            v_mps=np.full(20, 10.0),
            yaw_rate_rps=np.full(20, 0.5),
        ),
        [],
    )


def test_a_sample_is_the_newest_row_not_later_than_the_time(tmp_path: Path) -> None:
    speeds = np.arange(5, dtype=np.float32)
    track = load_ego(write(tmp_path / "e.parquet", t_ns=times(5), v_mps=speeds, yaw_rate_rps=-speeds), [])
    assert track.sample_at(START_NS - 1) is None
    assert track.sample_at(START_NS) == EgoSample(0.0, 0.0)
    assert track.sample_at(START_NS + 199_999_999) == EgoSample(1.0, -1.0)
    assert track.sample_at(START_NS + 200_000_000) == EgoSample(2.0, -2.0)


def test_a_row_older_than_half_a_second_says_nothing(tmp_path: Path) -> None:
    track = load_ego(write(tmp_path / "e.parquet", t_ns=times(1), v_mps=[3.0], yaw_rate_rps=[0.0]), [])
    assert track.sample_at(START_NS + 500_000_000) is not None
    assert track.sample_at(START_NS + 500_000_001) is None


def test_what_was_not_recorded_gives_no_sample(tmp_path: Path) -> None:
    track = load_ego(write(tmp_path / "e.parquet", t_ns=times(2), v_mps=[3.0, float("nan")], x=[0.0, 1.0]), [])
    assert track.sample_at(START_NS) is None  # there is no yaw rate
    assert np.isnan(track.poses_at(np.array([START_NS]))[0, 2])


def test_poses_are_interpolated_also_where_the_yaw_wraps(tmp_path: Path) -> None:
    track = circle(tmp_path)
    at_ns = START_NS + np.array([0, 250_000_000, 1_450_000_000, 1_900_000_000])
    x, y, yaw, speed = track.poses_at(at_ns).T
    true_yaw = 3.0 + 0.5e-9 * (at_ns - START_NS)
    assert np.allclose(np.angle(np.exp(1j * (yaw - true_yaw))), 0, atol=1e-9)
    assert np.all(np.abs(yaw) <= np.pi)
    assert np.allclose(np.hypot(x, y), 20, atol=0.01)
    assert np.allclose(speed, 10)


def test_poses_outside_the_track_are_nan(tmp_path: Path) -> None:
    poses = circle(tmp_path).poses_at(np.array([START_NS - 1, START_NS + 1_900_000_001]))
    assert poses.shape == (2, 4)
    assert np.isnan(poses).all()


def test_a_row_without_a_pose_leaves_the_poses_after_it() -> None:
    yaw = np.array([3.0, 3.1, np.nan, -3.1, -3.0])
    zeros = np.zeros(5)
    track = EgoTrack(np.arange(5) * 10, zeros, zeros, zeros, zeros, yaw)
    poses = track.poses_at(np.array([5, 15, 25, 30, 35]))
    assert poses[[0, 3, 4], 2] == pytest.approx([3.05, -3.1, -3.05])
    assert np.isnan(poses[[1, 2], 2]).all()


def test_a_command_holds_until_the_next(tmp_path: Path) -> None:
    track = load_commands(write(tmp_path / "c.parquet", t_ns=times(3), command=["straight", "left", "none"]))
    at = [START_NS - 1, START_NS, START_NS + 150_000_000, START_NS + 10**12]
    assert [track.command_at(t_ns) for t_ns in at] == ["none", "straight", "left", "none"]


def test_an_unknown_command_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "c.parquet", t_ns=times(2), command=["left", "fly"])
    with pytest.raises(ClipError, match=r"row 1.*fly.*straight"):
        load_commands(path)


def test_times_that_do_not_rise_name_the_row(tmp_path: Path) -> None:
    path = write(tmp_path / "e.parquet", t_ns=pa.array([5, 4], pa.int64()), v_mps=[1.0, 2.0])
    with pytest.raises(ClockError, match=r"row 1: `t_ns` 4 .* 5 "):
        load_ego(path, [])


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"v_mps": [1.0]}, "t_ns"),
        ({"t_ns": pa.array([], pa.int64())}, "t_ns"),
        ({"t_ns": [1.5]}, "t_ns"),
        ({"t_ns": [1], "v_mps": ["fast"]}, "v_mps"),
    ],
)
def test_a_column_that_is_missing_or_of_the_wrong_type_is_named(
    tmp_path: Path, columns: dict[str, Any], field: str
) -> None:
    with pytest.raises(ClipError) as caught:
        load_ego(write(tmp_path / "e.parquet", **columns), [])
    assert caught.value.field == field


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "ego.parquet").write_text("no")
    with pytest.raises(ClipError, match=r"ego\.parquet"):
        load_ego(tmp_path / "ego.parquet", [])


def test_a_clip_brings_its_ego_motion_and_commands(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "front_main.mp4", [0, 30])
    tools.write_timestamps(tmp_path / "front_main.timestamps.parquet", [START_NS, START_NS + 30_000_000])
    circle(tmp_path)
    write(tmp_path / "command.parquet", t_ns=times(1), command=["left"])
    clip = open_clip(tmp_path)
    assert clip.ego is not None
    assert clip.commands is not None
    assert clip.commands.command_at(START_NS) == "left"


@pytest.mark.parametrize("name", ["x", "y", "qw", "qz", "v_mps", "yaw_rate_rps"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_rows_with_an_impossible_value_are_left_out_and_counted(tmp_path: Path, name: str, value: float) -> None:
    columns = {"qw": np.ones(20), **{each: np.zeros(20) for each in ("x", "y", "qx", "qy", "qz", "yaw_rate_rps")}}
    columns["v_mps"] = np.arange(20.0)
    columns[name][[3, 7]] = value
    notes: list[str] = []
    track = load_ego(write(tmp_path / "ego.parquet", t_ns=times(20), **columns), notes)
    assert len(track.timestamp_ns) == 18
    assert track.sample_at(START_NS + 350_000_000) == EgoSample(2.0, 0.0)  # of row 2, which is 0.15 s old
    assert np.isfinite(track.poses_at(np.asarray(times(20)))).all()
    assert len(notes) == 1
    assert "2 of 20 rows" in notes[0]


def test_nothing_is_interpolated_over_a_long_stretch_of_impossible_rows(tmp_path: Path) -> None:
    speeds = np.full(20, 3.0)
    speeds[5:12] = np.inf
    track = load_ego(write(tmp_path / "e.parquet", t_ns=times(20), v_mps=speeds, yaw_rate_rps=np.zeros(20)), [])
    assert track.sample_at(START_NS + 450_000_000) == EgoSample(3.0, 0.0)
    assert track.sample_at(START_NS + 550_000_000) is None
    assert np.isnan(track.poses_at(np.array([START_NS + 800_000_000]))).all()


def test_a_track_without_a_possible_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"ego\.parquet.*every row.*\(3\)"):
        load_ego(write(tmp_path / "ego.parquet", t_ns=times(3), qw=[1e300, np.inf, np.nan]), [])


def test_an_empty_value_is_one_that_was_not_recorded(tmp_path: Path) -> None:
    notes: list[str] = []
    speeds = pa.array([1.0, None, 3.0])
    track = load_ego(write(tmp_path / "e.parquet", t_ns=times(3), v_mps=speeds, yaw_rate_rps=[0.0, 0.0, 0.0]), notes)
    assert len(track.timestamp_ns) == 3
    assert track.sample_at(START_NS + 100_000_000) is None
    assert not notes


@pytest.mark.parametrize("t_ns", [[2**62 + 1, 2**62 + 2], [-(2**63), 0]])
def test_times_beyond_any_clock_are_refused(tmp_path: Path, t_ns: list[int]) -> None:
    for name, load in (("ego", lambda path: load_ego(path, [])), ("command", load_commands)):
        path = write(tmp_path / f"{name}.parquet", t_ns=pa.array(t_ns, pa.int64()), command=["none", "left"])
        with pytest.raises(ClockError, match=r"row 0: `t_ns`"):
            load(path)


def test_numbers_without_a_sign_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match="int64"):
        load_ego(write(tmp_path / "e.parquet", t_ns=pa.array([2**63], pa.uint64())), [])


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([times(1), times(1)], names=["t_ns", "t_ns"])
    pq.write_table(table, tmp_path / "e.parquet")
    with pytest.raises(ClipError, match="more than once"):
        load_ego(tmp_path / "e.parquet", [])


def test_tracks_of_another_time_are_not_used_and_a_note_says_so(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "front_main.mp4", [30 * k for k in range(10)])
    circle(tmp_path)  # Unix time, while the video counts from 0
    write(tmp_path / "command.parquet", t_ns=times(1), command=["left"])
    clip = open_clip(tmp_path)
    assert clip.ego is None
    assert clip.commands is None
    assert sum("NOT USED" in note for note in clip.notes) == 2


def test_further_sensors_of_a_robot_come_with_the_sample(tmp_path: Path) -> None:
    motion = {"t_ns": times(3), "v_mps": [0.0, float("inf"), 1.0], "yaw_rate_rps": np.zeros(3)}
    sensors = {"proprio_1": [5.0, 6.0, float("nan")], "proprio_0": [1.0, 2.0, 3.0], "proprio_note": ["a", "b", "c"]}
    notes: list[str] = []
    track = load_ego(write(tmp_path / "e.parquet", **motion, **sensors), notes)
    assert notes  # the row with an infinite speed is left out
    assert track.sample_at(START_NS) == EgoSample(0.0, 0.0, proprio=(1.0, 5.0))
    assert track.sample_at(START_NS + 200_000_000) == EgoSample(1.0, 0.0, proprio=None)


@pytest.mark.parametrize("names", [["proprio_1"], [f"proprio_{place}" for place in range(17)]], ids=["hole", "many"])
def test_sensors_that_are_not_numbered_as_the_network_takes_them_are_refused(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="proprio_0"):
        load_ego(write(tmp_path / "e.parquet", t_ns=times(1), v_mps=[0.0], **{name: [0.0] for name in names}), [])
