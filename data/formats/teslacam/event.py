"""An event with its files opened: what each minute holds, where it lies in time, and what cannot be used."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from fsd.data.clock import floor_ns
from fsd.data.errors import ClipError
from fsd.data.formats.teslacam.event_files import EventFiles
from fsd.data.formats.teslacam.time_line import TimeLine, lay_on_time_line
from fsd.data.frames import CAMERAS
from fsd.data.tesla_encryption import ADVICE, is_encrypted
from fsd.data.video_probe import VideoInfo, probe
from fsd.data.video_stream import VideoStream


@dataclass(frozen=True)
class BrokenFile:
    """A file that cannot be used: its camera is masked for that minute. `why` is a phrase such as `empty`."""

    path: Path
    camera: str
    why: str


@dataclass(frozen=True)
class OpenedEvent:
    """An event, laid in time, with the files that cannot be used."""

    files: EventFiles
    time_line: TimeLine
    broken: tuple[BrokenFile, ...]

    def streams(self) -> dict[str, VideoStream]:
        """Canonical camera -> its files at their places in time."""
        found = {}
        for name in CAMERAS:
            parts = [(placed.start_ns, placed.infos[name]) for placed in self.time_line.minutes if name in placed.infos]
            if parts:
                found[name] = _stream(name, parts, sum(broken.camera == name for broken in self.broken))
        return found

    @property
    def drive_s(self) -> float:
        """Length of all minutes together, without holes."""
        return sum(
            max((float(info.duration_s or 0) for info in placed.infos.values()), default=0.0)
            for placed in self.time_line.minutes
        )


def open_event(files: EventFiles) -> OpenedEvent:
    """Read the headers of all files of an event.

    Raises:
        ClipError: all files are encrypted, or none can be opened.
    """
    broken: list[BrokenFile] = []
    minutes = []
    sized: dict[str, tuple[int, int]] = {}
    for minute in files.minutes:
        infos = {}
        for camera, path in minute.files.items():
            info = _probe(path, camera, camera in sized, broken)
            if info is not None:
                sized.setdefault(camera, (info.width_px, info.height_px))
                infos[camera] = info
        minutes.append((minute, infos))
    if not sized:
        if broken and all(each.why == "encrypted" for each in broken):
            raise ClipError(f"{files.path} cannot be opened: {ADVICE}.")
        reasons = "; ".join(f"{each.path.name} is {each.why}" for each in broken[:4])
        raise ClipError(
            f"{files.path}: none of its {len(broken)} files can be opened ({reasons}). "
            "Copy the event from the stick again."
        )
    return OpenedEvent(files, lay_on_time_line(minutes), tuple(broken))


def _probe(path: Path, camera: str, is_later: bool, broken: list[BrokenFile]) -> VideoInfo | None:
    try:
        if path.stat().st_size == 0:
            why = "empty"
        elif is_encrypted(path):
            why = "encrypted"
        else:
            return probe(path, decodes=not is_later)
    except OSError as error:
        why = f"not readable ({error.strerror})"
    except ClipError as error:
        why = "cut off or damaged" if path.stat().st_size else str(error)
    broken.append(BrokenFile(path, camera, why))
    return None


def _stream(name: str, parts: list[tuple[int, VideoInfo]], unreadable: int) -> VideoStream:
    infos = [info for _, info in parts]
    spans = tuple(_span_ns(start_ns, info) for start_ns, info in parts)
    cadences = [info.cadence for info in infos if info.cadence is not None]
    cadence = None
    if cadences:
        # The first part's phase is that of the run; the beat may be as uneven as in the worst part.
        cadence = replace(cadences[0], jitter_ns=max(each.jitter_ns for each in cadences))
    return VideoStream(
        name=name,
        parts=tuple(info.path for info in infos),
        width_px=infos[0].width_px,
        height_px=infos[0].height_px,
        codec=infos[0].codec,
        rate_hz=infos[0].rate_hz,
        part_start_ns=tuple(start_ns for start_ns, _ in parts),
        part_spans_ns=spans,
        start_ns=spans[0][0],
        end_ns=spans[-1][1],
        cadence=cadence,
        unreadable_parts=unreadable,
    )


def _span_ns(start_ns: int, info: VideoInfo) -> tuple[int, int]:
    first_s = info.start_s or Fraction(0)
    last_s = first_s + max(Fraction(0), (info.duration_s or Fraction(0)) - 1 / info.rate_hz)
    return start_ns + floor_ns(first_s), start_ns + floor_ns(last_s)
