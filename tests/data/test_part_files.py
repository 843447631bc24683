"""Part files: one recording in several files, with or without a picture that two files share."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.errors import ClipError
from fsd.data.open_clip import open_clip

T15K = Fraction(1, 15_360)
FRAME = 512  # 30 frames/s in units of T15K


def moving_texture(seed: int, step_px: int) -> Any:
    """Pictures of a texture that moves, without a number: what a real joint looks like."""
    wide = np.kron(np.random.default_rng(seed).integers(40, 200, (24, 200)), np.ones((4, 4))).astype(np.uint8)
    return lambda number: np.ascontiguousarray(wide[:, 40 + number * step_px :][:, :128])


def write_parts(
    tools: Any, folder: Path, camera: str, first_numbers: list[int], length: int = 10, **video: Any
) -> None:
    """Parts of `length` pictures each, part k showing `first_numbers[k]` and on; container times start anew."""
    for part, first in enumerate(first_numbers):
        times = [FRAME * k for k in range(length)]
        tools.write_video(folder / f"{camera}_{part}.mp4", times, T15K, first_number=first, **video)


def thirty_hz(tools: Any, count: int) -> list[tuple[int, int]]:
    return list(zip(tools.floor_times_ns([FRAME * k for k in range(count)], T15K), range(count), strict=True))


@pytest.mark.parametrize("options", [{"tune": "zerolatency"}, {"preset": "veryfast", "bf": "2"}], ids=["P", "B"])
def test_a_picture_that_two_parts_share_is_used_once(tools: Any, tmp_path: Path, options: dict[str, str]) -> None:
    for camera in ("front_wide", "rear"):
        write_parts(tools, tmp_path, camera, [0, 9, 18], options=options)
    shown = tools.replay(tmp_path)
    cameras = {camera: thirty_hz(tools, 28) for camera in ("front_wide", "rear")}
    assert np.array_equal(shown.numbers, tools.expected_numbers(cameras))
    assert shown.report.cameras["rear"].overlap_frames == 2
    assert shown.indices[-1, 7] == shown.numbers[-1, 7]


def test_parts_without_a_shared_picture_follow_each_other(tools: Any, tmp_path: Path) -> None:
    write_parts(tools, tmp_path, "front_wide", [0, 10, 20])
    shown = tools.replay(tmp_path)
    assert np.array_equal(shown.numbers, tools.expected_numbers({"front_wide": thirty_hz(tools, 30)}))
    assert shown.report.cameras["front_wide"].overlap_frames == 0


def test_container_times_that_go_on_from_part_to_part_are_kept(tools: Any, tmp_path: Path) -> None:
    starts = [0, 10 * FRAME + 300, 20 * FRAME + 700]  # with small pauses between the parts
    times = []
    for part, start in enumerate(starts):
        part_times = [start + FRAME * k for k in range(10)]
        times += part_times
        tools.write_video(tmp_path / f"rear_{part}.mp4", part_times, T15K, first_number=10 * part)
    frames = list(zip(tools.floor_times_ns(times, T15K), range(30), strict=True))
    assert np.array_equal(tools.replay(tmp_path).numbers, tools.expected_numbers({"rear": frames}))


def test_parts_may_lie_in_a_folder_for_each_camera(tools: Any, tmp_path: Path) -> None:
    for camera in ("ftheta_camera_front_tele_30fov", "ftheta_camera_rear_tele_30fov"):
        (tmp_path / camera).mkdir()
        write_parts(tools, tmp_path / camera, "drive_7", [0, 9])
    clip = open_clip(tmp_path)
    assert clip.format == "parts"
    assert [stream.name for stream in clip.streams if stream] == ["front_narrow", "rear"]
    frames = thirty_hz(tools, 19)
    expected = tools.expected_numbers({"front_narrow": frames, "rear": frames})
    assert np.array_equal(tools.replay(clip).numbers, expected)


def test_a_timestamps_file_counts_the_frames_of_all_parts_without_the_shared_ones(tools: Any, tmp_path: Path) -> None:
    write_parts(tools, tmp_path, "rear", [0, 9])
    times_ns = [10**18 + 41_000_000 * k + 1000 * (k % 3) for k in range(19)]
    tools.write_timestamps(tmp_path / "rear.timestamps.parquet", times_ns)
    frames = list(zip(times_ns, range(19), strict=True))
    assert np.array_equal(tools.replay(tmp_path).numbers, tools.expected_numbers({"rear": frames}))


@pytest.mark.parametrize(("step_px", "overlap"), [(3, 1), (3, 0), (1, 1), (1, 0)])
def test_the_overlap_is_seen_in_moving_texture_too(tools: Any, tmp_path: Path, step_px: int, overlap: int) -> None:
    for seed, camera in enumerate(("front_wide", "left_pillar", "rear")):
        luma = moving_texture(seed, step_px)
        write_parts(tools, tmp_path, camera, [0, 10 - overlap], luma=luma, options={"crf": "30"})
    assert {stream.overlap_frames for stream in open_clip(tmp_path).streams if stream} == {overlap}


def test_a_camera_that_stands_still_does_not_change_the_decision(tools: Any, tmp_path: Path) -> None:
    write_parts(tools, tmp_path, "front_wide", [0, 9], luma=moving_texture(1, 2))
    write_parts(tools, tmp_path, "rear", [0, 9], luma=moving_texture(2, 0))
    assert {stream.overlap_frames for stream in open_clip(tmp_path).streams if stream} == {1}


def test_still_pictures_are_not_taken_for_an_overlap_and_a_note_says_so(tools: Any, tmp_path: Path) -> None:
    write_parts(tools, tmp_path, "rear", [0, 9], luma=moving_texture(2, 0))
    clip = open_clip(tmp_path)
    assert [stream.overlap_frames for stream in clip.streams if stream] == [0]
    assert any("overlap" in note for note in clip.notes)


def test_a_long_last_group_of_pictures_is_found_without_reading_the_part(tools: Any, tmp_path: Path) -> None:
    write_parts(tools, tmp_path, "rear", [0, 89], length=90, options={"g": "12"})
    clip = open_clip(tmp_path)
    assert [stream.overlap_frames for stream in clip.streams if stream] == [1]


def test_a_missing_part_is_named(tools: Any, tmp_path: Path) -> None:
    write_parts(tools, tmp_path, "rear", [0, 10, 20], length=2)
    (tmp_path / "rear_1.mp4").unlink()
    with pytest.raises(ClipError, match=r"rear_0\.mp4, rear_2\.mp4"):
        open_clip(tmp_path)


def test_parts_of_different_size_are_refused(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear_0.mp4", [0, 33])
    tools.write_video(tmp_path / "rear_1.mp4", [0, 33], size_px=(64, 48))
    with pytest.raises(ClipError, match=r"rear_1\.mp4.*64x48.*rear_0\.mp4.*128x96"):
        open_clip(tmp_path)
