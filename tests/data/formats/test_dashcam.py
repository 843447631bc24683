"""Dash-cams: which file is which camera, and when each part was recorded."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.errors import ClipError
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import detect, open_clip, recordings_in
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import save_rig
from fsd.data.standard_rigs import canonical_rig
from fsd.data.video_stream import VideoStream

SECOND_NS = 10**9
SIZE = (64, 48)
T30 = Fraction(1, 30)


def stream(clip: Clip, name: str) -> VideoStream:
    found: CameraStream | None = clip.streams[CAMERAS.index(name)]
    assert isinstance(found, VideoStream)
    return found


def write(tools: Any, path: Path, count: int = 30, first: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    written: Path = tools.write_video(path, list(range(count)), T30, size_px=SIZE, first_number=first)
    return written


def names_of(parts: Iterable[Path]) -> list[str]:
    return [part.name for part in parts]


@pytest.mark.parametrize(
    "pattern",
    [
        "20260102_1516{second}_N{camera}.mp4",
        "20260102_1516{second}_E{camera}.mp4",
        "20260102_1516{second}_0000{second}{camera}.MP4",
        "2026_0102_1516{second}_0{second}{camera}.MP4",
        "260102_1516{second}_0{second}_{camera}H.MP4",
    ],
)
def test_front_and_rear_are_found_and_a_hole_between_parts_stays(tools: Any, tmp_path: Path, pattern: str) -> None:
    """Parts of 1 s at 32 s, 33 s and 36 s: the second follows the first, then 2 s are missing."""
    cameras = {"front_main": "F", "rear": "R"}
    for number, second in enumerate((32, 33, 36)):
        for offset, letter in enumerate(cameras.values()):
            name = pattern.format(second=second, camera=letter)
            write(tools, tmp_path / name, first=1000 * offset + 30 * number)
    clip = open_clip(tmp_path)
    assert clip.format == "dashcam"
    assert clip.wall_clock is not None
    assert clip.wall_clock.text_at(0) == "2026-01-02 15:16:32"
    starts_s = (0, 1, 4)
    frames = {
        camera: [
            (tools.floor_times_ns([k], T30)[0] + start * SECOND_NS, 1000 * offset + 30 * part + k)
            for part, start in enumerate(starts_s)
            for k in range(30)
        ]
        for offset, camera in enumerate(cameras)
    }
    assert stream(clip, "rear").part_start_ns == tuple(start * SECOND_NS for start in starts_s)
    shown = tools.replay(clip, max_ticks=60)  # up to the hole, after which a new run begins
    assert np.array_equal(shown.numbers, tools.expected_numbers(frames)[:60])


def test_parts_longer_or_shorter_than_their_stamps_say_follow_each_other_exactly(tools: Any, tmp_path: Path) -> None:
    for number, second in enumerate((32, 33, 34)):  # each lasts 1.1 s
        write(tools, tmp_path / f"20260102_1516{second}_NF.mp4", count=33, first=33 * number)
    shown = tools.replay(tmp_path)
    frames = [(time_ns, k) for k, time_ns in enumerate(tools.floor_times_ns(range(99), T30))]
    assert (shown.numbers[:, 0] >= 0).all()
    assert np.array_equal(shown.numbers, tools.expected_numbers({"front_main": frames}))
    assert shown.report.cameras["front_main"].backwards_times == 0


def test_a_rear_file_whose_number_and_second_differ_starts_with_its_front_file(tools: Any, tmp_path: Path) -> None:
    for name in ("2026_0102_151632_001F.MP4", "2026_0102_151633_002R.MP4"):
        write(tools, tmp_path / name)
    clip = open_clip(tmp_path)
    assert stream(clip, "rear").start_ns == stream(clip, "front_main").start_ns == 0


def test_a_rear_file_without_a_front_file_lies_where_its_stamp_says(tools: Any, tmp_path: Path) -> None:
    for name in ("20260102_151632_NF.mp4", "20260102_151632_NR.mp4", "20260102_151642_NR.mp4"):
        write(tools, tmp_path / name)
    assert stream(open_clip(tmp_path), "rear").part_start_ns == (0, 10 * SECOND_NS)


def test_the_folders_of_a_viofo_card_are_one_recording(tools: Any, tmp_path: Path) -> None:
    for name in ("DCIM/Movie/20260102_151633_000002F.MP4", "DCIM/Movie/RO/20260102_151632_000001F.MP4"):
        write(tools, tmp_path / name)
    write(tools, tmp_path / "DCIM/Movie/Parking/20260102_151634_000003PF.MP4")
    parts = stream(open_clip(tmp_path), "front_main").parts
    assert [part.stem[-7:] for part in parts] == ["000001F", "000002F", "00003PF"]


def test_a_single_rear_file_is_the_rear_camera(tools: Any, tmp_path: Path) -> None:
    path = write(tools, tmp_path / "20260102_151632_NR.mp4")
    assert [each.name for each in open_clip(path).streams if each] == ["rear"]


def test_other_cameras_and_copies_of_low_resolution_are_left_out_with_a_note(tools: Any, tmp_path: Path) -> None:
    for name in ("20260102_151632_NF", "20260102_151632_NFS", "20260102_151632_NO", "20260102_151632_NI"):
        write(tools, tmp_path / f"{name}.mp4")
    clip = open_clip(tmp_path)
    assert names_of(clip.files) == ["20260102_151632_NF.mp4"]
    assert any("1 copies of low resolution" in note for note in clip.notes)
    assert any("(O)" in note for note in clip.notes)
    assert any("(I)" in note for note in clip.notes)


def test_a_part_that_breaks_off_masks_its_camera_there_and_is_named(tools: Any, tmp_path: Path) -> None:
    for second in (32, 33, 34):
        for letter in "FR":
            write(tools, tmp_path / f"20260102_1516{second}_N{letter}.mp4")
    (tmp_path / "20260102_151633_NR.mp4").write_bytes(b"")
    clip = open_clip(tmp_path)
    assert stream(clip, "rear").part_start_ns == (0, 2 * SECOND_NS)
    assert any(note.startswith("rear ") and "20260102_151633_NR.mp4" in note for note in clip.notes)
    shown = tools.replay(clip)
    assert shown.report.ticks == 107  # the last picture is at 2.967 s
    assert not shown.is_valid[68, 7]
    assert shown.is_valid[80:, 7].all()


def test_a_recording_of_which_no_part_can_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "20260102_151633_NR.mp4").write_bytes(b"")
    with pytest.raises(ClipError, match=r"20260102_151633_NR\.mp4"):
        open_clip(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ["GH011234.MP4", "GH021234.MP4", "GH031234.MP4"],
        ["GX011234.MP4", "GX021234.MP4", "GX101234.MP4"],
        ["GOPR1234.MP4", "GP011234.MP4", "GP021234.MP4"],
    ],
)
def test_gopro_chapters_follow_each_other_without_a_hole(tools: Any, tmp_path: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        write(tools, tmp_path / name, first=30 * number)
    for path in (tmp_path, tmp_path / names[0]):
        clip = open_clip(path)
        assert names_of(stream(clip, "front_main").parts) == names
    frames = [(time_ns, k) for k, time_ns in enumerate(tools.floor_times_ns(range(90), T30))]
    assert np.array_equal(tools.replay(tmp_path).numbers, tools.expected_numbers({"front_main": frames}))


def test_two_gopro_videos_in_a_folder_are_two_recordings(tools: Any, tmp_path: Path) -> None:
    for name in ("GH010007.MP4", "GH010008.MP4", "GH020007.MP4", "GH020008.MP4"):
        write(tools, tmp_path / name, count=2)
    found = recordings_in([tmp_path])
    assert names_of(found) == ["GH010007.MP4", "GH010008.MP4"]
    assert names_of(open_clip(found[1]).files) == ["GH010008.MP4", "GH020008.MP4"]
    with pytest.raises(ClipError, match=r"GH010007\.MP4"):
        open_clip(tmp_path)


def test_a_missing_chapter_is_named(tools: Any, tmp_path: Path) -> None:
    for name in ("GH011234.MP4", "GH031234.MP4"):
        write(tools, tmp_path / name, count=2)
    assert any("Chapters 2 " in note for note in open_clip(tmp_path).notes)


def test_a_calibration_in_the_folder_is_used(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "20260102_151632_NF.mp4", count=2)
    save_rig(canonical_rig(*SIZE), tmp_path / "rig.json")
    assert open_clip(tmp_path).rig == canonical_rig(*SIZE)


def test_a_folder_of_videos_named_after_cameras_is_no_dash_cam(tools: Any, tmp_path: Path) -> None:
    for name in ("front.mp4", "20260102_151632_NF.mp4"):
        write(tools, tmp_path / name, count=2)
    assert detect(tmp_path)[0].name == "folder"


def test_patterns_by_hand_keep_the_holes_that_the_names_tell(tools: Any, tmp_path: Path) -> None:
    for second in (32, 36):
        for letter in "FR":
            write(tools, tmp_path / f"20260102_1516{second}_N{letter}.mp4")
    cameras = {"front_main": Path("*_NR.mp4"), "rear": Path("*_NF.mp4")}
    clip = open_clip(tmp_path, CameraOptions(cameras=cameras))
    assert (clip.format, names_of(stream(clip, "rear").parts)[0]) == ("mapping", "20260102_151632_NF.mp4")
    assert stream(clip, "rear").part_start_ns == (0, 4 * SECOND_NS)
