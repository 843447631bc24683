"""Parts of several cameras without dates: they begin together, and one that cannot be read shifts no other."""

from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.open_clip import open_clip


def write_parts(tools: Any, folder: Path, lengths: dict[str, list[int]]) -> None:
    """Pictures every 28 ms; the number in each is its true place, parts of 12 pictures apart."""
    for name, counts in lengths.items():
        for part, count in enumerate(counts):
            times = [28 * k for k in range(count)]
            tools.write_video(folder / f"{name}_{part}.mp4", times, first_number=12 * part)


def test_parts_of_different_length_begin_together(tools: Any, tmp_path: Path) -> None:
    write_parts(tools, tmp_path, {"front_main": [12, 12, 12], "rear": [9, 10, 12], "left_repeater": [12, 8, 11]})
    shown = tools.replay(tmp_path)
    numbers = shown.numbers[:, [0, 5, 7]]
    fresh = shown.ages_ns[:, [0, 5, 7]] < 28_000_000
    for row, is_fresh in zip(numbers, fresh, strict=True):
        assert np.ptp(row[is_fresh]) <= 1
    assert any("begin together" in note for note in open_clip(tmp_path).notes)


def test_a_part_that_cannot_be_read_masks_its_camera_alone(tools: Any, tmp_path: Path) -> None:
    write_parts(tools, tmp_path, {"front_main": [36, 12, 12], "rear": [36, 12, 12]})
    (tmp_path / "rear_1.mp4").write_bytes(b"")
    shown = tools.replay(tmp_path)
    middle = 36 * 28 // 28 + 6
    assert shown.numbers[middle, 0] > 11
    assert shown.numbers[middle, 7] == 35
    last = shown.numbers[-1, [0, 7]]
    assert np.ptp(last) <= 1
    assert any("rear_1.mp4" in note and "rear" in note for note in open_clip(tmp_path).notes)


def test_parts_of_equal_length_follow_each_other_as_before(tools: Any, tmp_path: Path) -> None:
    write_parts(tools, tmp_path, {"front_main": [12, 12], "rear": [12, 12]})
    clip = open_clip(tmp_path)
    assert not any("begin together" in note for note in clip.notes)
    assert all(stream.part_start_ns == () for stream in clip.streams if stream)
