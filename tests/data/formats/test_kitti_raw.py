"""KITTI raw drives, written as the readme of the development kit describes them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.camera_model import project
from fsd.data.errors import ClipError, ClockError, RigError
from fsd.data.image_stream import ImageStream
from fsd.data.open_clip import detect, open_clip, recordings_in
from fsd.data.rig import Pinhole

SIZE_PX, RAW_SIZE_PX = (64, 48), (72, 56)
STEP_NS = 103_400_123
START_NS = 1_317_042_145_000_000_000  # 2011-09-26 13:02:25 as if it were UTC
SPEED_MPS, YAW_RATE_RPS, LATITUDE_DEG = 8.0, 0.2, 49.0

# Rounded from the published calibration of 2011-09-26; lenses for the small pictures of this test.
VELO_FROM_IMU_R = "9.999976e-01 7.553071e-04 -2.035826e-03 -7.854027e-04 9.998898e-01 -1.482298e-02 2.024406e-03 1.482454e-02 9.998881e-01"  # noqa: E501
VELO_FROM_IMU_T = "-8.086759e-01 3.195559e-01 -7.997231e-01"
CAM_FROM_VELO_R = "7.533745e-03 -9.999714e-01 -6.166020e-04 1.480249e-02 7.280733e-04 -9.998902e-01 9.998621e-01 7.523790e-03 1.480755e-02"  # noqa: E501
CAM_FROM_VELO_T = "-4.069766e-03 -7.631618e-02 -2.717806e-01"
R_RECT_00 = "9.999239e-01 9.837760e-03 -7.445048e-03 -9.869795e-03 9.999421e-01 -4.278459e-03 7.402527e-03 4.351614e-03 9.999631e-01"  # noqa: E501
P_RECT_02 = "40.0 0 31.0 2.4 0 41.0 24.0 0.01 0 0 1 0.0027"
CALIBRATION = {
    "calib_cam_to_cam.txt": "\n".join(
        (
            "calib_time: 09-Jan-2012 13:57:47",
            "corner_dist: 9.950000e-02",
            "S_02: 72 56",
            "K_02: 45.0 0 35.0 0 46.0 27.0 0 0 1",
            "D_02: -3.691481e-01 1.968681e-01 1.353473e-03 5.677587e-04 -6.770705e-02",
            "R_02: 1 0 0 0 1 0 0 0 1",
            "T_02: 5.956621e-02 2.900141e-04 2.577209e-03",
            "S_rect_02: 64 48",
            f"R_rect_00: {R_RECT_00}",
            f"P_rect_02: {P_RECT_02}",
        )
    ),
    "calib_velo_to_cam.txt": f"calib_time: x\nR: {CAM_FROM_VELO_R}\nT: {CAM_FROM_VELO_T}\ndelta_f: 0 0\ndelta_c: 0 0",
    "calib_imu_to_velo.txt": f"calib_time: x\nR: {VELO_FROM_IMU_R}\nT: {VELO_FROM_IMU_T}",
}


def stamp(time_ns: int) -> str:
    seconds, rest_ns = divmod(time_ns - START_NS, 10**9)
    return f"2011-09-26 13:02:{25 + seconds:02d}.{rest_ns:09d}"


def write_drive(tools: Any, date: Path, count: int = 8, size_px: tuple[int, int] = SIZE_PX) -> Path:
    drive = date / "2011_09_26_drive_0001_sync"
    for camera in (0, 1, 2, 3):
        for k in range(count):
            tools.write_image(drive / f"image_{camera:02d}" / "data" / f"{k:010d}.png", 100 * camera + k, size_px)
        times = "".join(f"{stamp(START_NS + camera + STEP_NS * k)}\n" for k in range(count))
        (drive / f"image_{camera:02d}" / "timestamps.txt").write_text(times)
    (drive / "oxts" / "data").mkdir(parents=True)
    (drive / "oxts" / "timestamps.txt").write_text("".join(f"{stamp(START_NS + STEP_NS * k)}\n" for k in range(count)))
    for k in range(count):
        (drive / "oxts" / "data" / f"{k:010d}.txt").write_text(oxts_row(STEP_NS * 1e-9 * k))
    for name, text in CALIBRATION.items():
        (date / name).write_text(text)
    return drive


def imu_at(time_s: float) -> tuple[float, float, float]:
    """East and north of the unit in metres, and its heading: a circle."""
    yaw_rad, radius_m = 0.5 + YAW_RATE_RPS * time_s, SPEED_MPS / YAW_RATE_RPS
    return radius_m * math.sin(yaw_rad), -radius_m * math.cos(yaw_rad), yaw_rad


def oxts_row(time_s: float) -> str:
    east_m, north_m, yaw_rad = imu_at(time_s)
    latitude_deg = LATITUDE_DEG + math.degrees(north_m / 6378137.0)
    longitude_deg = 8.4 + math.degrees(east_m / (6378137.0 * math.cos(math.radians(LATITUDE_DEG))))
    values = [0.0] * 30
    values[:6] = [latitude_deg, longitude_deg, 113.0, 0.02, 0.01, yaw_rad]
    values[8], values[22] = SPEED_MPS, YAW_RATE_RPS
    return " ".join(f"{value:.14g}" for value in values) + "\n"


def numbers(text: str, *shape: int) -> np.ndarray:
    return np.array([float(word) for word in text.split()]).reshape(shape)


def test_pictures_and_times_are_those_of_the_left_colour_camera(tools: Any, tmp_path: Path) -> None:
    drive = write_drive(tools, tmp_path)
    clip = open_clip(drive)
    assert clip.format == "kitti_raw"
    shown = tools.replay(clip)
    frames = [(START_NS + 2 + STEP_NS * k, 200 + k) for k in range(8)]
    assert np.array_equal(shown.numbers, tools.expected_numbers({"front_main": frames}))
    assert any("image_03 (right colour)" in note and "Not read" in note for note in clip.notes)
    assert clip.wall_clock is not None
    assert clip.wall_clock.text_at(START_NS) == "2011-09-26 13:02:25"


def test_the_camera_projects_as_the_published_matrices_do(tools: Any, tmp_path: Path) -> None:
    """P_rect_02 R_rect_00 (velodyne -> camera) (unit -> velodyne), the chain of the readme, for points on the road."""
    clip = open_clip(write_drive(tools, tmp_path))
    camera = clip.rig.camera("front_main")
    assert camera is not None
    assert not clip.rig_is_assumed
    points_imu = np.array([[12.0, 1.0, -0.93], [20.0, -3.0, 0.5], [9.0, 0.0, 0.0]])
    points_velo = points_imu @ numbers(VELO_FROM_IMU_R, 3, 3).T + numbers(VELO_FROM_IMU_T, 3)
    points_cam = points_velo @ numbers(CAM_FROM_VELO_R, 3, 3).T + numbers(CAM_FROM_VELO_T, 3)
    points_rect = points_cam @ numbers(R_RECT_00, 3, 3).T
    projected = np.c_[points_rect, np.ones(3)] @ numbers(P_RECT_02, 3, 4).T
    imu_left_m = -np.linalg.solve(numbers(VELO_FROM_IMU_R, 3, 3), -numbers(VELO_FROM_IMU_T, 3))[1]
    points_ego = points_imu + np.array([0, imu_left_m, 0.93])
    camera_from_ego = np.linalg.inv(camera.ego_from_camera.matrix())
    pixels, _ = project(camera, points_ego @ camera_from_ego[:3, :3].T + camera_from_ego[:3, 3])
    np.testing.assert_allclose(pixels, projected[:, :2] / projected[:, 2:], atol=1e-4)
    assert imu_left_m == pytest.approx(0.32, abs=0.02)
    height_m = camera.ego_from_camera.translation_m[2]
    assert height_m == pytest.approx(1.65, abs=0.05)  # as published


def test_motion_is_that_of_the_middle_of_the_rear_axle(tools: Any, tmp_path: Path) -> None:
    ego = open_clip(write_drive(tools, tmp_path)).ego
    assert ego is not None
    left_m = 0.32
    np.testing.assert_allclose(ego.yaw_rate_rps, YAW_RATE_RPS)
    np.testing.assert_allclose(ego.speed_mps, SPEED_MPS + YAW_RATE_RPS * left_m, atol=0.01)
    expected = np.array([imu_at(STEP_NS * 1e-9 * k) for k in range(8)])
    turned = [expected[:, 0] + left_m * np.sin(expected[:, 2]), expected[:, 1] - left_m * np.cos(expected[:, 2])]
    np.testing.assert_allclose(ego.x_m - ego.x_m[0], turned[0] - turned[0][0], atol=0.01)
    np.testing.assert_allclose(ego.y_m - ego.y_m[0], turned[1] - turned[1][0], atol=0.01)
    steps_m = np.hypot(np.diff(ego.x_m), np.diff(ego.y_m))
    np.testing.assert_allclose(steps_m / (STEP_NS * 1e-9), ego.speed_mps[1:], rtol=2e-3)
    assert ego.timestamp_ns.tolist() == [START_NS + STEP_NS * k for k in range(8)]


def test_a_drive_that_is_not_rectified_has_the_lens_before_rectification(tools: Any, tmp_path: Path) -> None:
    camera = open_clip(write_drive(tools, tmp_path, size_px=RAW_SIZE_PX)).rig.camera("front_main")
    assert camera is not None
    assert isinstance(camera.intrinsics, Pinhole)
    assert (camera.intrinsics.fx_px, camera.intrinsics.distortion[0]) == (45.0, -0.3691481)
    assert camera.ego_from_camera.translation_m[2] == pytest.approx(1.65, abs=0.06)


def test_missing_pictures_rows_and_calibration_are_said_and_survived(tools: Any, tmp_path: Path) -> None:
    drive = write_drive(tools, tmp_path)
    (drive / "image_02" / "data" / f"{3:010d}.png").unlink()
    damaged = drive / "image_02" / "data" / f"{5:010d}.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    (drive / "oxts" / "data" / f"{4:010d}.txt").write_text("49.0 nonsense")
    (tmp_path / "calib_velo_to_cam.txt").unlink()
    clip = open_clip(drive)
    shown = tools.replay(clip)
    frames = [(START_NS + 2 + STEP_NS * k, 200 + k) for k in range(8) if k not in (3, 5)]
    assert np.array_equal(shown.numbers, tools.expected_numbers({"front_main": frames}))
    assert shown.report.cameras["front_main"].lost_frames == 1
    assert clip.rig_is_assumed
    assert clip.ego is not None
    assert len(clip.ego.timestamp_ns) == 7
    for words in ("1 pictures are missing", "1 rows of oxts", "calib_velo_to_cam.txt"):
        assert any(words in note for note in clip.notes)
    assert not any("49" in note for note in clip.notes)  # no location


def test_a_drive_without_colour_pictures_uses_the_grayscale_camera(tools: Any, tmp_path: Path) -> None:
    drive = write_drive(tools, tmp_path)
    (tmp_path / "calib_cam_to_cam.txt").unlink()
    for path in (drive / "image_02" / "data").iterdir():
        path.unlink()
    stream = open_clip(drive).streams[0]
    assert isinstance(stream, ImageStream)
    assert stream.path.parent.parent.name == "image_00"


def test_the_folder_of_a_date_holds_its_drives(tools: Any, tmp_path: Path) -> None:
    drive = write_drive(tools, tmp_path, count=2)
    assert detect(tmp_path)[0].name == "kitti_raw"
    assert recordings_in([tmp_path]) == [drive]
    assert open_clip(tmp_path).path == drive


@pytest.mark.parametrize(
    ("spoil", "error", "found"),
    [
        ("times", ClockError, r"timestamps\.txt"),
        ("pictures", ClipError, "image_02"),
        ("calibration", RigError, "P_rect_02"),
        ("size", RigError, "64x48.*80x60"),
    ],
)
def test_a_drive_that_cannot_be_used_says_why(
    tools: Any, tmp_path: Path, spoil: str, error: type[ClipError], found: str
) -> None:
    drive = write_drive(tools, tmp_path, count=2, size_px=(80, 60) if spoil == "size" else SIZE_PX)
    if spoil == "times":
        (drive / "image_02" / "timestamps.txt").write_text("\n")
    elif spoil == "pictures":
        for path in drive.glob("image_*/data/*.png"):
            path.unlink()
    elif spoil == "calibration":
        (tmp_path / "calib_cam_to_cam.txt").write_text("S_02: 72 56\nS_rect_02: 64 48\n" + f"R_rect_00: {R_RECT_00}\n")
    with pytest.raises(error, match=found) as caught:
        open_clip(drive)
    assert caught.value.exit_code == 3
