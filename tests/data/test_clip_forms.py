"""Every form a recording may have opens as a clip, and what is not understood says what to do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.errors import ClipError, RigError, UsageError
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import open_clip, recordings_in
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import FTheta, Pinhole, Rig, save_rig
from fsd.data.standard_rigs import canonical_rig


def names(folder: Path, **arguments: Any) -> list[str]:
    return [stream.name for stream in open_clip(folder, **arguments).streams if stream]


def make(tools: Any, folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        tools.write_video(folder / file, [0, 30, 60])


def test_a_native_folder_has_its_rig_and_all_eight_cameras(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, *(f"{name}.mp4" for name in CAMERAS))
    save_rig(canonical_rig(128, 96), tmp_path / "rig.json")
    clip = open_clip(tmp_path)
    assert (clip.format, clip.rig_is_assumed, clip.rig, clip.notes) == ("native", False, canonical_rig(128, 96), ())
    assert clip.name == tmp_path.name


def test_a_plain_folder_of_canonical_names_gets_an_assumed_rig_and_says_so(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "front_main.mp4", "rear.mkv")
    clip = open_clip(tmp_path)
    assert (clip.format, clip.rig_is_assumed) == ("folder", True)
    assert [camera.name for camera in clip.rig.cameras] == ["front_main", "rear"]
    assert any("No rig.json" in note for note in clip.notes)
    assert any(note.startswith("No video for front_wide, front_narrow, left_pillar") for note in clip.notes)


@pytest.mark.parametrize(
    ("files", "cameras"),
    [
        (["CAM_FRONT.mp4", "CAM_BACK.mp4", "CAM_FRONT_LEFT.mp4"], ["front_main", "left_pillar", "rear"]),
        (["camera_front_wide_120fov.mp4", "camera_front_tele_30fov.mp4"], ["front_wide", "front_narrow"]),
        (["camera_cross_right_120fov.mp4", "camera_rear_left_70fov.mp4"], ["right_pillar", "left_repeater"]),
        (["fcamera.mp4", "ecamera.mp4"], ["front_main", "front_wide"]),
        (["Front-Main.MP4"], ["front_main"]),
        (["camera_front_tele_30fov/drive.mp4", "rear.mp4"], ["front_narrow", "rear"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_aliases_of_public_datasets_are_understood(
    tools: Any, tmp_path: Path, files: list[str], cameras: list[str]
) -> None:
    make(tools, tmp_path, *files)
    assert names(tmp_path) == cameras


def test_the_field_of_view_in_a_name_goes_into_the_assumed_rig(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "camera_front_wide_120fov.mp4", "camera_front_tele_30fov.mp4")
    rig = open_clip(tmp_path).rig
    wide, narrow = rig.camera("front_wide"), rig.camera("front_narrow")
    assert wide is not None
    assert narrow is not None
    assert isinstance(wide.intrinsics, FTheta)  # 120 degrees is too wide for a pinhole
    assert isinstance(narrow.intrinsics, Pinhole)
    assert narrow.intrinsics.fx_px == pytest.approx(64 / np.tan(np.radians(15)))


def test_one_video_of_unknown_name_is_front_main_and_a_note_says_so(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "holiday.mp4")
    assert names(tmp_path) == ["front_main"]
    assert "holiday.mp4 names no camera; it is taken as front_main." in open_clip(tmp_path).notes


def test_a_single_file_is_a_clip(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "holiday.mp4", "rear.mp4")
    clip = open_clip(tmp_path / "rear.mp4")
    assert (clip.format, clip.name) == ("file", "rear")
    assert names(tmp_path / "rear.mp4") == ["rear"]
    assert names(tmp_path / "holiday.mp4") == ["front_main"]


def test_videos_may_be_named_by_hand(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "a.mp4", "elsewhere/b.mp4")
    cameras = {"front_main": Path("a.mp4"), "CAM_BACK": tmp_path / "elsewhere" / "b.mp4"}
    clip = open_clip(tmp_path, CameraOptions(cameras=cameras))
    assert clip.format == "mapping"
    assert [stream.path.name for stream in clip.streams if stream] == ["a.mp4", "b.mp4"]


def test_naming_by_hand_works_beside_a_rig(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "a.mp4")
    save_rig(canonical_rig(128, 96), tmp_path / "rig.json")
    clip = open_clip(tmp_path, CameraOptions(cameras={"rear": Path("a.mp4")}))
    assert not clip.rig_is_assumed


def test_naming_an_unknown_camera_lists_the_known_ones(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "a.mp4")
    with pytest.raises(UsageError, match=r"roof.*front_main.*rear"):
        open_clip(tmp_path, CameraOptions(cameras={"roof": Path("a.mp4")}))


def test_naming_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"b\.mp4"):
        open_clip(tmp_path, CameraOptions(cameras={"rear": Path("b.mp4")}))


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="nowhere"):
        open_clip(tmp_path / "nowhere")


def test_a_folder_without_videos_is_refused_with_the_known_suffixes(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(ClipError, match=r"\.mp4"):
        open_clip(tmp_path)


def test_a_folder_of_clips_names_the_clips(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "monday/front_main.mp4", "tuesday/ftheta_camera_rear_tele_30fov/a_0.mp4")
    with pytest.raises(ClipError, match=r"monday.*tuesday"):
        open_clip(tmp_path)


def test_unknown_names_are_listed_with_the_option_that_maps_them(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "one.mp4", "two.mp4")
    with pytest.raises(ClipError, match=r"\?.*one\.mp4.*two\.mp4.*--cameras front_main=one\.mp4.*fsd replay"):
        open_clip(tmp_path)


def test_unknown_names_beside_known_ones_are_ignored_and_noted(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "rear.mp4", "dashboard.mp4")
    assert names(tmp_path) == ["rear"]
    assert any("dashboard.mp4" in note for note in open_clip(tmp_path).notes)


def test_two_videos_for_one_camera_are_refused(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "rear.mp4", "CAM_BACK.mp4")
    with pytest.raises(ClipError, match="--cameras rear=") as caught:
        open_clip(tmp_path)
    assert caught.value.camera == "rear"


def test_a_rig_of_another_size_is_refused(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "rear.mp4")
    save_rig(canonical_rig(1280, 960), tmp_path / "rig.json")
    with pytest.raises(RigError, match=r"1280x960.*128x96") as caught:
        open_clip(tmp_path)
    assert caught.value.camera == "rear"


def test_a_video_that_the_rig_does_not_describe_is_refused(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "rear.mp4", "front_main.mp4")
    rig = canonical_rig(128, 96)
    save_rig(Rig(name="one", cameras=rig.cameras[:1]), tmp_path / "rig.json")
    with pytest.raises(RigError) as caught:
        open_clip(tmp_path)
    assert caught.value.camera == "rear"


def test_a_folder_of_clips_stands_for_all_of_them(tools: Any, tmp_path: Path) -> None:
    make(tools, tmp_path, "SavedClips/monday/front.mp4", "SentryClips/monday/front.mp4", "tuesday/rear/0.mp4")
    found = recordings_in([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["SavedClips/monday", "SentryClips/monday", "tuesday"]
    with pytest.raises(ClipError, match="3 recordings"):
        open_clip(tmp_path)
    assert recordings_in([tmp_path / "tuesday"]) == [tmp_path / "tuesday"]
