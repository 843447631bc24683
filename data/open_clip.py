"""Open a recording of any known format, and find the recordings in a folder of many."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.errors import ClipError, FsdError, UsageError, few
from fsd.data.formats.argoverse2 import Argoverse2
from fsd.data.formats.comma2k19 import Comma2k19
from fsd.data.formats.dashcam import DashCam
from fsd.data.formats.fragment import split_fragment
from fsd.data.formats.image_folder import ImageFolder
from fsd.data.formats.kitti_raw import KittiRaw
from fsd.data.formats.lerobot import LeRobot
from fsd.data.formats.mcap_file.mcap_format import McapFile
from fsd.data.formats.nuscenes import NuScenes
from fsd.data.formats.nvidia_physicalai_av import NvidiaPhysicalAiAv
from fsd.data.formats.openpilot import Openpilot
from fsd.data.formats.recording_format import Match, RecordingFormat
from fsd.data.formats.teslacam.teslacam_format import TeslaCam
from fsd.data.formats.video_folder import VideoFolder
from fsd.data.hardware_decode import on_hardware
from fsd.data.mounting import mounted
from fsd.data.printable import printable
from fsd.data.recording_options import CameraOptions, RecordingOptions
from fsd.data.time_window import part_of
from fsd.data.video_probe import kind_of_file
from fsd.data.video_stream import VideoStream

ENTRY_POINT = "fsd.recording_formats"
"""Group of entry points; each names a class without arguments that is a `RecordingFormat`."""

_PASSED_OVER = "The recording format"
_ALIGNED_FORMATS = ("native", "folder", "parts", "file", "mapping", "dashcam")
"""`Clip.format` of recordings whose cameras may have clocks of their own."""
_RATE_TOLERANCE = 0.01


@cache
def _own_formats() -> tuple[RecordingFormat, ...]:
    """In the order in which they are asked, after those of third parties: the first that recognises a path opens it."""
    return (
        TeslaCam(),
        Openpilot(),
        Comma2k19(),
        LeRobot(),
        NvidiaPhysicalAiAv(),
        NuScenes(),
        Argoverse2(),
        KittiRaw(),
        McapFile(),
        DashCam(),
        ImageFolder(),
        VideoFolder(),
    )


def detect(path: Path) -> tuple[RecordingFormat, Match]:
    """The format of a path, and what was recognised; a format of a third party that fails is passed over.

    Raises:
        ClipError: the path does not exist, or is a pipe or a device.
    """
    place = split_fragment(path)[0]
    if not place.exists():
        raise ClipError(f"{path} does not exist. Give a folder of recordings or a video file.")
    if not (place.is_file() or place.is_dir()):  # opening it would wait for ever
        raise ClipError(f"{path} is {kind_of_file(place)}. Give a folder of recordings or a video file.")
    third_party, _ = _third_party_formats()
    for each in third_party:
        try:
            match = each.detect(path)
        except Exception:  # `format_problems` names it
            continue
        if isinstance(match, Match):
            return each, match
    for each in _own_formats():
        try:
            match = each.detect(path)
        except OSError:  # not readable: opening it says so
            continue
        if match is not None:
            return each, match
    raise AssertionError("the last format recognises everything")


def check_holds_recording(path: Path, found: RecordingFormat, match: Match) -> None:
    """Refuse a path that only the last format took, which takes all, and that it cannot open.

    Raises:
        ClipError: as opening it does.
    """
    if isinstance(found, VideoFolder) and match.recordings in ((), (path,)):
        found.open(path, CameraOptions())


def format_problems(path: Path) -> list[str]:
    """One sentence for every format of a third party that cannot be loaded, or that fails on this path."""
    formats, problems = _third_party_formats()
    found = list(problems)
    for each in formats:
        try:
            match = each.detect(path)
        except Exception as error:
            found.append(f"{_PASSED_OVER} {_name(each)} is passed over: it fails on this recording ({error!r}).")
            continue
        if isinstance(match, Match):
            break
        if match is not None:
            found.append(f"{_PASSED_OVER} {_name(each)} is passed over: it returned {match!r}, which is no match.")
    return found


def open_clip(path: Path, options: CameraOptions | None = None) -> Clip:
    """Open one recording. No video is copied or read to its end.

    Args:
        path: a folder or a file.
        options: which video is which camera, and what else the recording does not say; with `cameras`, the videos are
            taken as they are named there, whatever the format.

    Raises:
        ClipError: nothing usable is there, a file is broken, or the path holds several recordings.
        RigError: a calibration is wrong or does not match the videos.
        ClockError: times cannot be used.
        UsageError: the hardware that should decode it cannot.
    """
    path, options = Path(path), options or CameraOptions()
    found, match = detect(path)
    if options.cameras:
        return _with_notes(VideoFolder().open(path, options), path, options)
    if len(match.recordings) > 1:
        raise ClipError(
            f"{path} holds {len(match.recordings)} recordings: {few([str(each) for each in match.recordings])}. "
            "Give one of them; `fsd replay` takes the folder and replays them all."
        )
    recording = match.recordings[0] if match.recordings else path
    if found in _own_formats():
        return _with_notes(found.open(recording, options), path, options)
    try:
        clip = found.open(recording, options)
        return _with_notes(clip, path, options)
    except FsdError:
        raise
    except Exception as error:
        raise ClipError(
            f"{path}: the recording format {_name(found)} fails ({error!r}). Update or uninstall the package that it "
            "comes from."
        ) from error


def _with_notes(clip: Clip, path: Path, options: CameraOptions) -> Clip:
    """The clip with notes on formats that were passed over, and on options that its format does not use."""
    notes = format_problems(path)
    given_hz = options.rate_hz
    if given_hz is not None and not any(_has_rate_of(stream, given_hz) for stream in clip.streams if stream):
        notes.append(f"--rate-hz {given_hz:g} is NOT USED: this recording states the times of its pictures itself.")
    if options.align_start and clip.format not in _ALIGNED_FORMATS:
        notes.append("--align-start is NOT USED: recordings of this format have one clock.")
    if options.is_given:
        clip, note = _mounted(clip, options)
        notes.append(note)
    opened = on_hardware(replace(clip, notes=(*clip.notes, *map(printable, notes))), options.hwaccel)
    if isinstance(options, RecordingOptions):
        return part_of(opened, options.start_s, options.duration_s)
    return opened


def _mounted(clip: Clip, options: CameraOptions) -> tuple[Clip, str]:
    """The clip with cameras as the options say, and a sentence about it.

    Raises:
        UsageError: its calibration is known.
    """
    if not clip.rig_is_assumed:
        raise UsageError(
            f"--hfov, --height and --pitch are for recordings without calibration; {clip.name} has {clip.rig.name}. "
            "Leave them out, or change its calibration."
        )
    rig, note = mounted(clip.rig, options, tuple(clip.sizes_px))
    return replace(clip, rig=rig), note


def _has_rate_of(stream: CameraStream, rate_hz: float) -> bool:
    """Whether the times of a camera are made of this rate."""
    if isinstance(stream, VideoStream):
        return stream.timestamps is None and not stream.has_times
    return stream.timestamps is None and abs(float(stream.rate_hz) / rate_hz - 1) < _RATE_TOLERANCE


def recordings_in(paths: Sequence[Path]) -> list[Path]:
    """The single recordings at these paths, in order, each once; a path that does not exist stays as it is."""
    found: dict[Path, None] = {}
    for path in paths:
        if split_fragment(path)[0].exists():
            found.update(dict.fromkeys(detect(path)[1].recordings or (path,)))
        else:
            found[path] = None
    return list(found)


@cache
def _third_party_formats() -> tuple[tuple[RecordingFormat, ...], tuple[str, ...]]:
    """The formats that can be loaded, and one sentence for each that cannot."""
    formats, problems = [], []
    for entry in sorted(entry_points(group=ENTRY_POINT), key=lambda entry: entry.name):
        try:
            formats.append(entry.load()())
        except Exception as error:
            problems.append(
                f"{_PASSED_OVER} {entry.name} of {entry.value} is passed over: it cannot be loaded ({error!r}). "
                "Update or uninstall the package that it comes from."
            )
    return tuple(formats), tuple(problems)


def _name(found: RecordingFormat) -> str:
    return str(getattr(found, "name", type(found).__name__))
