"""nuScenes roots, written as the schema of the development kit describes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.errors import ClipError, RigError
from fsd.data.open_clip import detect, open_clip, recordings_in
from fsd.data.rig import Pinhole

CHANNELS = {
    "CAM_FRONT": "front_main",
    "CAM_FRONT_LEFT": "left_pillar",
    "CAM_FRONT_RIGHT": "right_pillar",
    "CAM_BACK_LEFT": "left_repeater",
    "CAM_BACK_RIGHT": "right_repeater",
    "CAM_BACK": "rear",
}
START_US = 1_532_402_927_612_460
STEPS_US = (0, 100_000, 150_000, 250_000, 300_000, 400_000)  # 12 Hz as nuScenes has it: steps of 50 and 100 ms
SPEED_MPS, YAW_RATE_RPS = 9.0, 0.25
ROTATION = [0.49993, -0.50304, 0.49978, -0.49724]
TRANSLATION = [1.70079, 0.01594, 1.51095]
INTRINSIC = [[50.0, 0.0, 32.6], [0.0, 51.0, 23.6], [0.0, 0.0, 1.0]]


def pose_at(time_us: int) -> tuple[list[float], list[float]]:
    yaw_rad = 0.3 + YAW_RATE_RPS * (time_us - START_US) * 1e-6
    radius_m = SPEED_MPS / YAW_RATE_RPS
    position = [600 + radius_m * np.sin(yaw_rad), 1600 - radius_m * np.cos(yaw_rad), 0.0]
    return position, [float(np.cos(yaw_rad / 2)), 0.0, 0.0, float(np.sin(yaw_rad / 2))]


def write_root(tools: Any, root: Path, scenes: tuple[str, ...] = ("scene-0061", "scene-0103")) -> Path:
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("scene", "sample", "sample_data", "sensor", "calibrated_sensor", "ego_pose")
    }
    sensors = [*CHANNELS, "LIDAR_TOP"]
    for channel in sensors:
        modality = "lidar" if channel == "LIDAR_TOP" else "camera"
        tables["sensor"].append({"token": f"s{channel}", "channel": channel, "modality": modality})
    for number, scene in enumerate(scenes):
        tables["scene"].append({
            "token": f"t{scene}", "log_token": "", "nbr_samples": 2, "first_sample_token": f"{scene}-0",
            "last_sample_token": f"{scene}-1", "name": scene, "description": "a {bus}, parked",
        })  # fmt: skip
        for k in range(2):
            tables["sample"].append({
                "token": f"{scene}-{k}", "timestamp": START_US + 500_000 * k, "prev": "", "next": "",
                "scene_token": f"t{scene}",
            })  # fmt: skip
        for place, channel in enumerate(sensors):
            tables["calibrated_sensor"].append({
                "token": f"c{scene}{channel}", "sensor_token": f"s{channel}",
                "translation": [TRANSLATION[0] + place, *TRANSLATION[1:]], "rotation": ROTATION,
                "camera_intrinsic": [] if channel == "LIDAR_TOP" else INTRINSIC,
            })  # fmt: skip
            for k, step_us in enumerate(STEPS_US):
                token, time_us = f"{scene}{channel}{k}", START_US + 10**8 * number + 1000 * place + step_us
                folder = "samples" if k in (0, 5) else "sweeps"
                name = f"{folder}/{channel}/n015__{channel}__{time_us}.jpg"
                tables["sample_data"].append({
                    "token": token, "sample_token": f"{scene}-{int(k > 2)}", "ego_pose_token": token,
                    "calibrated_sensor_token": f"c{scene}{channel}", "timestamp": time_us, "fileformat": "jpg",
                    "is_key_frame": folder == "samples", "height": 48, "width": 64, "filename": name,
                    "prev": "", "next": "",
                })  # fmt: skip
                position, rotation = pose_at(time_us)
                tables["ego_pose"].append(
                    {"token": token, "timestamp": time_us, "rotation": rotation, "translation": position}
                )
                if channel != "LIDAR_TOP":
                    tools.write_image(root / name, 1000 * number + 100 * place + k)
    folder = root / "v1.0-mini"
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rows[::-1], indent=0))
    return root


def frames_of(number: int = 0, keep: tuple[int, ...] = (0, 1, 2, 3, 4, 5)) -> dict[str, list[tuple[int, int]]]:
    return {
        name: [
            (1000 * (START_US + 10**8 * number + 1000 * place + STEPS_US[k]), 1000 * number + 100 * place + k)
            for k in keep
        ]
        for place, name in enumerate(CHANNELS.values())
    }


def test_every_scene_of_a_root_is_a_recording(tools: Any, tmp_path: Path) -> None:
    root = write_root(tools, tmp_path / "nuscenes")
    scenes = [root / f"v1.0-mini#{name}" for name in ("scene-0103", "scene-0061")]
    for path in (root, root / "samples", root / "v1.0-mini"):
        assert recordings_in([path]) == scenes
    assert detect(scenes[0])[0].name == "nuscenes"
    with pytest.raises(ClipError, match=r"2 recordings.*scene-0061"):
        open_clip(root)
    with pytest.raises(ClipError, match=r"scene-0062.*scene-0061"):
        open_clip(root / "v1.0-mini#scene-0062")
    with pytest.raises(ClipError, match="does not exist"):
        open_clip(tmp_path / "elsewhere#scene-0061")
    assert open_clip(tmp_path / "nuscenes#scene-0061").name == "scene-0061"


@pytest.mark.parametrize(("scene", "number"), [("scene-0061", 0), ("scene-0103", 1)])
def test_six_cameras_of_a_scene_show_their_pictures_at_their_times(
    tools: Any, tmp_path: Path, scene: str, number: int
) -> None:
    clip = open_clip(write_root(tools, tmp_path) / f"v1.0-mini#{scene}")
    assert (clip.format, clip.name, clip.rig_is_assumed) == ("nuscenes", scene, False)
    assert np.array_equal(tools.replay(clip).numbers, tools.expected_numbers(frames_of(number)))


def test_calibration_and_motion_are_those_of_the_tables(tools: Any, tmp_path: Path) -> None:
    clip = open_clip(write_root(tools, tmp_path, ("scene-0061",)))  # the only scene of the root
    for place, name in enumerate(CHANNELS.values()):
        camera = clip.rig.camera(name)
        assert camera is not None
        assert camera.intrinsics == Pinhole(fx_px=50.0, fy_px=51.0, cx_px=32.6, cy_px=23.6)
        assert camera.ego_from_camera.translation_m == (TRANSLATION[0] + place, *TRANSLATION[1:])
        np.testing.assert_allclose(camera.ego_from_camera.rotation_wxyz, ROTATION, atol=1e-4)
    forward = clip.rig.cameras[0].ego_from_camera.matrix()[:3, 2]
    np.testing.assert_allclose(forward, [1, 0, 0], atol=0.02)
    ego = clip.ego
    assert ego is not None
    np.testing.assert_allclose(ego.speed_mps[ego.timestamp_ns >= 1000 * (START_US + 50_000)], SPEED_MPS, rtol=1e-3)
    sample = ego.sample_at(1000 * (START_US + 250_000))
    assert sample is not None
    assert sample.yaw_rate_rps == pytest.approx(YAW_RATE_RPS)
    position, _ = pose_at(START_US + 100_000)
    np.testing.assert_allclose(ego.poses_at(np.array([1000 * (START_US + 100_000)]))[0, :2], position[:2], atol=1e-6)


def test_key_frames_alone_are_a_slow_recording_and_said(tools: Any, tmp_path: Path) -> None:
    root = write_root(tools, tmp_path, ("scene-0061",))
    for path in root.glob("sweeps/*/*.jpg"):
        path.unlink()
    clip = open_clip(root)
    assert np.array_equal(tools.replay(clip).numbers, tools.expected_numbers(frames_of(keep=(0, 5))))
    assert any("2 of 6 pictures" in note and "sweeps" in note for note in clip.notes)


def test_a_damaged_picture_is_skipped_and_a_missing_camera_named(tools: Any, tmp_path: Path) -> None:
    root = write_root(tools, tmp_path, ("scene-0061",))
    next(path for path in root.glob("sweeps/CAM_BACK/*.jpg")).write_bytes(b"\xff\xd8\xff")
    for path in root.glob("*/CAM_FRONT/*.jpg"):
        path.unlink()
    clip = open_clip(root)
    report = tools.replay(clip).report
    assert (report.cameras["rear"].lost_frames, report.cameras["rear"].frames_decoded) == (1, 5)
    assert clip.streams[0] is None
    assert any(note.startswith("front_main: none of 6") for note in clip.notes)


@pytest.mark.parametrize(
    ("spoil", "error", "found"),
    [
        ("pictures", ClipError, "scene-0061"),
        ("scene", ClipError, r"scene\.json"),
        ("sample_data", ClipError, r"sample_data\.json"),
        ("field", ClipError, "camera_intrinsic"),
        ("size", RigError, "64x480.*64x48"),
    ],
)
def test_what_cannot_be_used_says_why(
    tools: Any, tmp_path: Path, spoil: str, error: type[ClipError], found: str
) -> None:
    root = write_root(tools, tmp_path, ("scene-0061",))
    tables = root / "v1.0-mini"
    if spoil == "pictures":
        for path in root.glob("s*/*/*.jpg"):
            path.unlink()
    elif spoil in ("scene", "sample_data"):
        table = tables / f"{spoil}.json"
        table.write_text(table.read_text()[: table.stat().st_size // 2] if spoil == "scene" else "")
    elif spoil == "field":
        table = tables / "calibrated_sensor.json"
        table.write_text(table.read_text().replace("camera_intrinsic", "intrinsic"))
    else:
        table = tables / "sample_data.json"
        table.write_text(table.read_text().replace('"height": 48', '"height": 480'))
    with pytest.raises(error, match=found) as caught:
        open_clip(root)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["sample_data", "ego_pose"])
def test_a_table_that_is_cut_off_is_refused(tools: Any, tmp_path: Path, name: str) -> None:
    table = write_root(tools, tmp_path, ("scene-0061",)) / "v1.0-mini" / f"{name}.json"
    table.write_bytes(table.read_bytes()[:-300])
    with pytest.raises(ClipError, match=name):
        open_clip(tmp_path)
