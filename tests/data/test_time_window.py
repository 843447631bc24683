"""`--start` and `--duration`: a part of a recording shows the pictures of its time and decodes hardly any others."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.clip import Clip
from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.errors import UsageError
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.data.recording_options import RecordingOptions
from fsd.data.standard_rigs import canonical_rig
from fsd.data.time_window import part_of

TICKS = 120


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with a table of times; the pictures grow brighter."""
    folder = tmp_path_factory.mktemp("window") / "native"
    with ClipWriter(folder, canonical_rig(64, 48)) as writer:
        for tick in range(TICKS):
            writer.write([np.full((48, 64, 3), 2 * tick, np.uint8)] * 8, tick_time_ns(tick, 10**9))
    return folder


def shown(clip: Clip) -> tuple[list[tuple[int, int]], int]:
    """Time and brightness of the last camera at every tick, and how many of its pictures were decoded."""
    found = []
    with FrameSource(clip) as source:
        for frame_set in source:
            frame = frame_set.frames[-1]
            assert frame is not None
            found.append((frame.timestamp_ns, int(frame.y_plane[24, 32])))
        decoded = source.report.cameras["rear"].frames_decoded
    return found, decoded


def test_a_part_of_a_clip_is_the_same_as_in_the_whole(native: Path) -> None:
    whole, _ = shown(open_clip(native))
    part, decoded = shown(open_clip(native, RecordingOptions(clip=native, start_s=2.0, duration_s=0.5)))
    assert part == whole[72:90]
    assert decoded < 30


def test_a_video_with_times_of_its_own_is_searched(tools: Any, tmp_path: Path) -> None:
    path = tools.write_video(tmp_path / "rear.mp4", list(range(100)), Fraction(1, 10), options={"g": "10"})
    whole, _ = shown(open_clip(path))
    part, decoded = shown(part_of(open_clip(path), 8.0, 1.0))
    inside = {moment for moment in whole if 8 * 10**9 <= moment[0] < 8.9 * 10**9}  # no tick is as late as the last one
    assert set(part) == inside
    assert len(inside) == 9
    assert decoded <= 11


def test_a_camera_that_cannot_be_searched_is_read_and_not_shown(native: Path) -> None:
    clip = open_clip(native)
    clip = replace(clip, streams=tuple(each and replace(each, has_times=False) for each in clip.streams))  # type: ignore[type-var]
    part_clip = part_of(clip, 2.0, 0.5)
    part, decoded = shown(part_clip)
    assert part == shown(open_clip(native))[0][72:90]
    assert decoded > 72
    assert "rear" in part_clip.notes[-1]


def test_a_start_after_the_end_is_refused_with_the_length(native: Path) -> None:
    with pytest.raises(UsageError, match=r"--start 60.*3\.3 s"):
        part_of(open_clip(native), 60.0, None)
