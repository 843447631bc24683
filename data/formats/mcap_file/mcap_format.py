"""MCAP files and ROS 2 bag folders as recordings: cameras by topic, calibration, ego, wall clock."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fsd.data.camera_names import known_names
from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.data.errors import ClipError
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.mcap_file.mcap_index import MAGIC, McapIndex, load_index
from fsd.data.formats.mcap_file.mcap_messages import IMAGE_KINDS, KINDS, kind_of
from fsd.data.formats.mcap_file.mcap_motion import recorded_motion
from fsd.data.formats.mcap_file.mcap_rig import Source, attached_rig, calibrated_rig
from fsd.data.formats.mcap_file.mcap_stream import open_stream
from fsd.data.formats.mcap_file.topic_names import camera_of_topic
from fsd.data.formats.recording_format import Match, refusing_wrong_values
from fsd.data.recording_options import CameraOptions
from fsd.data.video_probe import VIDEO_SUFFIXES
from fsd.data.wall_clock import WallClock

BAG_INFORMATION = "metadata.yaml"
OTHER_BAGS = {".bag": b"#ROSBAG V2.0", ".db3": b"SQLite format 3"}
"""Bags that are recognised, to say what to do with them."""

UNIX_FROM_NS, UNIX_TO_NS = 946_684_800 * SECOND_NS, 4_102_444_800 * SECOND_NS
"""The years 2000 to 2099: stamps in this range are Unix times."""


class McapFile:
    """MCAP: Foxglove and ROS 2 messages."""

    name = "mcap"
    description = "an MCAP file (Foxglove or ROS 2 messages), a ROS 2 bag folder, or drive.mcap of a replay"

    def detect(self, path: Path) -> Match | None:
        """By the first bytes of a file, or by the files in a folder."""
        if path.is_dir():
            return _detect_folder(path)
        start = _first_bytes(path)
        if start.startswith(MAGIC) or path.suffix.lower() == ".mcap":
            return Match("an MCAP file", (path,))
        if any(path.suffix.lower() == suffix and start.startswith(mark) for suffix, mark in OTHER_BAGS.items()):
            return Match("a ROS bag that is no MCAP file", (path,))
        return None

    @refusing_wrong_values
    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Read indexes and one picture of every camera.

        Raises:
            ClipError: a file is damaged from its start, no topic can be read as a camera, or a package is missing.
        """
        indexes = tuple(load_index(file) for file in _files(path))
        notes = [f"{index.path.name}: {index.lost}; the rest of it is used." for index in indexes if index.lost]
        kinds = _kinds(indexes)
        sources = _open_cameras(path, indexes, kinds, notes)
        streams = {name: source.stream for name, source in sources.items()}
        rig = attached_rig(indexes, sources)
        is_assumed = rig is not None and indexes[0].metadata.get("fsd", {}).get("rig") == "assumed"
        if rig is None:
            rig = calibrated_rig(indexes, kinds, sources, notes)
        notes += _notes_of_replay(indexes[0])
        motion = recorded_motion(indexes, kinds, notes)
        wall_clock = _wall_clock(indexes[0], min((each.start_ns or 0 for each in streams.values()), default=0))
        clip = make_clip(path, self.name, streams, notes, rig, wall_clock=wall_clock, **motion)
        return replace(clip, rig_is_assumed=True) if is_assumed else clip


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError:
        return b""


def _detect_folder(path: Path) -> Match | None:
    try:
        names = sorted(each.name for each in path.iterdir() if each.is_file())
    except OSError:
        return None
    files = [path / name for name in names if name.lower().endswith(".mcap")]
    if BAG_INFORMATION in names and b"rosbag2_bagfile_information" in _start_of(path / BAG_INFORMATION):
        return Match(f"a ROS 2 bag of {len(files)} MCAP files" if files else "a ROS 2 bag", (path,))
    others = [name for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES or name == "rig.json"]
    if not files or others:
        return None
    return Match(f"a folder of {len(files)} MCAP files", tuple(files))


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def _files(path: Path) -> list[Path]:
    """The MCAP files of a recording, in order.

    Raises:
        ClipError: it is a bag of another kind.
    """
    if path.is_file():
        if path.suffix.lower() in OTHER_BAGS and not _first_bytes(path).startswith(MAGIC):
            raise _other_bag(path)
        return [path]
    text = (path / BAG_INFORMATION).read_text(encoding="utf-8", errors="replace")
    if re.search(r"^\s*compression_mode:\s*\"?message", text, re.MULTILINE | re.IGNORECASE):
        raise ClipError(
            f"{path}: its messages are compressed one by one (`compression_mode: message`), which cannot be read. "
            "Convert it with `ros2 bag convert`, without compression or with that of MCAP."
        )
    listed = re.search(r"relative_file_paths:\s*\n((?:\s*-\s*.+\n?)+)", text)
    names = re.findall(r"-\s*[\"']?([^\"'\n]+?)[\"']?\s*(?:\n|$)", listed[1]) if listed else []
    files = [path / name for name in names if (path / name).is_file() and name.lower().endswith(".mcap")]
    files = files or sorted(path.glob("*.mcap"), key=lambda file: (len(file.name), file.name))
    if not files:
        raise _other_bag(path)
    return files


