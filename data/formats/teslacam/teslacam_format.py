"""TeslaCam sticks, folders, events and minutes as recordings."""

from collections.abc import Mapping
from pathlib import Path

from fsd.data.calibration.known_vehicles import known_rig
from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.data.counted import counted
from fsd.data.errors import ClipError, few
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.recording_format import Match
from fsd.data.formats.teslacam.event import OpenedEvent, open_event
from fsd.data.formats.teslacam.event_files import find_events
from fsd.data.formats.teslacam.event_info import load_event_info
from fsd.data.formats.teslacam.telemetry import TelemetryRows, read_telemetry
from fsd.data.formats.teslacam.vehicle_tracks import vehicle_tracks
from fsd.data.frames import CAMERAS
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import load_rig
from fsd.data.tesla_encryption import ADVICE, is_encrypted
from fsd.data.video_stream import VideoStream
from fsd.data.wall_clock import Moment

_NAMED_FILES = 6


class TeslaCam:
    """Each event is a recording, and so is RecentClips, or a day of it."""

    name = "teslacam"
    description = "a TeslaCam stick, one of its folders, an event, or a minute"

    def detect(self, path: Path) -> Match | None:
        events = [event for event in find_events(path) if event.minutes]
        if not events:
            is_encrypted_clip = path.is_file() and is_encrypted(path)
            return Match("an encrypted TeslaCam clip", (path,)) if is_encrypted_clip else None
        minutes = [minute for event in events for minute in event.minutes]
        cameras = {camera for minute in minutes for camera in minute.files}
        return Match(
            f"{counted(len(minutes), 'minute')} of {counted(len(cameras), 'camera')} in "
            f"{counted(len(events), 'event')}, named as TeslaCam names them",
            tuple(event.path for event in events),
        )

    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open an event; a file that cannot be opened leaves its camera masked for that minute.

        Raises:
            ClipError: it is encrypted, or none of its files can be opened.
        """
        files = next((event for event in find_events(path) if event.path == path), None)
        if files is None:
            why = ADVICE if is_encrypted(path) else "it holds no minute that is not also in a saved event"
            raise ClipError(f"{path} cannot be opened: {why}.")
        event = open_event(files)
        tracks = vehicle_tracks(telemetry_of(event))
        streams, rig_path = event.streams(), path / "rig.json"
        return make_clip(
            path,
            self.name,
            streams,
            [*_notes(event), *tracks.notes],
            load_rig(rig_path) if path.is_dir() and rig_path.exists() else None,
            assumed=known_rig({name: (each.width_px, each.height_px) for name, each in streams.items()}),
            name=f"{files.minutes[0].stamp:%Y-%m-%d_%H-%M-%S}" if files.kind == "minute" else None,
            ego=tracks.ego,
            steering=tracks.steering,
            places=tracks.places,
            commands=tracks.commands,
            modes=tracks.modes,
            wall_clock=event.time_line.wall_clock,
            moments=_moments(event, streams),
        )


def telemetry_of(event: OpenedEvent) -> list[tuple[int, TelemetryRows]]:
    """The telemetry of every minute, each with the time of its container's 0, from the first camera that has any.

    All cameras of a minute carry the same telemetry. A minute without any is represented by its first camera.
    """
    found = []
    for placed in event.time_line.minutes:
        files = [placed.infos[name].path for name in CAMERAS if name in placed.infos]
        first: TelemetryRows | None = None
        for path in files:
            rows = read_telemetry(path)
            if first is None:
                first = rows
            if len(rows):
                first = rows
                break
        if first is not None:
            found.append((placed.start_ns, first))
    return found


def _notes(event: OpenedEvent) -> list[str]:
    notes = list(event.time_line.notes)
    if event.files.elsewhere:
        shared = counted(len(event.files.elsewhere), "minute")
        notes.append(f"Left out, since saved events beside this folder hold them too: {shared}.")
    if event.files.unused:
        notes.append(f"Not used: {few(event.files.unused)}.")
    if event.broken:
        named = ", ".join(f"{each.path.name} ({each.camera}) is {each.why}" for each in event.broken[:_NAMED_FILES])
        more = f", and {len(event.broken) - _NAMED_FILES} more" if len(event.broken) > _NAMED_FILES else ""
        notes.append(
            f"{counted(len(event.broken), 'file')} cannot be used; the camera is masked meanwhile: {named}{more}."
        )
        if any(each.why == "encrypted" for each in event.broken):
            notes.append(f"Of an encrypted file: {ADVICE}.")
    return notes


def _moments(event: OpenedEvent, streams: Mapping[str, VideoStream]) -> tuple[Moment, ...]:
    """When the event was saved, placed by the local time of its first minute."""
    info = load_event_info(event.files.path) if event.files.path.is_dir() else None
    if info is None or info.saved_at is None:
        return ()
    first = event.time_line.minutes[0]
    timestamp_ns = first.start_ns + round((info.saved_at - event.files.minutes[0].stamp).total_seconds()) * SECOND_NS
    last_ns = max(stream.end_ns or 0 for stream in streams.values())
    if not first.start_ns <= timestamp_ns <= last_ns:
        return ()  # the event was saved after its last picture, or a clock was set
    return (Moment(timestamp_ns, info.reason or "saved"),)
