"""LeRobot v3 data sets: episodes inside shared video files and tables."""

import json
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.data.errors import ClipError
from fsd.data.formats.fragment import with_fragment
from fsd.data.open_clip import detect, open_clip, recordings_in
from fsd.data.sync_report import CameraCounters

LENGTHS = [15, 12, 30, 20]  # of the episodes, in frames; all in one file
AXES = ["speed", "heading", "heading_error", "hp_loc_latitude", "hp_loc_longitude", "hp_loc_altitude"]
CAMERAS = ["front_left", "left_forward", "right_backward", "map"]
UNIX_NS = 1_700_000_000 * SECOND_NS


def write_dataset(tools: Any, folder: Path, options: dict[str, str] | None = None, **info: Any) -> Path:
    starts = np.concatenate([[0], np.cumsum(LENGTHS)])
    keys = [f"observation.images.{name}" for name in CAMERAS]
    rows: dict[str, list[Any]] = {"episode_index": [], "length": [], "data/chunk_index": [], "data/file_index": []}
    for episode, length in enumerate(LENGTHS):
        rows["episode_index"].append(episode)
        rows["length"].append(length)
        rows["data/chunk_index"].append(0)
        rows["data/file_index"].append(2)
        for key in keys:
            span = {"from_timestamp": starts[episode] / 10, "to_timestamp": starts[episode + 1] / 10}
            for name, value in {"chunk_index": 0, "file_index": 1, **span}.items():
                rows.setdefault(f"videos/{key}/{name}", []).append(value)
    write_table(folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet", rows)
    for shift, key in enumerate(keys):
        video = folder / "videos" / key / "chunk-000" / "file-001.mp4"
        video.parent.mkdir(parents=True)
        times = list(range(int(starts[-1])))
        first = 1000 * shift
        tools.write_video(video, times, Fraction(1, 10), options=options, size_px=(64, 48), first_number=first)
    data: dict[str, list[Any]] = {"episode_index": [], "frame_index": [], "timestamp": []}
    for episode, length in enumerate(LENGTHS):
        for frame in range(length):
            data["episode_index"].append(episode)
            data["frame_index"].append(frame)
            data["timestamp"].append(frame / 10)
            state = [36.0 + episode, 350.0 + 2.0 * frame, 0.0, 48.1, 11.5, 500.0]  # turns right, over north
            data.setdefault("observation.state.vehicle", []).append(np.array(state, np.float32))
            time_ns = UNIX_NS + episode * 1000 * SECOND_NS + frame * SECOND_NS // 10
            data.setdefault("observation.state.timestamp", []).append([time_ns])
    write_table(folder / "data" / "chunk-000" / "file-002.parquet", data)
    features: dict[str, Any] = {key: {"dtype": "video", "shape": [3, 48, 64]} for key in keys}
    features["observation.state.vehicle"] = {"dtype": "float32", "shape": [6], "names": {"axes": AXES}}
    features["observation.state.timestamp"] = {"dtype": "int64", "shape": [1], "names": None}
    write_info(folder, features=features, **info)
    return folder


def write_table(path: Path, columns: dict[str, list[Any]]) -> None:
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), path)


def write_info(folder: Path, **changed: Any) -> None:
    info = {
        "codebase_version": "v3.0",
        "fps": 10,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        **changed,
    }
    (folder / "meta").mkdir(parents=True, exist_ok=True)
    (folder / "meta" / "info.json").write_text(json.dumps(info), encoding="utf-8")


def pictures(tools: Any, clip: Clip, camera: int) -> tuple[list[tuple[int, int, int]], CameraCounters]:
    """(place, time in ns, number) of all pictures."""
    stream, counters = clip.streams[camera], CameraCounters()
    assert stream is not None
    return [
        (each.index, each.timestamp_ns, tools.number_in(each.picture.to_ndarray(format="gray")))
        for each in stream.pictures(counters)
    ], counters


