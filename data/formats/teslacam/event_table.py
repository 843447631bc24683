"""One row per event on a stick: when, why, how long, which cameras, how much telemetry, what is broken."""

from dataclasses import dataclass, replace
from pathlib import Path

from fsd.data.errors import ClipError
from fsd.data.formats.teslacam.event import OpenedEvent, open_event
from fsd.data.formats.teslacam.event_files import EventFiles, find_events
from fsd.data.formats.teslacam.event_info import load_event_info
from fsd.data.formats.teslacam.teslacam_format import telemetry_of
from fsd.data.frames import CAMERAS
from fsd.data.stretches import stretches_ns


@dataclass(frozen=True)
class EventRow:
    """One event.

    Attributes:
        path: what to replay; kind: `recent`, `saved`, `sentry`, `event` or `minute`.
        start: date and time of the first picture; saved_at: as the event's own file says.
        drive_s: length without holes; runs: stretches that holes of over 2 s divide.
        telemetry_coverage: share of pictures with telemetry, 0 … 1; None where it was not read.
        faults: what cannot be used, one phrase each; error: why the event cannot be replayed at all.
    """

    path: str
    kind: str
    start: str
    saved_at: str | None
    reason: str | None
    cameras: tuple[str, ...]
    drive_s: float = 0.0
    runs: int = 0
    telemetry_coverage: float | None = None
    faults: tuple[str, ...] = ()
    error: str | None = None


def event_rows(path: Path, reads_telemetry: bool = True) -> list[EventRow]:
    """Describe all events at a path, from the headers of their files and, if wanted, the telemetry of one camera."""
    return [_row(files, reads_telemetry) for files in find_events(path) if files.minutes]


def _row(files: EventFiles, reads_telemetry: bool) -> EventRow:
    info = load_event_info(files.path) if files.path.is_dir() else None
    named = {camera for minute in files.minutes for camera in minute.files}
    row = EventRow(
        path=str(files.path),
        kind=files.kind,
        start=str(files.minutes[0].stamp),
        saved_at=None if info is None or info.saved_at is None else str(info.saved_at),
        reason=None if info is None else info.reason,
        cameras=tuple(name for name in CAMERAS if name in named),
    )
    try:
        event = open_event(files)
    except ClipError as error:
        return replace(row, error=str(error))
    streams = event.streams()
    return replace(
        row,
        start=event.time_line.wall_clock.text_at(0),
        cameras=tuple(streams),
        drive_s=round(event.drive_s, 3),
        runs=len(stretches_ns(streams.values())),
        telemetry_coverage=_coverage(event) if reads_telemetry else None,
        faults=(*(f"{broken.path.name} is {broken.why}" for broken in event.broken), *files.unused),
    )


def _coverage(event: OpenedEvent) -> float:
    rows = [rows for _, rows in telemetry_of(event)]
    pictures = sum(each.pictures for each in rows)
    return round(sum(len(each) for each in rows) / pictures, 4) if pictures else 0.0
