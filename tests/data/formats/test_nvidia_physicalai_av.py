"""NVIDIA PhysicalAI-AV: clips with per-frame times, f-theta calibration and egomotion."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsd.data.errors import ClipError, ClockError, RigError
from fsd.data.formats.fragment import with_fragment
from fsd.data.open_clip import detect, open_clip, recordings_in
from fsd.data.rig import FTheta
from fsd.data.sync_report import CameraCounters

CLIPS = ("0a948f59-0a06-41a2-8e20-ac3a39ff4d61", "1b948f59-0a06-41a2-8e20-ac3a39ff4d62")
CAMERAS = ("camera_front_wide_120fov", "camera_cross_left_120fov", "camera_rear_tele_30fov")
NAMES = ("front_wide", "left_pillar", "rear")
FORWARD = (-0.5, 0.5, -0.5, 0.5)  # qx qy qz qw of rig_from_camera: optical z along x, x along -y


def table(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def times_us(camera: int) -> list[int]:
    return [33_333 * k + 1000 * camera + 7 * (k % 2) for k in range(6)]


def write_dataset(tools: Any, root: Path, clips: tuple[str, ...] = CLIPS[:1]) -> Path:
    for number, clip in enumerate(clips):
        for place, camera in enumerate(CAMERAS):
            video = root / "camera" / camera / f"{clip}.{camera}.mp4"
            video.parent.mkdir(parents=True, exist_ok=True)
            first = 1000 * number + 100 * place
            tools.write_video(video, [33 * k for k in range(6)], size_px=(64, 48), first_number=first)
            table(video.with_suffix(".timestamps.parquet"), timestamp=times_us(place))
        us = [10_000 * k - 20_000 for k in range(30)]
        yaw = 0.3 * np.array(us) * 1e-6
        table(
            root / "labels" / "egomotion" / f"{clip}.egomotion.parquet",
            timestamp=us,
            **dict.fromkeys(("qx", "qy", "z", "vz", "ax", "ay", "az"), 0 * yaw),
            qz=np.sin(yaw / 2),
            qw=np.cos(yaw / 2),
            x=8.0 / 0.3 * np.sin(yaw),
            y=8.0 / 0.3 * (1 - np.cos(yaw)),
            vx=8.0 * np.cos(yaw),
            vy=8.0 * np.sin(yaw),
            curvature=0 * yaw + 0.3 / 8,
        )
    rows = [(clip, camera) for clip in clips for camera in CAMERAS]
    ones = np.ones(len(rows))
    polynomial = {f"fw_poly_{k}": value * ones for k, value in enumerate((0.0, 30.0, 0.5, -0.25, 0.125))}
    table(
        root / "calibration" / "camera_intrinsics" / "camera_intrinsics.chunk_0003.parquet",
        clip_id=[clip for clip, _ in rows],
        camera_name=[camera for _, camera in rows],
        width=[64] * len(rows),
        height=[48] * len(rows),
        cx=31.5 * ones,
        cy=23.0 * ones,
        bw_poly_0=0 * ones,
        **polynomial,
    )
    table(
        root / "calibration" / "sensor_extrinsics" / "sensor_extrinsics.chunk_0003.parquet",
        clip_id=[clip for clip, _ in rows],
        sensor_name=[camera for _, camera in rows],
        **{name: value * ones for name, value in zip(("qx", "qy", "qz", "qw"), FORWARD, strict=True)},
        x=1.7 * ones,
        y=np.arange(len(rows)) * 0.1,
        z=1.4 * ones,
    )
    table(
        root / "calibration" / "vehicle_dimensions" / "vehicle_dimensions.chunk_0003.parquet",
        clip_id=list(clips),
        length=[4.9] * len(clips),
        width=[2.0] * len(clips),
        height=[1.6] * len(clips),
        rear_axle_to_bbox_center=[1.4] * len(clips),
        wheelbase=[2.9] * len(clips),
        track_width=[1.7] * len(clips),
    )
    return root


def test_pictures_have_the_times_of_their_rows(tools: Any, tmp_path: Path) -> None:
    root = write_dataset(tools, tmp_path)
    found, match = detect(root)
    assert (found.name, match.recordings) == ("nvidia_physicalai_av", (root,))
    clip = open_clip(root)
    streams = [stream for stream in clip.streams if stream]
    assert tuple(stream.name for stream in streams) == NAMES
    assert clip.name == CLIPS[0]
    for place, stream in enumerate(streams):
        shown = [
            (each.timestamp_ns, tools.number_in(each.picture.to_ndarray(format="gray")))
            for each in stream.pictures(CameraCounters())
        ]
        assert shown == [(us * 1000, 100 * place + k) for k, us in enumerate(times_us(place))]


def test_calibration_is_the_rig(tools: Any, tmp_path: Path) -> None:
    clip = open_clip(write_dataset(tools, tmp_path))
    assert not clip.rig_is_assumed
    camera = clip.rig.camera("left_pillar")
    assert camera is not None
    assert camera.intrinsics == FTheta(cx_px=31.5, cy_px=23.0, angle_to_radius_px=(0.0, 30.0, 0.5, -0.25, 0.125))
    pose = camera.ego_from_camera.matrix()
    assert pose[:3, 3] == pytest.approx([1.7, 0.1, 1.4])
    assert pose[:3, 2] == pytest.approx([1, 0, 0], abs=1e-12)  # looks along the car
    assert pose[:3, 0] == pytest.approx([0, -1, 0], abs=1e-12)
    assert clip.rig.vehicle is not None
    assert clip.rig.vehicle.rear_overhang_m == pytest.approx(1.05)


def test_egomotion_keeps_its_poses(tools: Any, tmp_path: Path) -> None:
    root = write_dataset(tools, tmp_path)
    ego = open_clip(root).ego
    assert ego is not None
    assert list(ego.timestamp_ns[:3]) == [-20_000_000, -10_000_000, 0]
    assert ego.speed_mps == pytest.approx(8.0)
    assert ego.yaw_rate_rps[5:] == pytest.approx(0.3)
    assert ego.poses_at(np.array([100_000_000]))[0] == pytest.approx(
        [8 / 0.3 * np.sin(0.03), 8 / 0.3 * (1 - np.cos(0.03)), 0.03, 8.0]
    )
    path = root / "labels" / "egomotion" / f"{CLIPS[0]}.egomotion.parquet"
    offline = root / "labels" / "egomotion.offline" / f"{CLIPS[0]}.egomotion.offline.parquet"
    offline.parent.mkdir()
    pq.write_table(pq.read_table(path).drop_columns(["vx", "vy", "vz"]), offline)
    path.unlink()
    ego = open_clip(root).ego
    assert ego is not None
    assert ego.speed_mps[5:] == pytest.approx(8.0, rel=1e-3)


def test_every_clip_of_the_data_set_is_a_recording(tools: Any, tmp_path: Path) -> None:
    root = write_dataset(tools, tmp_path, CLIPS)
    table(root / "clip_index.parquet", clip_id=list(CLIPS), chunk=[3, 3], split=["train", "val"])
    assert recordings_in([root]) == [with_fragment(root, clip) for clip in CLIPS]
    with pytest.raises(ClipError, match=CLIPS[1]):
        open_clip(root)
    shown = tools.replay(with_fragment(root, CLIPS[1]))
    assert shown.numbers[0, 1] == 1000
    with pytest.raises(ClipError):
        open_clip(with_fragment(root, "2b948f59-0a06-41a2-8e20-ac3a39ff4d63"))


def test_files_of_a_chunk_may_lie_in_its_folder_and_those_of_a_clip_in_one(tools: Any, tmp_path: Path) -> None:
    root = write_dataset(tools, tmp_path / "data")
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in [path for path in root.rglob("*") if path.is_file()]:
        shutil.copy(file, flat)
    for camera in (root / "camera").iterdir():
        chunk = camera / f"{camera.name}.chunk_0003"
        chunk.mkdir()
        for file in camera.glob("*.*"):
            if file.is_file():
                file.rename(chunk / file.name)
    for folder in (root, flat):
        clip = open_clip(folder)
        assert (clip.format, clip.rig_is_assumed) == ("nvidia_physicalai_av", False)
        assert clip.ego is not None
        assert clip.streams[1] is not None
        assert clip.streams[1].timestamps is not None


def test_without_calibration_the_rig_is_assumed_with_the_stated_fields_of_view(tools: Any, tmp_path: Path) -> None:
    root = write_dataset(tools, tmp_path)
    shutil.rmtree(root / "calibration")
    shutil.rmtree(root / "labels")
    clip = open_clip(root)
    assert clip.rig_is_assumed
    assert clip.ego is None
    wide = clip.rig.camera("front_wide")
    assert wide is not None
    assert isinstance(wide.intrinsics, FTheta)
    assert any("camera_intrinsics" in note for note in clip.notes)


def test_packed_chunks_are_recognised(tmp_path: Path) -> None:
    (tmp_path / "camera" / CAMERAS[0]).mkdir(parents=True)
    (tmp_path / "camera" / CAMERAS[0] / f"{CAMERAS[0]}.chunk_0003.zip").touch()
    with pytest.raises(ClipError, match="unzip"):
        open_clip(tmp_path)


def test_damaged_files_are_named(tools: Any, tmp_path: Path) -> None:
    root = write_dataset(tools, tmp_path)
    times = root / "camera" / CAMERAS[1] / f"{CLIPS[0]}.{CAMERAS[1]}.timestamps.parquet"
    table(times, timestamp=[0, 5, 4, 7, 8, 9])
    with pytest.raises(ClockError, match="row 2") as falling:
        open_clip(root)
    assert falling.value.exit_code == 3
    times.write_bytes(b"PAR1")
    with pytest.raises(ClipError, match=r"timestamps\.parquet"):
        open_clip(root)
    times.unlink()
    assert any(times.name in note for note in open_clip(root).notes)
    ego = root / "labels" / "egomotion" / f"{CLIPS[0]}.egomotion.parquet"
    table(ego, timestamp=[0, 1], x=[0.0, 1.0])
    with pytest.raises(ClipError) as caught:
        open_clip(root)
    assert caught.value.field == "y"
    ego.unlink()
    lenses = root / "calibration" / "camera_intrinsics" / "camera_intrinsics.chunk_0003.parquet"
    good = pq.read_table(lenses)
    pq.write_table(good.set_column(good.column_names.index("width"), "width", pa.array([1920] * 3)), lenses)
    with pytest.raises(RigError, match=r"1920x48.*64x48"):
        open_clip(root)
    pq.write_table(good.set_column(good.column_names.index("fw_poly_1"), "fw_poly_1", pa.array([0.5] * 3)), lenses)
    with pytest.raises(RigError) as lens:
        open_clip(root)
    assert lens.value.camera == "front_wide"
