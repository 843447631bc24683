"""LeRobot data sets of version 3, such as L2D of Yaak: episodes that share video files and tables.

Layout: LeRobot's documentation of `LeRobotDataset` v3.0 and the `meta/info.json` of yaak-ai/L2D-v3. Not stated there,
but measured on L2D by others: the speed is in km/h, the heading in degrees clockwise from north. An episode's path is
`DATASET#episode-N`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.camera_names import canonical_name
from fsd.data.clip import Clip
from fsd.data.clock import floor_ns, integer_column, read_parquet
from fsd.data.ego import EgoTrack, count_wrong_rows, unwrapped
from fsd.data.errors import ClipError
from fsd.data.formats.derived_motion import backward_rate
from fsd.data.formats.fragment import split_fragment, with_fragment
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.recording_format import Match, refusing_wrong_values
from fsd.data.physical_limits import MAX_SPEED_MPS
from fsd.data.recording_options import CameraOptions
from fsd.data.text_files import read_json
from fsd.data.video_probe import probe
from fsd.data.video_stream import VideoStream
from fsd.data.wall_clock import WallClock

_EPISODE = re.compile(r"^episode-(\d+)$")

_L2D_CAMERAS = {
    "front_left": "front_main",  # looks forward, left of the middle of the windscreen
    "left_forward": "left_pillar",
    "right_forward": "right_pillar",
    "left_backward": "left_repeater",
    "right_backward": "right_repeater",
    "rear": "rear",
}
"""Cameras of L2D; its `map` is drawn, and no camera."""

_VEHICLE = "observation.state.vehicle"
_UNIX_TIME = "observation.state.timestamp"
_KMH_PER_MPS = 3.6
_MAX_FILE_S = 1e7
_MAX_FRAMES = 10**9
_MAX_HEADING_DEG = 36_000.0  # also where whole turns are added up
_MOST_FILES = 2**32  # in a chunk
_YAW_RATE_OVER_NS = 190_000_000  # two rows at 10 Hz


@dataclass(frozen=True)
class _Dataset:
    """`meta/info.json`: the path, frames per second, path templates, and the features by name."""

    path: Path
    rate_hz: Fraction
    data_path: str
    video_path: str
    features: Mapping[str, Mapping[str, Any]]

    @property
    def cameras(self) -> dict[str, str]:
        """Canonical camera -> key of its videos."""
        keys = [key for key, feature in self.features.items() if feature.get("dtype") == "video"]
        labels = {key: key.rpartition(".")[2] for key in keys}
        is_l2d = {"front_left", "left_forward"} <= set(labels.values())
        found: dict[str, str] = {}
        for key, label in labels.items():
            name = _L2D_CAMERAS.get(label) if is_l2d else canonical_name(label)
            if name is not None:
                found.setdefault(name, key)
        return found

    def axes(self, key: str) -> list[str]:
        """Names of the numbers of a feature."""
        names = self.features.get(key, {}).get("names")
        if isinstance(names, Mapping):
            names = names.get("axes")
        return [str(name) for name in names] if isinstance(names, list) else []


class LeRobot:
    """Episodes of a LeRobot data set of version 3, each a recording."""

    name = "lerobot"
    description = "LeRobot v3 data sets (yaak-ai/L2D): meta/info.json, episodes inside shared video files"

    def detect(self, path: Path) -> Match | None:
        folder, fragment = split_fragment(path)
        info = folder / "meta" / "info.json"
        try:
            is_lerobot = b'"codebase_version"' in info.read_bytes()
        except OSError:
            return None
        if not is_lerobot or (fragment is not None and not _EPISODE.match(fragment)):
            return None
        if fragment is not None:
            return Match(f"{fragment} of a LeRobot data set", (path,))
        try:
            episodes = _downloaded_episodes(_load(folder))
        except ClipError:  # it is one, and opening it says what is wrong
            return Match("a LeRobot data set", (path,))
        if not episodes:
            return Match("a LeRobot data set without videos", (path,))
        return Match(
            f"{len(episodes)} episodes of a LeRobot data set",
            tuple(with_fragment(folder, f"episode-{episode}") for episode in episodes),
        )

    @refusing_wrong_values
    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open one episode.

        Raises:
            ClipError: the data set has another version, no known camera or no such episode, or a file is missing.
        """
        folder, fragment = split_fragment(path)
        dataset = _load(folder)
        match = _EPISODE.match(fragment or "")
        if match is None:
            raise ClipError(
                f"{path} is a LeRobot data set, of which no episode has a video here. Download the files that "
                f"{folder / 'meta' / 'episodes'} names for an episode, and give {folder.name}#episode-N."
            )
        row = _episode_row(dataset, int(match[1]))
        notes = ["LeRobot states no calibration and no route commands; instructions in words are not read."]
        streams = _streams(dataset, row, notes)
        ego, wall_clock = _motion(dataset, row, notes)
        return make_clip(path, self.name, streams, notes, ego=ego, wall_clock=wall_clock)


