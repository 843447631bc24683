"""Which files on a TeslaCam stick belong together: minutes of several cameras, events of several minutes.

Reads names only. Layout as public tools and notes describe it: `TeslaCam/{RecentClips,SavedClips,SentryClips}`, since
firmware 2026.20 also below `EncryptedClips`; events in folders named after the time of saving; RecentClips flat, or
with one folder per day; files `YYYY-MM-DD_HH-MM-SS-<camera>.mp4`, older ones without seconds.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from fsd.data.video_probe import kind_of_file

CAMERAS = {
    "front": "front_main",
    "back": "rear",
    "rear_view": "rear",
    "left_repeater": "left_repeater",
    "right_repeater": "right_repeater",
    "left_pillar": "left_pillar",
    "right_pillar": "right_pillar",
}
"""Camera in the file name -> canonical camera. The wide and the narrow front camera are not saved."""

KINDS = {"recentclips": "recent", "savedclips": "saved", "sentryclips": "sentry"}
MAX_DEPTH = 4

_NAME = re.compile(r"^(\d{4})-(\d\d)-(\d\d)_(\d\d)-(\d\d)(?:-(\d\d))?-([a-z_]+)\.mp4$", re.IGNORECASE)


@dataclass(frozen=True)
class Minute:
    """The files of one segment, about a minute long: canonical camera -> file. `stamp` is the car's local time."""

    stamp: datetime
    files: Mapping[str, Path]


@dataclass(frozen=True)
class EventFiles:
    """One recording on a stick.

    Attributes:
        path: its folder, or the first file of a single minute.
        kind: `recent`, `saved`, `sentry`, `event` (a folder by itself) or `minute`.
        minutes: in order of their names.
        elsewhere: stamps that RecentClips holds as well, but that belong to a saved event.
        unused: phrases such as `2026-01-02_15-16-37-back.mp4 is a folder`, for entries that have the name of a file of
            a camera, but are none, or are a second one of the same camera and minute.
    """

    path: Path
    kind: str
    minutes: tuple[Minute, ...]
    elsewhere: tuple[datetime, ...] = field(default=())
    unused: tuple[str, ...] = field(default=())


def parse_name(path: Path) -> tuple[datetime, str] | None:
    """Stamp and canonical camera of a file of this name; None for other names."""
    match = _NAME.match(path.name)
    if match is None or match[7].lower() not in CAMERAS:
        return None
    try:
        year, month, day, hour, minute, second = (int(text) for text in match.groups(default="0")[:6])
        stamp = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    return stamp, CAMERAS[match[7].lower()]


def find_events(path: Path) -> tuple[EventFiles, ...]:
    """All events at a path: a stick, one of its folders, one event, or one minute; empty for anything else.

    A minute in RecentClips that a saved event beside it holds too counts only there.
    """
    if path.is_file():
        return _single_minute(path)
    events = list(_events_below(path, MAX_DEPTH))
    saved = {minute.stamp for event in events if event.kind in ("saved", "sentry") for minute in event.minutes}
    saved |= {minute.stamp for event in _saved_beside(path) for minute in event.minutes}
    return tuple(_without(event, saved) if event.kind == "recent" else event for event in events)


def kind_of(path: Path) -> str:
    """The kind of an event, by the folders that it lies in."""
    for folder in (path, *path.parents)[:3]:
        if kind := KINDS.get(folder.name.lower()):
            return kind
    return "event"


def _single_minute(path: Path) -> tuple[EventFiles, ...]:
    parsed = parse_name(path)
    if parsed is None:
        return ()
    minutes, unused = _minutes_in(path.parent)
    stamp = path.name.rpartition("-")[0]
    own = tuple(phrase for phrase in unused if phrase.startswith(stamp))
    return tuple(EventFiles(path, "minute", (each,), unused=own) for each in minutes if each.stamp == parsed[0])


def _events_below(folder: Path, depth: int, seen: set[Path] | None = None) -> Iterator[EventFiles]:
    """Events in a folder and below; a folder that links make appear twice counts once."""
    seen = set() if seen is None else seen
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    minutes, unused = _minutes_in(folder)
    if minutes:
        yield EventFiles(folder, kind_of(folder.resolve()), minutes, unused=unused)
    if depth == 0:
        return
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _events_below(entry, depth - 1, seen)


def _saved_beside(path: Path) -> Iterator[EventFiles]:
    """The saved events of the stick on which a RecentClips folder, or a day of it, lies."""
    for folder in (path, path.parent):
        if folder.name.lower() == "recentclips":
            for entry in _entries(folder.resolve().parent):
                if KINDS.get(entry.name.lower()) in ("saved", "sentry"):
                    yield from _events_below(entry, 1)


def _without(event: EventFiles, stamps: set[datetime]) -> EventFiles:
    """An event without the minutes of these stamps, or as it is if nothing would be left."""
    kept = tuple(minute for minute in event.minutes if minute.stamp not in stamps)
    elsewhere = tuple(minute.stamp for minute in event.minutes if minute.stamp in stamps)
    return replace(event, minutes=kept, elsewhere=elsewhere)


def _minutes_in(folder: Path) -> tuple[tuple[Minute, ...], tuple[str, ...]]:
    """The minutes in a folder, and `EventFiles.unused`."""
    found: dict[datetime, dict[str, Path]] = {}
    unused: list[str] = []
    for entry in _entries(folder):
        parsed = parse_name(entry)
        if parsed is None:
            continue
        if not entry.is_file():
            unused.append(f"{entry.name} is {kind_of_file(entry)}")
            continue
        first = found.setdefault(parsed[0], {}).setdefault(parsed[1], entry)
        if first != entry:
            unused.append(f"{entry.name} is of the same camera and minute as {first.name}")
    return tuple(Minute(stamp, found[stamp]) for stamp in sorted(found)), tuple(unused)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []
