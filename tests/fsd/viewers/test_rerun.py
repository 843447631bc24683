"""What is logged is recorded by a stand-in for `rerun` that has the signatures of rerun-sdk 0.41 and refuses others.

The package itself (170 MB to download, 500 MB installed) is not needed, and was not run: this shows what we say to it.
"""

import builtins
import importlib.machinery
import json
import shutil
import sys
import types
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from fsd.cli import main
from fsd.data.clock import tick_time_ns
from fsd.data.errors import UsageError
from fsd.data.frames import CAMERAS
from fsd.data.standard_rigs import canonical_rig
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.viewers.tick_values import VALUES

TICKS = 24


@dataclass(frozen=True, kw_only=True)
class Quaternion:
    xyzw: Any


@dataclass(frozen=True, kw_only=True)
class Transform3D:
    translation: Any = None
    quaternion: Quaternion | None = None


@dataclass(frozen=True, kw_only=True)
class Pinhole:
    image_from_camera: Any = None
    resolution: Any = None
    image_plane_distance: float | None = None


@dataclass(frozen=True)
class VideoStream:
    codec: Any
    sample: bytes | None = field(default=None, kw_only=True)

    @classmethod
    def from_fields(cls, *, sample: bytes | None = None) -> "VideoStream":
        return cls(None, sample=sample)


@dataclass(frozen=True)
class LineStrips3D:
    strips: Any
    radii: Any = field(default=None, kw_only=True)
    colors: Any = field(default=None, kw_only=True)


@dataclass(frozen=True, kw_only=True)
class Boxes2D:
    sizes: Any = None
    mins: Any = None
    colors: Any = None


@dataclass(frozen=True)
class Scalars:
    scalars: float


@dataclass(frozen=True)
class TextLog:
    text: str
    level: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class TextDocument:
    text: str
    media_type: str | None = field(default=None, kw_only=True)


class VideoCodec(Enum):
    H264 = 1
    H265 = 2


class ViewCoordinates:
    FLU = "forward, left, up"


@dataclass(frozen=True)
class Logged:
    time_ns: int | None
    kind: str
    what: Any


Logs = dict[str, list[Logged]]


class RecordingStream:
    """Keeps what is logged, by path; as strict about its use as the real one."""

    last: "RecordingStream"

    def __init__(self, application_id: str, *, recording_id: str | None = None) -> None:
        self.application_id = application_id
        self.path: Path | None = None
        self.is_open = False
        self.flushed = False
        self.logged: Logs = defaultdict(list)
        self._time: tuple[int, str] | None = None
        RecordingStream.last = self

    def save(self, path: Path) -> None:
        assert not self.logged, "save comes before any log"
        self.path, self.is_open = path, True

    def set_time(
        self, timeline: str, *, timestamp: np.datetime64 | None = None, duration: np.timedelta64 | None = None
    ) -> None:
        assert timeline == "time"
        (value,) = [value for value in (timestamp, duration) if value is not None]
        kind = "timestamp" if timestamp is not None else "duration"
        assert self._time is None or self._time[1] == kind, "a timeline keeps its kind"
        assert np.datetime_data(value.dtype) == ("ns", 1)
        self._time = (int(value.astype(np.int64)), kind)

    def log(self, entity_path: str, entity: Any, *, static: bool = False) -> None:
        assert self.is_open
        assert static or self._time is not None, "a time comes before what has one"
        time_ns, kind = (None, "static") if static or self._time is None else self._time
        self.logged[entity_path].append(Logged(time_ns, kind, entity))

    def flush(self, *, timeout_sec: float = 1e38) -> None:
        self.flushed = True

    def disconnect(self) -> None:
        assert self.flushed
        self.is_open = False


@contextmanager
def stand_in() -> Iterator[None]:
    """`import rerun` finds the stand-in."""
    module = types.ModuleType("rerun")
    module.__spec__ = importlib.machinery.ModuleSpec("rerun", None)
    for part in (
        *(Quaternion, Transform3D, Pinhole, VideoStream, LineStrips3D, Boxes2D, Scalars, TextLog, TextDocument),
        *(VideoCodec, ViewCoordinates, RecordingStream),
    ):
        setattr(module, part.__name__, part)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "rerun", module)
        sys.modules.pop("fsd.viewers.rerun_writer", None)
        yield
        sys.modules.pop("fsd.viewers.rerun_writer", None)


def recorded(clip: Path, out: Path, **settings: Any) -> Logs:
    settings = {"overlay": False, "report": False, "mcap": False, "max_ticks": TICKS, **settings}
    with stand_in():
        replay(ReplayConfig(clip=clip, out=out, rerun=True, **settings), show_progress=False)
    stream = RecordingStream.last
    assert stream.path == out / "drive.rrd"
    assert not stream.is_open
    return stream.logged


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rerun")


@pytest.fixture(scope="module")
def logged(small_clip: Path, untrained_model: Path, out: Path) -> Logs:
    return recorded(small_clip, out, model=untrained_model)


def test_every_camera_has_every_picture_at_its_own_nanosecond(logged: Logs, small_clip: Path) -> None:
    for name in CAMERAS:
        times_ns = pq.read_table(small_clip / f"{name}.timestamps.parquet")["t_ns"].to_pylist()
        codec, *pictures = logged[f"world/ego/{name}/video"]
        assert (codec.kind, codec.what.codec) == ("static", VideoCodec.H264)
        assert [picture.time_ns for picture in pictures] == times_ns[: len(pictures)]
        assert len(pictures) == TICKS
        assert pictures[0].what.sample.startswith(b"\x00\x00\x00\x01")