def _load(folder: Path) -> _Dataset:
    path = folder / "meta" / "info.json"
    info = read_json(path)
    if not isinstance(info, dict):
        raise ClipError(f"{path} is not an object of JSON. Download it again.")
    version = str(info.get("codebase_version", ""))
    if not version.startswith("v3."):
        raise ClipError(
            f"{path}: this LeRobot data set has version {version or 'none'}, expected v3. Convert it with "
            "`python -m lerobot.scripts.convert_dataset_v21_to_v30`.",
            field="codebase_version",
        )
    try:
        rate_hz = Fraction(info["fps"]).limit_denominator(100_000)
        dataset = _Dataset(folder, rate_hz, info["data_path"], info["video_path"], info["features"])
        for template in (dataset.data_path, dataset.video_path):
            template.format(video_key="", chunk_index=0, file_index=0)
        if rate_hz <= 0 or not dataset.cameras:
            keys = ", ".join(key for key, each in dataset.features.items() if each.get("dtype") == "video") or "none"
            raise ClipError(
                f"{path}: no camera of a car is known among its videos ({keys}). Name a video by hand: "
                "`--cameras front_main=videos/…/file-000.mp4`."
            )
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ClipError(f"{path}: {error!r} is missing or wrong. Download it again.") from error
    return dataset


def _episode_tables(dataset: _Dataset) -> list[Path]:
    tables = sorted((dataset.path / "meta" / "episodes").glob("*/*.parquet"))
    if not tables:
        raise ClipError(f"{dataset.path / 'meta' / 'episodes'} holds no table. Download the folder `meta` completely.")
    return tables


