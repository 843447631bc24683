"""Cameras named by hand, names that begin alike, and messages that name the camera at fault."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.cli import main
from fsd.data.clip import Clip
from fsd.data.errors import ClipError, UsageError
from fsd.data.open_clip import open_clip
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Rig, save_rig
from fsd.data.standard_rigs import canonical_rig


def write(tools: Any, folder: Path, *names: str) -> None:
    """Videos of three pictures; the k-th shows the numbers from 4 k on."""
    for k, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        tools.write_video(folder / name, [0, 40, 80], first_number=4 * k)


def with_cameras(folder: Path, **cameras: str) -> Clip:
    return open_clip(folder, CameraOptions(cameras={name: Path(value) for name, value in cameras.items()}))


def parts(clip: Clip, camera: int = 0) -> list[str]:
    stream = clip.streams[camera]
    assert stream is not None
    return [path.name for path in stream.files]


@pytest.mark.parametrize("value", ["x_*.mp4", "sub", "sub/*", "sub/x_2.mp4,sub/x_10.mp4", "sub/x_2.mp4, sub/x_1*.mp4"])
def test_a_pattern_a_folder_or_several_files_are_parts_in_natural_order(tools: Any, tmp_path: Path, value: str) -> None:
    folder = "" if value == "x_*.mp4" else "sub/"
    write(tools, tmp_path, f"{folder}x_2.mp4", f"{folder}x_10.mp4")  # 3 … 9 are missing, which is allowed by hand
    clip = with_cameras(tmp_path, rear=value)
    assert parts(clip, 7) == ["x_2.mp4", "x_10.mp4"]
    shown = tools.replay(clip).numbers[:, 7]
    assert [int(number) for number in np.unique(shown)] == [0, 1, 2, 4, 5]  # the last one comes after the last tick


def test_a_listed_order_is_kept(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, "b.mp4", "a.mp4")
    assert parts(with_cameras(tmp_path, front_main="b.mp4,a.mp4")) == ["b.mp4", "a.mp4"]


@pytest.mark.parametrize(
    "value", ["x_2.mp4,x_1.mp4", "x_10.mp4,x_2.mp4", "20260102_151732_F.mp4,20260102_151632_F.mp4", ",", " , "]
)
def test_parts_listed_from_the_newest_and_lists_without_a_file_are_refused(
    tools: Any, tmp_path: Path, value: str
) -> None:
    write(tools, tmp_path, *(name for name in value.replace(" ", "").split(",") if name))
    with pytest.raises(UsageError):
        with_cameras(tmp_path, front_main=value)


def test_an_option_that_the_recording_does_not_use_is_named(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, "front.mp4")
    clip = open_clip(tmp_path, CameraOptions(rate_hz=20.0))
    assert any("--rate-hz 20 is NOT USED" in note for note in clip.notes)
    (tmp_path / "raw").mkdir()
    tools.write_video(tmp_path / "raw" / "front.h264", [0, 1, 2], container="h264")
    assert not any("NOT USED" in note for note in open_clip(tmp_path / "raw", CameraOptions(rate_hz=20.0)).notes)


def test_two_thousand_empty_files_do_not_fill_the_screen(tmp_path: Path) -> None:
    for k in range(2000):
        (tmp_path / f"clip{k:04}x.mp4").touch()
    with pytest.raises(ClipError, match=r"clip0000x\.mp4.* and 1994 more") as caught:
        open_clip(tmp_path)
    assert len(str(caught.value)) < 2000


def test_many_empty_parts_do_not_fill_the_screen(tmp_path: Path) -> None:
    for k in range(300):
        for camera in ("front", "rear"):
            (tmp_path / f"{camera}_{k}.mp4").touch()
    with pytest.raises(ClipError, match="more") as caught:
        open_clip(tmp_path)
    assert len(str(caught.value)) < 4000


def test_a_link_to_nothing_and_a_folder_named_as_videos_are_named(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, "front.mp4")
    (tmp_path / "rear.mp4").symlink_to(tmp_path / "gone")
    (tmp_path / "left_pillar.mp4").mkdir()
    (note,) = [note for note in open_clip(tmp_path).notes if note.startswith("Not used")]
    assert "rear.mp4 is a link to nothing" in note
    assert "left_pillar.mp4 is a folder" in note


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "front.mp4")
    for path in (tmp_path, tmp_path / "front.mp4"):
        with pytest.raises(ClipError, match="a pipe"):
            open_clip(path)


def test_a_file_with_a_comma_or_a_bracket_in_its_name_is_one_file(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, "a,b[1].mp4")
    assert parts(with_cameras(tmp_path, front_main="a,b[1].mp4")) == ["a,b[1].mp4"]


def test_a_pattern_works_in_a_folder_with_brackets_in_its_name(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "trip [1]", "a_0.mp4", "a_1.mp4")
    assert parts(with_cameras(tmp_path / "trip [1]", front_main="a_*.mp4")) == ["a_0.mp4", "a_1.mp4"]


@pytest.mark.parametrize("value", ["none_*.mp4", "empty"])
def test_a_pattern_or_folder_without_videos_is_refused(tools: Any, tmp_path: Path, value: str) -> None:
    write(tools, tmp_path, "a.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClipError, match=value.split("_")[0]):
        with_cameras(tmp_path, front_main=value)


def test_a_file_that_is_missing_names_its_camera(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, "a.mp4")
    with pytest.raises(ClipError) as caught:
        with_cameras(tmp_path, front_main="a.mp4", rear="b.mp4")
    assert caught.value.camera == "rear"


def test_two_names_of_one_camera_are_refused(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, "a.mp4", "b.mp4")
    with pytest.raises(UsageError) as caught:
        with_cameras(tmp_path, front_main="a.mp4", front="b.mp4")
    assert (caught.value.camera, caught.value.exit_code) == ("front_main", 2)


@pytest.mark.parametrize("cameras", [["rear=a.mp4", "rear=b.mp4"], ["roof=a.mp4"], ["front=a.mp4", "front_main=b.mp4"]])
def test_the_command_refuses_wrong_cameras_with_exit_code_2(
    tools: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], cameras: Sequence[str]
) -> None:
    write(tools, tmp_path, "a.mp4", "b.mp4")
    code = main(["replay", str(tmp_path), "--out", str(tmp_path / "out"), "--cameras", *cameras])
    assert code == 2
    assert cameras[-1].split("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    "names",
    [
        ["night_front.mp4", "night_rear.mp4"],
        ["5YJ3E1EA7KF000316-2026.01.02-front.mp4", "5YJ3E1EA7KF000316-2026.01.02-rear.mp4"],
        ["2026-01-02 front_0.mp4", "2026-01-02 front_1.mp4", "2026-01-02 rear_0.mp4", "2026-01-02 rear_1.mp4"],
        ["run_7_front/a.mp4", "run_7_rear/a.mp4"],
        ["20260102_151632_front.mp4", "20260102_151632_rear.mp4"],
    ],
    ids=lambda names: names[0],
)
def test_a_start_that_all_names_share_is_dropped(tools: Any, tmp_path: Path, names: list[str]) -> None:
    write(tools, tmp_path, *names)
    clip = open_clip(tmp_path)
    assert [stream.name for stream in clip.streams if stream] == ["front_main", "rear"]
    assert not any("5YJ3E1EA7KF000316" in note for note in clip.notes)


def test_names_with_dates_are_parts_on_a_time_line(tools: Any, tmp_path: Path) -> None:
    write(
        tools, tmp_path, *(f"2026-01-02_15-16-{s}_{camera}.mp4" for s in (32, 35) for camera in ("cam_front", "rear"))
    )
    for stream in open_clip(tmp_path).streams:
        assert stream is None or stream.spans_ns[1][0] == 3_000_000_000


def test_a_start_that_only_some_names_share_is_kept(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, "night_front.mp4", "day_rear.mp4")
    with pytest.raises(ClipError, match=r"night_front\.mp4"):
        open_clip(tmp_path)


def test_a_camera_of_the_rig_without_a_video_is_the_one_that_is_named(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, "front_main.mp4")
    rig = canonical_rig(128, 96)
    save_rig(Rig(name="two", cameras=(rig.cameras[0], rig.cameras[7])), tmp_path / "rig.json")
    about_video = [note for note in open_clip(tmp_path).notes if "no video" in note]
    assert len(about_video) == 1
    assert "rear" in about_video[0]
    assert "front" not in about_video[0]
