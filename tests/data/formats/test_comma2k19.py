"""comma2k19: numbered segments with frame times, CAN values and global poses."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.data.errors import ClipError, ClockError
from fsd.data.open_clip import detect, open_clip, recordings_in
from fsd.data.sync_report import CameraCounters

ROUTE = "b0c9d2329ad1606b|2018-08-02--08-34-47"
EQUATOR_M = np.array([6_378_137.0, 0.0, 0.0])  # east is +y, north is +z
BOOT_S = 46_408.5


def save(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, np.asarray(values, np.float64))


def write_video(tools: Any, path: Path, first: int, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"x265-params": "log-level=none:pools=1:frame-threads=1:bframes=0"}
    times = list(range(count))
    tools.write_video(path, times, Fraction(1, 20), "libx265", options, (64, 48), first, container="hevc")


def write_segment(
    tools: Any, folder: Path, start_s: float, first: int, count: int = 8, rows: int | None = None
) -> Path:
    """The car drives north at 10 m/s from the equator on, and turns left at 0.2 rad/s."""
    write_video(tools, folder / "video.hevc", first, count)
    times_s = start_s + np.arange(rows or count) * 0.05 + np.array([0.0, 0.001] * count)[: rows or count]
    pose = folder / "global_pose"
    save(pose / "frame_times", times_s)
    turned_rad = 0.2 * (times_s - BOOT_S)
    north_m = 10 * (times_s - BOOT_S)
    view = np.stack([np.zeros_like(times_s), -np.sin(turned_rad), np.cos(turned_rad)], axis=1)  # ECEF
    save(pose / "frame_positions", EQUATOR_M + np.stack([0 * north_m, 0 * north_m, north_m], axis=1))
    save(pose / "frame_velocities", 10 * view)
    save(pose / "frame_orientations", [quaternion_of(forward) for forward in view])
    save(pose / "frame_gps_times", [[2012.0, 404_106.397 + time_s - BOOT_S] for time_s in times_s])
    can_s = np.arange(start_s - 0.02, start_s + 0.4, 0.01)
    for name, values in (("speed", (9 + can_s - BOOT_S)[:, None]), ("steering_angle", np.full(len(can_s), 18.0))):
        save(folder / "processed_log" / "CAN" / name / "t", can_s)
        save(folder / "processed_log" / "CAN" / name / "value", values)
    return folder


def quaternion_of(forward: np.ndarray) -> np.ndarray:
    """ecef_from_device as w x y z, device forward, right, down, at the equator: down is -x."""
    down = np.array([-1.0, 0.0, 0.0])
    rotation = np.stack([forward, np.cross(down, forward), down], axis=1)
    # The eigenvector of the largest eigenvalue of the symmetric 4x4 matrix (Bar-Itzhack) is the quaternion x y z w.
    (a, b, c), (d, e, f), (g, h, i) = rotation
    matrix = np.array(
        [
            [a - e - i, d + b, g + c, h - f],
            [d + b, e - a - i, h + f, c - g],
            [g + c, h + f, i - a - e, d - b],
            [h - f, c - g, d - b, a + e + i],
        ]
    )
    x, y, z, w = np.linalg.eigh(matrix)[1][:, -1]
    return np.array([w, x, y, z])


def pictures(tools: Any, clip: Clip) -> tuple[list[tuple[int, int]], CameraCounters]:
    counters = CameraCounters()
    stream = clip.streams[0]
    assert stream is not None
    return [
        (each.timestamp_ns, tools.number_in(each.picture.to_ndarray(format="gray")))
        for each in stream.pictures(counters)
    ], counters


def test_frame_times_are_the_times_of_the_pictures(tools: Any, tmp_path: Path) -> None:
    folder = write_segment(tools, tmp_path / ROUTE / "40", BOOT_S, 5)
    found, match = detect(folder)
    assert (found.name, match.recordings) == ("comma2k19", (folder,))
    clip = open_clip(folder)
    times_ns = [round((BOOT_S + k * 0.05 + 0.001 * (k % 2)) * 1e9) for k in range(8)]
    assert pictures(tools, clip)[0] == list(zip(times_ns, range(5, 13), strict=True))
    assert clip.wall_clock is not None
    assert clip.wall_clock.at(times_ns[0]).replace(microsecond=0) == datetime(2018, 8, 2, 16, 14, 48, tzinfo=UTC)


def test_global_poses_and_can_become_ego_motion_in_a_local_frame(tools: Any, tmp_path: Path) -> None:
    clip = open_clip(write_segment(tools, tmp_path / ROUTE / "40", BOOT_S, 0))
    ego = clip.ego
    assert ego is not None
    t_s = ego.timestamp_ns * 1e-9 - BOOT_S
    assert ego.yaw_rad == pytest.approx(np.pi / 2 + 0.2 * t_s, abs=1e-6)  # from east, left positive
    assert ego.yaw_rate_rps[2:] == pytest.approx(0.2, abs=1e-6)
    assert np.isnan(ego.yaw_rate_rps[:2]).all()  # causal: nothing before the first picture
    assert ego.speed_mps == pytest.approx(9 + t_s, abs=0.0101)  # the newest CAN value, never a later one
    assert (ego.speed_mps <= 9 + t_s + 1e-9).all()
    lever_m = 1.8
    assert ego.x_m == pytest.approx(-lever_m * np.cos(ego.yaw_rad), abs=1e-6)
    assert ego.y_m == pytest.approx(10 * t_s - lever_m * np.sin(ego.yaw_rad), abs=1e-6)
    assert clip.steering is not None
    assert clip.steering.angle_at(round((BOOT_S + 0.1) * 1e9)) == pytest.approx(np.radians(18))


def test_a_route_is_one_drive_and_a_part_cut_off_shifts_no_other(tools: Any, tmp_path: Path) -> None:
    route = tmp_path / "Chunk_1" / ROUTE
    write_segment(tools, route / "9", BOOT_S, 0, count=8)
    write_segment(tools, route / "10", BOOT_S + 60, 100, count=5, rows=8)  # 3 pictures are missing at its end
    write_segment(tools, route / "12", BOOT_S + 180, 200, count=9, rows=8)  # one picture has no time
    clip = open_clip(route)
    shown, counters = pictures(tools, clip)
    assert [number for _, number in shown] == [*range(8), *range(100, 105), *range(200, 208)]
    assert [round(time_ns / SECOND_NS - BOOT_S) for time_ns, _ in shown] == [0] * 8 + [60] * 5 + [180] * 8
    assert any("gaps: 11." in note for note in clip.notes)
    assert clip.ego is not None
    assert len(clip.ego.timestamp_ns) == 24
    assert counters.frames_without_row == 1


def test_a_chunk_and_the_data_set_hold_routes(tools: Any, tmp_path: Path) -> None:
    for name in (ROUTE, ROUTE.replace("|", "_").replace("08-34", "09-34")):
        write_video(tools, tmp_path / "Chunk_1" / name / "3" / "video.hevc", 0, 2)
    routes = sorted((tmp_path / "Chunk_1").iterdir())
    assert recordings_in([tmp_path / "Chunk_1"]) == routes
    assert recordings_in([tmp_path]) == routes


def test_without_frame_times_the_rate_is_that_of_the_format(tools: Any, tmp_path: Path) -> None:
    for number in (3, 4):
        write_video(tools, tmp_path / ROUTE / str(number) / "video.hevc", 10 * number, 3)
    clip = open_clip(tmp_path / ROUTE)
    shown, _ = pictures(tools, clip)
    assert shown == [(n * 60 * SECOND_NS + k * SECOND_NS // 20, 10 * n + k) for n in (3, 4) for k in range(3)]
    assert clip.ego is None
    assert any("20 frames/s" in note for note in clip.notes)


def test_a_segment_without_frame_times_takes_its_minute(tools: Any, tmp_path: Path) -> None:
    write_segment(tools, tmp_path / ROUTE / "3", BOOT_S, 0)
    write_video(tools, tmp_path / ROUTE / "4" / "video.hevc", 50, 3)
    shown, _ = pictures(tools, open_clip(tmp_path / ROUTE))
    assert [number for _, number in shown] == [*range(8), 50, 51, 52]
    assert shown[8][0] == round((BOOT_S + 60) * 1e9)


def test_damaged_arrays_say_which(tools: Any, tmp_path: Path) -> None:
    folder = write_segment(tools, tmp_path / "3", BOOT_S, 0)
    times = folder / "global_pose" / "frame_times"
    good = np.load(times)
    save(times, [*good[:4], good[2], *good[5:]])
    with pytest.raises(ClockError, match="frame_times") as falling:
        open_clip(folder)
    assert falling.value.exit_code == 3
    save(times, [*good[:4], np.nan, *good[5:]])
    with pytest.raises(ClockError, match="row 4"):
        open_clip(folder)
    times.write_bytes(times.read_bytes()[:100])
    with pytest.raises(ClipError, match="frame_times"):
        open_clip(folder)
    save(times, good[:5])
    with pytest.raises(ClipError, match="global_pose"):
        open_clip(folder)
    save(times, good)
    save(folder / "processed_log" / "CAN" / "speed" / "t", good)
    with pytest.raises(ClipError) as caught:
        open_clip(folder)
    assert caught.value.field == "speed"


def test_labels_of_a_real_minute(tools: Any, recordings: Path, tmp_path: Path) -> None:
    labels = recordings / "comma2k19_labels"
    if not labels.is_dir():
        pytest.skip("no recording comma2k19_labels here")
    folder = tmp_path / ROUTE / "40"
    write_video(tools, folder / "video.hevc", 0, 5)
    (folder / "processed_log").mkdir()
    (folder / "processed_log" / "CAN").symlink_to(labels / "CAN")
    (folder / "global_pose").symlink_to(labels / "global_pose")
    clip = open_clip(folder)
    ego, steering, stream = clip.ego, clip.steering, clip.streams[0]
    assert ego is not None
    assert steering is not None
    assert stream is not None
    assert stream.timestamps is not None
    assert len(stream.timestamps) == len(ego.timestamp_ns) == 1200
    assert [number for _, number in pictures(tools, clip)[0]] == list(range(5))
    steps_m = np.hypot(np.diff(ego.x_m), np.diff(ego.y_m))
    driven_m = float(np.sum(ego.speed_mps[:-1] * np.diff(ego.timestamp_ns) * 1e-9))
    assert float(steps_m.sum()) == pytest.approx(driven_m, rel=0.02)  # two sensors of one drive: GNSS and wheels
    course_rad = np.arctan2(np.diff(ego.y_m), np.diff(ego.x_m))
    error_rad = np.mod(course_rad - ego.yaw_rad[1:] + np.pi, 2 * np.pi) - np.pi
    assert abs(float(np.median(error_rad))) < 0.05
    angles = np.array([steering.angle_at(int(time_ns)) for time_ns in ego.timestamp_ns[2:]])
    assert np.corrcoef(angles[1:], ego.yaw_rate_rps[3:] / ego.speed_mps[3:])[0, 1] > 0.5  # both left positive