def test_every_camera_hangs_on_the_car_behind_its_lens(logged: Logs) -> None:
    for camera in canonical_rig(128, 96).cameras:
        mounting, lens = (entry.what for entry in logged[f"world/ego/{camera.name}"])
        qw, qx, qy, qz = camera.ego_from_camera.rotation_wxyz
        assert mounting.translation == camera.ego_from_camera.translation_m
        assert mounting.quaternion.xyzw == [qx, qy, qz, qw]
        assert lens.resolution == [128, 96]
        assert lens.image_from_camera[0][0] == pytest.approx(camera.intrinsics.fx_px)  # type: ignore[union-attr]
        assert lens.image_from_camera[2] == [0, 0, 1]


def test_the_car_is_where_it_drove_and_the_plan_goes_with_it(logged: Logs) -> None:
    pose = logged["world/ego"][18]
    assert pose.time_ns == tick_time_ns(18)
    assert pose.what.translation == pytest.approx([5.0, 0.0, 0.0])
    assert pose.what.quaternion.xyzw == pytest.approx([0, 0, 0, 1])
    assert len(logged["world/ego/plan"]) == TICKS
    assert all(strip.shape[1] == 3 for strip in logged["world/ego/plan"][0].what.strips)
    (driven,) = logged["world/driven"]
    assert driven.kind == "static"


def test_gaze_lies_on_the_blocks_that_were_read(logged: Logs, out: Path) -> None:
    ticks = pq.read_table(out / "ticks.parquet")
    cameras, blocks = (np.array(ticks[name][17].as_py()) for name in ("patch_camera", "patch_block"))
    for index, name in enumerate(CAMERAS):
        boxes = logged[f"world/ego/{name}/gaze"][17].what
        expected = blocks[cameras == index]
        assert boxes.mins.shape == boxes.sizes.shape == (len(expected), 2)
        assert boxes.mins == pytest.approx(np.stack([expected % 20 * 6.4, expected // 20 * 6.4], axis=1))


def test_the_values_are_those_of_every_viewer_file(logged: Logs, out: Path) -> None:
    groups = {
        f"{group}/{name}" for group, fields in VALUES.items() for name, kind in fields.items() if kind != "string"
    }
    assert {path for path in logged if path.partition("/")[0] in VALUES} == groups
    curvature = pq.read_table(out / "plan.parquet")["curvature_per_m"].to_pylist()
    assert [entry.what.scalars for entry in logged["control/curvature_per_m"]] == pytest.approx(curvature)


def test_words_are_said_when_they_change(logged: Logs, out: Path) -> None:
    assert [entry.what.text for entry in logged["log/health"]] == ["ok"]
    assert [entry.what.text for entry in logged["log/command"]] == ["straight"]
    keyframes = pq.read_table(out / "ticks.parquet")["is_keyframe"].to_pylist()
    assert len(logged["log/keyframes"]) == sum(any(row) for row in keyframes)
    (about,) = logged["about"]
    assert "Network untrained" in about.what.text


def test_the_summary_names_the_file(logged: Logs, out: Path) -> None:
    rerun_file = json.loads((out / "summary.json").read_text())["rerun_file"]
    assert rerun_file["file"] == "drive.rrd"
    assert rerun_file["video"] == dict.fromkeys(CAMERAS, "passed through")


def test_recordings_of_today_have_dates(small_clip: Path, tmp_path: Path) -> None:
    clip, later_ns = tmp_path / "clip", 1_790_000_000 * 10**9 + 7
    shutil.copytree(small_clip, clip)
    for path in clip.glob("*.parquet"):
        table = pq.read_table(path)
        shifted = pc.add(table["t_ns"], pa.scalar(later_ns, pa.int64()))
        pq.write_table(table.set_column(table.column_names.index("t_ns"), table.schema.field("t_ns"), shifted), path)
    logged = recorded(clip, tmp_path / "out", max_ticks=3)
    first = logged["world/ego/rear/video"][1]
    assert (first.kind, first.time_ns) == ("timestamp", later_ns)


def test_pictures_that_take_over_begin_a_stream_of_their_own(
    small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsd.viewers import clip_video

    numbered = clip_video._numbered
    monkeypatch.setattr(clip_video, "_numbered", lambda stream: (packet for packet in islice(numbered(stream), 10)))
    logged = recorded(small_clip, tmp_path)
    assert len(logged["world/ego/rear/video"]) == 1 + 10
    codec, *pictures = logged["world/ego/rear/encoded"]
    assert codec.what.codec is VideoCodec.H264
    assert len(pictures) == TICKS - 10


def test_without_the_package_nothing_is_written_and_the_extra_is_named(
    small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"\[rerun\]"):
        replay(ReplayConfig(clip=small_clip, out=tmp_path / "out", rerun=True), show_progress=False)
    assert not (tmp_path / "out").exists()
    assert main(["replay", str(small_clip), "--rerun", "--out", str(tmp_path / "out")]) == 2
    assert "[rerun]" in capsys.readouterr().err


def test_a_replay_without_the_option_never_imports_it(
    small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def watched(name: str, *rest: Any) -> Any:
        assert name not in ("rerun", "fsd.viewers.rerun_writer")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", watched)
    config = ReplayConfig(clip=small_clip, out=tmp_path, overlay=False, report=False, mcap=False, max_ticks=2)
    assert replay(config, show_progress=False).rerun_file is None
