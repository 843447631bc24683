"""Folders of images: which times they have, and what is said where they have none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.errors import ClipError, ClockError, RigError
from fsd.data.formats.image_folder import ImageFolder
from fsd.data.image_stream import ImageStream
from fsd.data.open_clip import detect, open_clip
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import save_rig
from fsd.data.standard_rigs import canonical_rig

UNIX_NS = 1_532_402_927_612_460_000
STEP_NS = 50_000_000


def write(tools: Any, folder: Path, names: list[str], first: int = 0) -> None:
    for k, name in enumerate(names):
        tools.write_image(folder / name, first + k)


def times_ns(path: Path, camera: int = 0, **options: Any) -> list[int]:
    stream = open_clip(path, CameraOptions(**options)).streams[camera]
    assert isinstance(stream, ImageStream)
    return [int(time_ns) for time_ns in stream.image_ns]


def expected_ns(count: int = 4) -> list[int]:
    return [UNIX_NS + STEP_NS * k for k in range(count)]


def test_a_time_table_without_names_is_in_the_order_of_the_images(tools: Any, tmp_path: Path) -> None:
    folder = tmp_path / "drive"
    write(tools, folder, [f"frame{k}.jpg" for k in range(12)])
    (folder / "timestamps.csv").write_text("timestamp_ns\n" + "".join(f"{t}\n" for t in expected_ns(12)))
    clip = open_clip(folder)
    assert (clip.format, clip.name) == ("images", "drive")
    assert any("drive names no camera" in note for note in clip.notes)
    shown = tools.replay(clip)
    expected = tools.expected_numbers({"front_main": [(t, k) for k, t in enumerate(expected_ns(12))]})
    assert np.array_equal(shown.numbers, expected)
    assert shown.report.start_ns == UNIX_NS


def test_a_time_table_with_names_goes_by_them(tools: Any, tmp_path: Path) -> None:
    folder = tmp_path / "rear"
    write(tools, folder, ["c.png", "a.png", "b.png", "extra.png"])
    rows = "".join(f"{t},{name}\n" for t, name in zip(expected_ns(), ["c.png", "a.png", "gone.png", "b"], strict=True))
    (folder / "timestamps.csv").write_text("timestamp_ns,filename\n" + rows)
    clip = open_clip(folder)
    shown = tools.replay(clip)
    frames = [(expected_ns()[k], number) for k, number in ((0, 0), (1, 1), (3, 2))]
    assert np.array_equal(shown.numbers, tools.expected_numbers({"rear": frames}))
    assert shown.report.cameras["rear"].lost_frames == 1
    assert {"rear: 1 images listed in timestamps.csv are missing.", "rear: 1 images are not listed in timestamps.csv "
            "and not shown."} <= set(clip.notes)  # fmt: skip


def test_a_folder_per_camera_with_a_table_each_or_one_for_all(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "CAM_FRONT", ["0.png", "1.png"])
    write(tools, tmp_path / "rear", ["0.png", "1.png"], first=10)
    write(tools, tmp_path / "depth", ["0.png", "1.png"])
    (tmp_path / "CAM_FRONT.csv").write_text(f"timestamp_ns\n{UNIX_NS}\n{UNIX_NS + STEP_NS}\n")
    stamps = [UNIX_NS, UNIX_NS + STEP_NS]
    rows = [f"{t} {camera}/{k}.png" for k, t in enumerate(stamps) for camera in ("left_pillar", "rear")]
    (tmp_path / "timestamps.txt").write_text("\n".join(rows))
    write(tools, tmp_path / "left_pillar", ["0.png", "1.png"], first=20)
    clip = open_clip(tmp_path)
    assert times_ns(tmp_path, 0) == [UNIX_NS, UNIX_NS + STEP_NS]  # of its own table
    assert times_ns(tmp_path, 3) == times_ns(tmp_path, 7) == stamps
    assert tools.replay(clip).numbers[0].tolist() == [0, -1, -1, 20, -1, -1, -1, 10]
    assert any(note.startswith("depth:") for note in clip.notes)
    assert any("timestamps.txt are taken as ns" in note for note in clip.notes)


@pytest.mark.parametrize("unit_ns", [1, 1000, 10**6], ids=["ns", "us", "ms"])
def test_unix_times_as_names_tell_their_unit_by_their_size(tools: Any, tmp_path: Path, unit_ns: int) -> None:
    start = UNIX_NS // 10**9 * 10**9
    write(tools, tmp_path / "rear", [f"n015__CAM_BACK__{(start + STEP_NS * k) // unit_ns}.jpg" for k in range(4)])
    assert times_ns(tmp_path, 7) == [start + STEP_NS * k for k in range(4)]
    unit = {1: "ns", 1000: "us", 10**6: "ms"}[unit_ns]
    assert any(f"times in {unit}, from" in note and "Unix" in note for note in open_clip(tmp_path).notes)


def test_seconds_with_a_decimal_point_are_exact(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front", ["1305031102.175304.png", "1305031102.211214.png", "1305031102.3.png"])
    assert times_ns(tmp_path) == [1305031102175304000, 1305031102211214000, 1305031102300000000]


def test_long_numbers_that_are_no_unix_times_tell_their_unit_by_their_spacing(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front", [f"{90_000_000_000 + 33_333 * k}.png" for k in range(4)])
    assert times_ns(tmp_path) == [1000 * (90_000_000_000 + 33_333 * k) for k in range(4)]
    assert any("times in us" in note and "30 Hz" in note for note in open_clip(tmp_path).notes)


def test_frame_numbers_are_no_times_and_need_a_rate(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, [f"{33 * k:06d}.png" for k in range(4)])
    with pytest.raises(ClipError, match=r"timestamps\.csv.*--rate-hz") as caught:
        open_clip(tmp_path)
    assert (caught.value.exit_code, caught.value.field) == (3, "rate_hz")
    assert times_ns(tmp_path, rate_hz=30) == [0, 33_333_333, 66_666_666, 100_000_000]
    assert any("30 Hz" in note for note in open_clip(tmp_path, CameraOptions(rate_hz=30)).notes)


@pytest.mark.parametrize(
    ("table", "error", "found"),
    [
        ("timestamp_ns\n1\n2\n", ClockError, "2 rows.*3 images"),
        ("timestamp_ns\n3\n2\n1\n", ClockError, "row 1"),
        ("timestamp_ns\n1\nx\n3\n", ClockError, "row 1"),
        ("timestamp_ns\n", ClockError, "no rows"),
        ("frame\n1\n2\n3\n", ClipError, "timestamp_ns"),
        ("1\n2\n3\n", ClockError, "unit"),
        ("timestamp_ns,filename\n1,x\n2,y\n3,z\n", ClipError, "names no image"),
    ],
)
def test_a_wrong_time_table_is_refused(
    tools: Any, tmp_path: Path, table: str, error: type[ClipError], found: str
) -> None:
    write(tools, tmp_path, [f"{k}.png" for k in range(3)])
    (tmp_path / "timestamps.csv").write_text(table)
    with pytest.raises(error, match=rf"timestamps\.csv.*{found}"):
        open_clip(tmp_path, CameraOptions(rate_hz=10))


def test_a_rig_beside_the_images_is_used_and_must_fit(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front_main", ["0.png", "1.png"])
    save_rig(canonical_rig(64, 48), tmp_path / "rig.json")
    clip = open_clip(tmp_path, CameraOptions(rate_hz=10))
    assert (clip.rig, clip.rig_is_assumed) == (canonical_rig(64, 48), False)
    save_rig(canonical_rig(128, 96), tmp_path / "rig.json")
    with pytest.raises(RigError, match=r"front_main.*128x96.*64x48"):
        open_clip(tmp_path, CameraOptions(rate_hz=10))


def test_a_preview_beside_videos_makes_no_folder_of_images(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, ["thumb1.png", "thumb2.png"])
    assert detect(tmp_path)[0].name == "images"
    tools.write_video(tmp_path / "front.mp4", [0, 30])
    assert detect(tmp_path)[0].name == "folder"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert ImageFolder().detect(empty) is None


def test_one_damaged_image_does_not_stop_the_others(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path, [f"{k}.jpg" for k in range(5)])
    (tmp_path / "2.jpg").write_bytes(b"\xff\xd8\xff rubbish")
    shown = tools.replay(open_clip(tmp_path, CameraOptions(rate_hz=20)))
    frames = [(STEP_NS * k, k) for k in (0, 1, 3, 4)]
    assert np.array_equal(shown.numbers, tools.expected_numbers({"front_main": frames}))
    assert any("1 packet" in fault for fault in shown.report.faults())
