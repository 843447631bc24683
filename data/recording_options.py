"""How a recording is read: the options that every command over recordings shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fsd.data.frames import MAX_FRAME_AGE_MS
from fsd.data.mounting_options import MountingOptions
from fsd.data.options import Options, option

if TYPE_CHECKING:
    from fsd.data.clip import Clip
    from fsd.data.frame_source import FrameSource


HARDWARE = ("cuda", "qsv", "vaapi", "videotoolbox", "d3d11va", "vulkan")
"""Kinds of hardware that decode video, as FFmpeg names them, in the order of `auto`; NVDEC is `cuda`."""


def camera_pair(text: str) -> tuple[str, Path]:
    """`NAME=FILE` as a pair; the file may be a folder, a pattern, or several with commas (`files_named`).

    Raises:
        ValueError: a name, a file, or the sign between them is missing.
    """
    name, separator, file = text.partition("=")
    if not separator or not name or not file:
        raise ValueError(f"Write NAME=FILE, for example front_main=dashcam.mp4; got {text!r}.")
    return name, Path(file)


@dataclass(frozen=True, kw_only=True)
class HealthOptions(Options):
    """What becomes of cameras with faults."""

    heading = "recording"

    mask_cameras: bool = option(
        True,
        "do not mask cameras whose pictures are faulty, such as frozen, black or noisy ones; faults are still named",
    )


@dataclass(frozen=True, kw_only=True)
class TickOptions(Options):
    """How many ticks are run, and how old the images of one may be."""

    heading = "recording"

    max_ticks: int | None = option(
        None, "stop after this many ticks, 36 per second of recording", at_least=1, default_text="all"
    )
    max_age_ms: float = option(
        MAX_FRAME_AGE_MS, "mask a camera while its newest image is older than this", unit="ms", above=0
    )


@dataclass(frozen=True, kw_only=True)
class CameraOptions(HealthOptions, MountingOptions):
    """Which video is which camera, and how many threads decode them.

    A value of `cameras` is a video, a folder of parts, a pattern such as `*_NF.mp4`, or several of these with commas;
    relative ones are looked up in the clip's folder first.
    """

    heading = "recording"

    cameras: Mapping[str, Path] | None = option(
        None,
        "video of each camera, for recordings whose file names do not name the cameras, for example "
        "front_main=dashcam.mp4; a folder, a quoted pattern such as 'rear=*_NR.mp4', or several files with commas are "
        "parts in order; looked up in CLIP, then in the current folder",
        metavar="NAME=FILE",
        default_text="as the file names say",
        parse=camera_pair,
    )
    rate_hz: float | None = option(
        None,
        "frames per second of videos that carry no times, such as raw .hevc streams",
        unit="Hz",
        at_least=1,
        at_most=1000,
        default_text="the format's own, or a guess from the header",
    )
    align_start: bool = option(
        False, "let all cameras start at the same time, for videos whose clocks count from different starts"
    )
    decode_workers: int = option(2, "threads that decode video, each serving several cameras", at_least=1)
    hwaccel: str = option(
        "none",
        "hardware that decodes video: auto takes the first kind that opens, and says what it took; another kind that "
        "cannot decode the recording is an error",
        choices=("none", "auto", *HARDWARE),
        metavar="NAME",
    )


@dataclass(frozen=True, kw_only=True)
class RecordingOptions(TickOptions, CameraOptions):
    """Which recording is read, and how much of it."""

    heading = "recording"

    clip: Path = option(help="recording: a clip folder, a folder of videos, or one video file", flag="", metavar="CLIP")
    start_s: float = option(
        0.0,
        "begin this long after the start of the recording; only what follows is decoded",
        unit="s",
        at_least=0,
        flag="--start",
    )
    duration_s: float | None = option(
        None, "read this much of the recording", unit="s", above=0, flag="--duration", default_text="to the end"
    )

    def frame_source(self, clip: "Clip") -> "FrameSource":
        """The frame sets of an opened recording, as these options say."""
        from fsd.data.frame_source import FrameSource  # loads the decoders, which `--help` does not need

        return FrameSource(
            clip,
            workers=self.decode_workers,
            max_age_ns=round(self.max_age_ms * 1e6),
            max_ticks=self.max_ticks,
            mask_cameras=self.mask_cameras,
        )