def _columns(dataset: _Dataset) -> list[str]:
    columns = ["episode_index", "length", "data/chunk_index", "data/file_index"]
    for key in dataset.cameras.values():
        columns += [f"videos/{key}/{name}" for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")]
    return columns


def _downloaded_episodes(dataset: _Dataset) -> list[int]:
    """Numbers of the episodes for which the video of at least one camera is here."""
    episodes: set[int] = set()
    for path in _episode_tables(dataset):
        keys = list(dataset.cameras.values())
        names = [f"videos/{key}/{name}" for key in keys for name in ("chunk_index", "file_index")]
        table = read_parquet(path, "episode_index", *names, only_these=True)
        numbers = integer_column(path, table, "episode_index")
        is_here = np.zeros(len(numbers), bool)
        for key in keys:
            chunk, file = (
                integer_column(path, table, f"videos/{key}/{name}") for name in ("chunk_index", "file_index")
            )
            files, place = np.unique(chunk * _MOST_FILES + file, return_inverse=True)
            exists = [_video(dataset, key, *divmod(int(each), _MOST_FILES)).is_file() for each in files]
            is_here |= np.array(exists, bool)[place]
        episodes.update(numbers[is_here].tolist())
    return sorted(episodes)


def _video(dataset: _Dataset, key: str, chunk: int, file: int) -> Path:
    return dataset.path / dataset.video_path.format(video_key=key, chunk_index=chunk, file_index=file)


def _episode_row(dataset: _Dataset, episode: int) -> dict[str, Any]:
    for path in _episode_tables(dataset):
        table = read_parquet(path, *_columns(dataset), only_these=True)
        place = np.flatnonzero(integer_column(path, table, "episode_index") == episode)
        if len(place):
            row: dict[str, Any] = table.slice(int(place[0]), 1).to_pylist()[0]
            return row
    raise ClipError(
        f"{dataset.path} has no episode {episode}. Give one that {dataset.path / 'meta' / 'episodes'} names."
    )


def _streams(dataset: _Dataset, row: Mapping[str, Any], notes: list[str]) -> dict[str, VideoStream]:
    streams: dict[str, VideoStream] = {}
    absent: dict[str, Path] = {}
    for name, key in dataset.cameras.items():
        chunk, file = row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"]
        span_s = row[f"videos/{key}/from_timestamp"], row[f"videos/{key}/to_timestamp"]
        if any(value is None for value in (chunk, file, *span_s)):
            continue
        path = _video(dataset, key, int(chunk), int(file))
        if path.is_file():
            streams[name] = _stream(dataset, name, path, span_s)
        else:
            absent[name] = path
    if not streams:
        files = ", ".join(str(path) for path in absent.values())
        raise ClipError(f"No video of episode {row['episode_index']} is here. Download {files or 'its videos'}.")
    if absent:
        notes.append(f"Not downloaded: the videos of {', '.join(absent)}.")
    return streams


def _stream(dataset: _Dataset, name: str, path: Path, span_s: tuple[float, float]) -> VideoStream:
    """The window of an episode in a video file; its times count from the start of the episode."""
    info = probe(path)
    is_time = all(isinstance(time_s, int | float) and 0 <= time_s <= _MAX_FILE_S for time_s in span_s)
    first, last = (round(Fraction(time_s) * dataset.rate_hz) if is_time else 0 for time_s in span_s)  # frames
    if last <= first:
        raise ClipError(
            f"{path}: the episode lasts from {span_s[0]} s to {span_s[1]} s. Download `meta` again.", camera=name
        )
    half = Fraction(1, 2)  # of a frame: container times are rounded
    return VideoStream(
        name=name,
        parts=(path,),
        width_px=info.width_px,
        height_px=info.height_px,
        codec=info.codec,
        rate_hz=dataset.rate_hz,
        has_times=info.has_times,
        window_ns=(floor_ns((first - half) / dataset.rate_hz), floor_ns((last - half) / dataset.rate_hz)),
        shift_ns=-floor_ns(first / dataset.rate_hz),
        start_ns=0,
        end_ns=floor_ns((last - first - 1) / dataset.rate_hz),
        cadence=info.cadence,
    )


def _motion(dataset: _Dataset, row: Mapping[str, Any], notes: list[str]) -> tuple[EgoTrack | None, WallClock | None]:
    """Ego motion and date of an episode, from the vehicle's state as L2D names it."""
    axes = dataset.axes(_VEHICLE)
    has_time = _UNIX_TIME in dataset.features
    if "speed" not in axes and not has_time:
        return None, None
    path = dataset.path / dataset.data_path.format(
        chunk_index=int(row["data/chunk_index"]), file_index=int(row["data/file_index"])
    )
    if not path.is_file():
        notes.append(f"Not downloaded: {path.name} of the data, so there is no ego motion.")
        return None, None
    columns = ["episode_index", "frame_index", *([_VEHICLE] if axes else []), *([_UNIX_TIME] if has_time else [])]
    table = read_parquet(path, *columns, only_these=True, filters=[("episode_index", "=", int(row["episode_index"]))])
    if not table.num_rows:
        raise ClipError(f"{path} has no row of episode {row['episode_index']}. Download it again.")
    table = table.sort_by("frame_index")
    frame_index = integer_column(path, table, "frame_index")
    if np.any((frame_index < 0) | (frame_index > _MAX_FRAMES)):
        raise ClipError(f"{path}: `frame_index` has numbers of no frame. Download it again.", field="frame_index")
    timestamp_ns = np.array([floor_ns(int(index) / dataset.rate_hz) for index in frame_index], np.int64)
    wall_clock = None
    if has_time:
        unix_ns = np.asarray(table[_UNIX_TIME].to_pylist(), object).reshape(-1)[0]
        if isinstance(unix_ns, int):
            wall_clock = WallClock(unix_ns - int(timestamp_ns[0]))
    return (_ego(path, table, axes, timestamp_ns, notes) if "speed" in axes else None), wall_clock


def _ego(path: Path, table: Any, axes: list[str], timestamp_ns: np.ndarray, notes: list[str]) -> EgoTrack:
    try:
        state = np.asarray(table[_VEHICLE].to_pylist(), np.float64)
    except (TypeError, ValueError) as error:
        raise ClipError(f"{path}: `{_VEHICLE}` has rows that are not numbers ({error}).", field=_VEHICLE) from error
    if state.shape != (len(timestamp_ns), len(axes)):
        raise ClipError(
            f"{path}: `{_VEHICLE}` has shape {state.shape}, expected {len(axes)} numbers a row.", field=_VEHICLE
        )
    is_known = np.abs(state[:, axes.index("speed")]) <= MAX_SPEED_MPS * _KMH_PER_MPS
    if "heading" in axes:
        is_known &= np.abs(state[:, axes.index("heading")]) <= _MAX_HEADING_DEG
    count_wrong_rows(~is_known, str(path), notes)
    state, timestamp_ns = state[is_known], timestamp_ns[is_known]
    values = dict(zip(axes, state.T, strict=True))
    unknown = np.full(len(timestamp_ns), np.nan)
    yaw_rad = np.mod(np.pi / 2 - np.radians(values.get("heading", unknown)) + np.pi, 2 * np.pi) - np.pi
    speed_mps = values["speed"] / _KMH_PER_MPS
    step_m = (speed_mps[1:] + speed_mps[:-1]) / 2 * np.diff(timestamp_ns) * 1e-9
    turned_rad = unwrapped(yaw_rad)
    course_rad = (turned_rad[1:] + turned_rad[:-1]) / 2
    # Latitude and longitude are 32-bit numbers, which step by 0.2 to 0.4 m: too coarse for poses.
    notes.append(
        "Ego motion as L2D records it: speed in km/h, heading clockwise from north; positions are integrated from "
        "them, and the yaw rate is the change of the heading."
    )
    return EgoTrack(
        timestamp_ns=timestamp_ns,
        speed_mps=speed_mps,
        yaw_rate_rps=backward_rate(timestamp_ns, turned_rad, _YAW_RATE_OVER_NS),
        x_m=np.concatenate([[0.0], np.cumsum(step_m * np.cos(course_rad))]),
        y_m=np.concatenate([[0.0], np.cumsum(step_m * np.sin(course_rad))]),
        yaw_rad=yaw_rad,
    )
