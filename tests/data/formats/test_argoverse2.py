"""Argoverse 2 sensor logs, written as the user guide describes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from fsd.data.errors import ClipError, RigError
from fsd.data.open_clip import open_clip, recordings_in
from fsd.data.rig import Pinhole

LABELS = {
    "ring_front_center": "front_main",
    "ring_front_left": "left_pillar",
    "ring_front_right": "right_pillar",
    "ring_rear_left": "left_repeater",
    "ring_rear_right": "right_repeater",
}
OTHERS = ("ring_side_left", "ring_side_right", "stereo_front_left", "stereo_front_right")
START_NS, STEP_NS = 315_968_112_437_425_433, 49_999_871
SPEED_MPS, YAW_RATE_RPS = 11.0, -0.2
QUATERNION = (0.502809, -0.499689, 0.500147, -0.497340)
POSE_COLUMNS = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")


def size_of(label: str) -> tuple[int, int]:
    return (48, 64) if label == "ring_front_center" else (64, 48)


def write_log(tools: Any, log: Path, count: int = 6) -> Path:
    sensors = [*LABELS, *OTHERS]
    for place, label in enumerate(sensors):
        for k in range(count):
            path = log / "sensors" / "cameras" / label / f"{START_NS + 1000 * place + STEP_NS * k}.jpg"
            tools.write_image(path, 100 * place + k, size_of(label))
    (log / "calibration").mkdir()
    lenses = {
        "sensor_name": sensors,
        "fx_px": [40.0 + place for place in range(9)],
        "fy_px": [40.0 + place for place in range(9)],
        "cx_px": [size_of(label)[0] / 2 for label in sensors],
        "cy_px": [size_of(label)[1] / 2 for label in sensors],
        "k1": [-0.27] * 9,
        "k2": [-0.21] * 9,
        "k3": [0.33] * 9,
        "height_px": pa.array([size_of(label)[1] for label in sensors], pa.int16()),
        "width_px": pa.array([size_of(label)[0] for label in sensors], pa.int16()),
    }
    feather.write_feather(pa.table(lenses), str(log / "calibration" / "intrinsics.feather"))
    names = [*sensors, "up_lidar"]
    values = dict(zip(POSE_COLUMNS, (*QUATERNION, 1.63, 0.0, 1.43), strict=True))
    poses = {"sensor_name": names, **{name: [value] * len(names) for name, value in values.items()}}
    poses["ty_m"] = [0.1 * place for place in range(len(names))]
    feather.write_feather(pa.table(poses), str(log / "calibration" / "egovehicle_SE3_sensor.feather"))
    times_ns = START_NS + np.sort(np.concatenate([7_500_000 * np.arange(40), 7_500_000 * np.arange(5, 40, 8) + 1]))
    yaw_rad = 1.0 + YAW_RATE_RPS * (times_ns - START_NS) * 1e-9
    radius_m = SPEED_MPS / YAW_RATE_RPS
    track = {
        "timestamp_ns": times_ns,
        "qw": -np.cos(yaw_rad / 2),
        "qx": 0 * yaw_rad,
        "qy": 0 * yaw_rad,
        "qz": -np.sin(yaw_rad / 2),
        "tx_m": 747 + radius_m * np.sin(yaw_rad),
        "ty_m": 1275 - radius_m * np.cos(yaw_rad),
        "tz_m": -24 + 0 * yaw_rad,
    }
    feather.write_feather(pa.table(track), str(log / "city_SE3_egovehicle.feather"))
    return log


def frames(skip: int = -1) -> dict[str, list[tuple[int, int]]]:
    return {
        name: [(START_NS + 1000 * place + STEP_NS * k, 100 * place + k) for k in range(6) if k != skip]
        for place, name in enumerate(LABELS.values())
    }


def test_ring_cameras_show_their_pictures_and_the_rest_is_said(tools: Any, tmp_path: Path) -> None:
    clip = open_clip(write_log(tools, tmp_path / "01bb304d"))
    assert (clip.format, clip.name, clip.rig_is_assumed) == ("argoverse2", "01bb304d", False)
    assert np.array_equal(tools.replay(clip).numbers, tools.expected_numbers(frames()))
    front = clip.streams[0]
    assert front is not None
    assert (front.width_px, front.height_px) == (48, 64)  # portrait
    assert any(all(label in note for label in OTHERS) and "left out" in note for note in clip.notes)


def test_calibration_and_motion_are_those_of_the_tables(tools: Any, tmp_path: Path) -> None:
    clip = open_clip(write_log(tools, tmp_path))
    for place, (label, name) in enumerate(LABELS.items()):
        camera = clip.rig.camera(name)
        assert camera is not None
        width_px, height_px = size_of(label)
        lens = Pinhole(fx_px=40.0 + place, fy_px=40.0 + place, cx_px=width_px / 2, cy_px=height_px / 2)
        assert camera.intrinsics == lens
        assert camera.ego_from_camera.translation_m == pytest.approx((1.63, 0.1 * place, 1.43 + 0.33))
        np.testing.assert_allclose(camera.ego_from_camera.rotation_wxyz, QUATERNION, atol=1e-5)
    assert any("0.33 m" in note for note in clip.notes)
    ego = clip.ego
    assert ego is not None
    assert np.isnan(ego.speed_mps[0])
    np.testing.assert_allclose(ego.speed_mps[10:], SPEED_MPS, rtol=1e-3)
    np.testing.assert_allclose(ego.yaw_rate_rps[10:], YAW_RATE_RPS, rtol=1e-3)


def test_a_split_holds_its_logs(tools: Any, tmp_path: Path) -> None:
    logs = [write_log(tools, tmp_path / "train" / name, count=2) for name in ("a", "b")]
    assert recordings_in([tmp_path / "train"]) == logs


def test_a_damaged_picture_a_missing_camera_and_missing_poses_are_survived(tools: Any, tmp_path: Path) -> None:
    log = write_log(tools, tmp_path)
    for place, label in enumerate(LABELS):
        path = log / "sensors" / "cameras" / label / f"{START_NS + 1000 * place + STEP_NS * 3}.jpg"
        path.write_bytes(path.read_bytes()[:300])
    for path in (log / "sensors" / "cameras" / "ring_rear_left").iterdir():
        path.unlink()
    (log / "city_SE3_egovehicle.feather").unlink()
    clip = open_clip(log)
    expected = frames(skip=3)
    del expected["left_repeater"]
    shown = tools.replay(clip)
    assert np.array_equal(shown.numbers, tools.expected_numbers(expected))
    assert shown.report.cameras["front_main"].corrupt_packets == 1
    assert clip.ego is None
    assert any("city_SE3_egovehicle" in note for note in clip.notes)


@pytest.mark.parametrize("spoil", ["table", "row", "size", "pictures"])
def test_a_log_that_cannot_be_used_says_why(tools: Any, tmp_path: Path, spoil: str) -> None:
    log = write_log(tools, tmp_path, count=2)
    intrinsics = log / "calibration" / "intrinsics.feather"
    table = feather.read_table(intrinsics)
    if spoil == "table":
        intrinsics.write_bytes(b"ARROW1" + bytes(40))
    elif spoil == "row":
        feather.write_feather(table.slice(1), str(intrinsics))
    elif spoil == "size":
        feather.write_feather(table.set_column(9, "width_px", pa.array([1550] * 9)), str(intrinsics))
    else:
        for path in log.glob("sensors/cameras/*/*.jpg"):
            path.unlink()
    kind = {"row": RigError, "size": RigError}.get(spoil, ClipError)
    words = {"table": "intrinsics.feather", "row": "ring_front_center", "size": "1550x64", "pictures": "ring cameras"}
    with pytest.raises(kind, match=words[spoil]) as caught:
        open_clip(log)
    assert caught.value.exit_code == 3