def _other_bag(path: Path) -> ClipError:
    return ClipError(
        f"{path} is a ROS bag, but not in the form of MCAP. Convert it with `ros2 bag convert`, or with "
        "`rosbags-convert --src BAG --dst FOLDER --dst-storage mcap` (pip install rosbags), and give the result."
    )


def _kinds(indexes: tuple[McapIndex, ...]) -> dict[str, str]:
    """Topic -> kind of its messages, for topics that can matter here."""
    found: dict[str, str] = {}
    for index in indexes:
        for channel in index.channels.values():
            kind = kind_of(channel)
            if kind is not None:
                found.setdefault(channel.topic, kind)
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class _Candidate:
    topic: str
    kind: str


def _open_cameras(
    path: Path, indexes: tuple[McapIndex, ...], kinds: dict[str, str], notes: list[str]
) -> dict[str, Source]:
    """The best topic of every camera that can be read."""
    images = [_Candidate(topic, kind) for topic, kind in kinds.items() if kind in IMAGE_KINDS]
    images = [each for each in images if "depth" not in each.topic.lower()]
    named: dict[str, list[_Candidate]] = {}
    for each in images:
        name = camera_of_topic(each.topic)
        if name is not None:
            named.setdefault(name, []).append(each)
    if not named and len(images) == 1:
        notes.append(f"{images[0].topic} names no camera; it is taken as front_main.")
        named = {"front_main": images}
    taken = {each for candidates in named.values() for each in candidates}
    unnamed = [each.topic for each in images if each not in taken]
    if unnamed and named:
        notes.append(f"Topics that name no camera are left out: {', '.join(unnamed)}.")
    sources: dict[str, Source] = {}
    errors: list[ClipError] = []
    for name, candidates in named.items():
        for each in sorted(candidates, key=lambda each: IMAGE_KINDS.index(each.kind)):
            try:
                stream, frame_id = open_stream(name, indexes, each.topic, each.kind, notes)
            except ClipError as error:
                errors.append(error)
                continue
            sources[name] = Source(stream, frame_id)
            others = [other.topic for other in candidates if other != each]
            if others:
                notes.append(f"{name} is {each.topic}; not used: {', '.join(others)}.")
            break
    if not sources:
        raise _no_camera(path, indexes, unnamed, errors)
    notes += [f"Left out: {error}" for error in errors]
    return sources


def _no_camera(path: Path, indexes: tuple[McapIndex, ...], unnamed: list[str], errors: list[ClipError]) -> ClipError:
    if errors:
        return ClipError(f"{path} has no camera that can be read. {' '.join(map(str, errors))}")
    if unnamed:
        return ClipError(
            f"{path}: none of its image topics names a camera: {', '.join(unnamed)}. Rename the topics; "
            f"these names are known: {known_names()}."
        )
    topics = sorted(
        {f"{channel.topic} ({channel.schema_name})" for each in indexes for channel in each.channels.values()}
    )
    more = f" and {len(topics) - 12} more" if len(topics) > 12 else ""
    return ClipError(
        f"{path} has no images. Its topics are {', '.join(topics[:12])}{more}; images are messages of "
        f"{', '.join(name for name, kind in KINDS.items() if kind in IMAGE_KINDS)}."
    )


def _notes_of_replay(index: McapIndex) -> list[str]:
    """What `drive.mcap` says of its own pictures."""
    encoded = [
        name.removeprefix("video ")
        for name, how in index.metadata.get("fsd", {}).items()
        if name.startswith("video ") and "encoded anew" in how
    ]
    if not encoded:
        return []
    return [
        f"{', '.join(encoded)}: encoded anew when {index.path.name} was written, so not the recording's own pixels."
    ]


def _wall_clock(index: McapIndex, start_ns: int) -> WallClock | None:
    stated: dict[str, Any] = {}
    with suppress(ValueError, RecursionError):
        stated = {name: json.loads(value) for name, value in index.metadata.get("wall_clock", {}).items()}
    if isinstance(stated.get("unix_minus_clip_ns"), int):
        offset_s = stated.get("utc_offset_s")
        offset_s = offset_s if isinstance(offset_s, int) else None
        return WallClock(stated["unix_minus_clip_ns"], offset_s, bool(stated.get("is_local", False)))
    return WallClock(0) if UNIX_FROM_NS <= start_ns < UNIX_TO_NS else None
