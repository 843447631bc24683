"""Open a recording of any known format, and find the recordings in a folder of many."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from fsd.data.clip import Clip
from fsd.data.errors import ClipError
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
from fsd.data.recording_options import CameraOptions

ENTRY_POINT = "fsd.recording_formats"
"""Group of entry points; each names a class without arguments that is a `RecordingFormat`."""


@cache
def recording_formats() -> tuple[RecordingFormat, ...]:
    """All formats in the order in which they are asked: the first that recognises a path opens it.

    Raises:
        ClipError: a format of a third party cannot be loaded.
    """
    return (
        *_third_party_formats(),
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
    """The format of a path, and what was recognised.

    Raises:
        ClipError: the path does not exist.
    """
    if not split_fragment(path)[0].exists():
        raise ClipError(f"{path} does not exist. Give a folder of recordings or a video file.")
    for each in recording_formats():
        match = each.detect(path)
        if match is not None:
            return each, match
    raise AssertionError("the last format recognises everything")


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
    """
    path, options = Path(path), options or CameraOptions()
    found, match = detect(path)
    if options.cameras:
        return VideoFolder().open(path, options)
    if len(match.recordings) > 1:
        names = ", ".join(str(each) for each in match.recordings[:6])
        more = f" and {len(match.recordings) - 6} more" if len(match.recordings) > 6 else ""
        raise ClipError(
            f"{path} holds {len(match.recordings)} recordings: {names}{more}. Give one of them; `fsd replay` takes "
            "the folder and replays them all."
        )
    return found.open(match.recordings[0] if match.recordings else path, options)


def recordings_in(paths: Sequence[Path]) -> list[Path]:
    """The single recordings at these paths, in order, each once; a path that does not exist stays as it is.

    Raises:
        ClipError: a format of a third party cannot be loaded.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if split_fragment(path)[0].exists():
            found.update(dict.fromkeys(detect(path)[1].recordings or (path,)))
        else:
            found[path] = None
    return list(found)


def _third_party_formats() -> list[RecordingFormat]:
    formats = []
    for entry in sorted(entry_points(group=ENTRY_POINT), key=lambda entry: entry.name):
        try:
            formats.append(entry.load()())
        except Exception as error:
            raise ClipError(
                f"The recording format {entry.name} of {entry.value} cannot be loaded ({error!r}). "
                "Update or uninstall the package that it comes from."
            ) from error
    return formats
