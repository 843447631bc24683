"""Real recordings, where they are at hand."""

from pathlib import Path

import numpy as np
import pytest

from fsd.data.errors import ClipError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import open_clip


@pytest.fixture
def seven_cameras(recordings: Path) -> Path:
    folder = recordings / "nvidia7cam" / "002b815b"
    if not folder.is_dir():
        pytest.skip(f"no recording {folder.name} here")
    return folder


@pytest.fixture
def mountain_road(recordings: Path) -> Path:
    folder = recordings / "udacity_ch2"
    if not folder.is_dir():
        pytest.skip(f"no recording {folder.name} here")
    return folder


@pytest.mark.slow
def test_seven_cameras_in_part_files_give_88_distinct_frames_each(seven_cameras: Path) -> None:
    clip = open_clip(seven_cameras)
    previous: dict[str, np.ndarray] = {}
    steps: dict[str, list[float]] = {name: [] for name in CAMERAS}
    with FrameSource(clip) as source:
        for frame_set in source:
            for name, frame, is_new in zip(CAMERAS, frame_set.frames, frame_set.is_new, strict=True):
                if frame is not None and is_new:
                    small = frame.y_plane[::8, ::8].astype(np.int16)
                    if name in previous:
                        steps[name].append(float(np.abs(small - previous[name]).mean()))
                    previous[name] = small
    assert clip.format == "parts"
    assert [name for name, stream in zip(CAMERAS, clip.streams, strict=True) if stream is None] == ["front_main"]
    for name, counters in source.report.cameras.items():
        assert (counters.frames_decoded, counters.overlap_frames, counters.frames_timed) == (90, 2, 88)
        # 87 of them fall on a tick: the last one, at 2.900 s, comes after the last tick, at 2.889 s.
        assert counters.frames_shown == 87
        # No frame is shown twice: the car moves, and a picture coded once more differs by under half of a real step.
        assert min(steps[name]) > 0.5 * float(np.median(steps[name]))
    assert source.report.ticks == 105
    assert source.report.cameras["right_repeater"].black_frames == 1
    assert sum(counters.black_frames for counters in source.report.cameras.values()) == 1


def test_the_mountain_road_is_timed_by_its_csv(mountain_road: Path) -> None:
    clip = open_clip(mountain_road)
    stream = clip.streams[0]
    assert stream is not None
    assert stream.timestamps is not None
    assert len(stream.timestamps) == 3600
    times_ns = [int(row.split(",")[1]) for row in next(mountain_road.glob("*.csv")).read_text().splitlines()[1:]]
    with FrameSource(clip, max_ticks=120) as source:
        for frame_set in source:
            frame = frame_set.frames[0]
            assert frame is not None
            due = [index for index, time_ns in enumerate(times_ns[:200]) if time_ns <= frame_set.timestamp_ns]
            assert (frame.index, frame.timestamp_ns) == (due[-1], times_ns[due[-1]])
    assert source.report.start_ns == times_ns[0]
    assert FrameSource(clip).expected_ticks == 6480


def test_two_unnamed_videos_ask_which_is_which(recordings: Path) -> None:
    if not (recordings / "udacity_clips").is_dir():
        pytest.skip("no recording udacity_clips here")
    with pytest.raises(ClipError, match=r"solidWhiteRight\.mp4, test_video\.mp4.*--cameras front_main="):
        open_clip(recordings / "udacity_clips")


def test_a_folder_of_labels_is_no_clip(recordings: Path) -> None:
    if not (recordings / "comma2k19_labels").is_dir():
        pytest.skip("no recording comma2k19_labels here")
    with pytest.raises(ClipError, match="comma2k19_labels"):
        open_clip(recordings / "comma2k19_labels")


def test_a_folder_of_scenes_names_them(recordings: Path) -> None:
    if not (recordings / "nvidia7cam").is_dir():
        pytest.skip("no recording nvidia7cam here")
    with pytest.raises(ClipError, match="002b815b"):
        open_clip(recordings / "nvidia7cam")