@pytest.mark.parametrize("options", [None, {"preset": "veryfast", "bf": "3", "g": "8"}], ids=["P", "open GOP with B"])
def test_an_episode_is_its_window_in_the_shared_video(
    tools: Any, tmp_path: Path, options: dict[str, str] | None
) -> None:
    folder = write_dataset(tools, tmp_path / "L2D", options)
    starts = np.concatenate([[0], np.cumsum(LENGTHS)])
    for episode, length in enumerate(LENGTHS):
        clip = open_clip(with_fragment(folder, f"episode-{episode}"))
        for camera, shift in ((0, 0), (3, 1000)):
            shown, counters = pictures(tools, clip, camera)
            assert shown == [(k, k * SECOND_NS // 10, shift + int(starts[episode]) + k) for k in range(length)]
            assert (counters.frames_decoded, counters.lost_frames) == (length, 0)


def test_cameras_of_l2d_and_never_its_map(tools: Any, tmp_path: Path) -> None:
    clip = open_clip(with_fragment(write_dataset(tools, tmp_path / "L2D"), "episode-1"))
    assert [stream.name for stream in clip.streams if stream] == ["front_main", "left_pillar", "right_repeater"]
    assert not any("map" in str(file) for file in clip.files)
    assert clip.name == "L2D#episode-1"
    assert tools.replay(clip).numbers[0, 0] == 15


def test_the_vehicle_state_becomes_ego_motion(tools: Any, tmp_path: Path) -> None:
    clip = open_clip(with_fragment(write_dataset(tools, tmp_path / "L2D"), "episode-2"))
    ego = clip.ego
    assert ego is not None
    assert list(ego.timestamp_ns) == [k * SECOND_NS // 10 for k in range(30)]
    assert ego.speed_mps == pytest.approx(38 / 3.6)
    frame = np.arange(30)
    assert np.unwrap(ego.yaw_rad) == pytest.approx(np.radians(100 - 2 * frame), abs=1e-5)  # clockwise is right
    assert ego.yaw_rate_rps[2:] == pytest.approx(-np.radians(20), abs=1e-5)
    radius_m = 38 / 3.6 / np.radians(20)
    chord_m = 2 * radius_m * np.sin(np.radians(29))
    assert np.hypot(ego.x_m[-1] - ego.x_m[0], ego.y_m[-1] - ego.y_m[0]) == pytest.approx(chord_m, rel=1e-3)
    assert clip.wall_clock is not None
    assert clip.wall_clock.at(0) == datetime.fromtimestamp(1_700_002_000, UTC)
    assert not any("48.1" in note or "11.5" in note for note in clip.notes)


def test_the_data_set_holds_the_episodes_whose_videos_are_here(tools: Any, tmp_path: Path) -> None:
    folder = write_dataset(tools, tmp_path / "L2D")
    assert recordings_in([folder]) == [with_fragment(folder, f"episode-{n}") for n in range(4)]
    with pytest.raises(ClipError, match="episode-0"):
        open_clip(folder)
    (folder / "videos" / "observation.images.front_left" / "chunk-000" / "file-001.mp4").unlink()
    clip = open_clip(with_fragment(folder, "episode-1"))
    assert clip.streams[0] is None
    assert any("front_main" in note for note in clip.notes)
    for video in (folder / "videos").glob("*/*/*.mp4"):
        video.unlink()
    for path in (folder, with_fragment(folder, "episode-1")):
        found, match = detect(path)
        assert (found.name, match.recordings) == ("lerobot", (path,))
        with pytest.raises(ClipError) as caught:
            open_clip(path)
        assert caught.value.exit_code == 3


def test_without_its_data_an_episode_has_no_ego_motion(tools: Any, tmp_path: Path) -> None:
    folder = write_dataset(tools, tmp_path / "L2D")
    (folder / "data" / "chunk-000" / "file-002.parquet").unlink()
    clip = open_clip(with_fragment(folder, "episode-1"))
    assert clip.ego is None
    assert any("file-002.parquet" in note for note in clip.notes)


def test_what_is_wrong_with_a_data_set_is_named(tools: Any, tmp_path: Path) -> None:
    folder = write_dataset(tools, tmp_path / "L2D")
    with pytest.raises(ClipError, match="episode 9"):
        open_clip(with_fragment(folder, "episode-9"))
    write_info(folder, codebase_version="v2.1", features={})
    with pytest.raises(ClipError) as version:
        open_clip(with_fragment(folder, "episode-0"))
    assert version.value.field == "codebase_version"
    write_info(folder, features={"observation.images.wrist": {"dtype": "video"}})
    with pytest.raises(ClipError, match="wrist"):
        open_clip(folder)
    (folder / "meta" / "info.json").write_text('{"codebase_version": "v3.0"}', encoding="utf-8")
    with pytest.raises(ClipError, match="fps"):
        open_clip(folder)


def test_other_data_sets_name_cameras_by_aliases(tools: Any, tmp_path: Path) -> None:
    folder = write_dataset(tools, tmp_path / "L2D")
    features = {f"observation.images.{name}": {"dtype": "video"} for name in ("front_left", "map")}
    write_info(folder, features=features)
    clip = open_clip(with_fragment(folder, "episode-0"))
    assert [stream.name for stream in clip.streams if stream] == ["left_pillar"]
    assert clip.ego is None


def test_impossible_speeds_are_left_out_and_spoil_no_path(tools: Any, tmp_path: Path) -> None:
    folder = write_dataset(tools, tmp_path / "L2D")
    path = folder / "data" / "chunk-000" / "file-002.parquet"
    table = pq.read_table(path)
    states = table["observation.state.vehicle"].to_pylist()
    first = table["episode_index"].to_pylist().index(2)
    for row, value in ((first + 3, np.inf), (first + 9, 1e30), (first + 20, np.nan)):
        states[row][0] = value
    place = table.column_names.index("observation.state.vehicle")
    pq.write_table(table.set_column(place, "observation.state.vehicle", pa.array(states)), path)
    clip = open_clip(with_fragment(folder, "episode-2"))
    assert clip.ego is not None
    assert len(clip.ego.timestamp_ns) == 27
    assert np.isfinite(clip.ego.x_m).all()
    assert any("3 of 30 rows" in note for note in clip.notes)
