"""Read what a video file contains from its header and its first picture.

Decodes one picture at most; `VideoReader` reads the whole file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fsd.data.cadence import Cadence, measure_cadence
from fsd.data.clock import SECOND_NS
from fsd.data.errors import ClipError
from fsd.data.hardware_decode import accelerator, refused
from fsd.data.planes import check_size, limit_decoder, upright_size_px
from fsd.data.tesla_encryption import ADVICE, is_encrypted

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".ivf"}
    | {".h264", ".264", ".avc", ".hevc", ".h265", ".265", ".mjpeg", ".mjpg", ".obu"}
)

_NO_TIMESTAMPS = 0x80  # AVFMT_NOTIMESTAMPS: raw streams, whose demuxer invents times or has none
_FIRST_PICTURE_PACKETS = 300
_CADENCE_PACKETS = 720
_CADENCE_BYTES = 32_000_000
"""Without an index, times are taken from the packets at the start: so many, and no further into the file than this."""
_REORDERED = 16
"""The last packets of those may be followed by some that are shown before them: H.264 and HEVC hold back up to 16."""

_FIRST_YEAR = 2000
_LONG_S = 600
_LEAST_PICTURE_BYTES = 8
"""A long file with less than this for every picture of its stated duration does not last that long."""


@dataclass(frozen=True)
class VideoInfo:
    """One video file.

    Attributes:
        width_px, height_px: after rotation metadata is applied.
        codec: as FFmpeg names it; rate_hz: nominal, exact.
        has_times: whether the container carries times at all.
        start_s, duration_s: as the container states them, or None.
        created_unix_ns: when the recording began, as the container states it in UTC, or None. Many cameras write local
            time there.
        states_rate: `rate_hz` comes from the file; False where it is FFmpeg's default.
        cadence: of the times in the container's index, or without one of the first packets' times; None where they are
            not known, and for later parts without an index.
        pictures: how many the file holds, where the container's index states it.
    """

    path: Path
    codec: str
    width_px: int
    height_px: int
    rate_hz: Fraction
    has_times: bool
    start_s: Fraction | None
    duration_s: Fraction | None
    created_unix_ns: int | None = None
    states_rate: bool = True
    cadence: Cadence | None = None
    pictures: int | None = None


def kind_of_file(path: Path) -> str:
    """What a path is that is no file, as a phrase."""
    if path.is_symlink() and not path.exists():
        return "a link to nothing"
    if not path.exists():
        return "not there"
    return "a folder" if path.is_dir() else "a pipe or a device"


@contextmanager
def opened(path: Path, hwaccel: str = "") -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """Open a video file with one decoder thread, and close it afterwards.

    Args:
        path: the file.
        hwaccel: hardware that decodes it; "" is software.

    Raises:
        ClipError: it cannot be opened as video, or not decoded by that hardware.
    """
    try:
        if not path.is_file():
            raise ClipError(f"{path} cannot be opened as video: it is {kind_of_file(path)}. Check the path.")
        if path.stat().st_size == 0:
            raise ClipError(f"{path} is empty (0 bytes). Copy it again, or remove it to run without this camera.")
        # Text that is not UTF-8 is no reason to stop.
        container = av.open(str(path), metadata_errors="replace", hwaccel=accelerator(hwaccel))
    except UnicodeEncodeError as error:
        raise ClipError(f"{path} has a name that is not UTF-8 text. Rename it.") from error
    except (OSError, av.FFmpegError, RuntimeError) as error:
        if hwaccel:
            raise refused(path, hwaccel, error) from error
        if is_encrypted(path):
            raise ClipError(f"{path} cannot be opened: {ADVICE}.") from error
        reason = getattr(error, "strerror", None) or error
        raise ClipError(
            f"{path} cannot be opened as video ({reason}). It may be damaged or cut off before its index "
            "was written. Copy or repair it, or remove it to run without this camera."
        ) from error
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream):
            kinds = ", ".join(sorted({other.type for other in container.streams})) or "nothing"
            raise ClipError(
                f"{path} has no video stream (it has {kinds}). It is no video, or was cut off; "
                "copy it again, or remove it to run without this camera."
            )
        if stream.codec_context is None:
            raise ClipError(
                f"{path} is coded with a codec that has no decoder here (or its header is damaged). Convert it with "
                f"`ffmpeg -i {path.name} -c:v libx264 out.mp4` where it plays, or remove it to run without this camera."
            )
        if stream.width or stream.height:  # raw streams state none here
            check_size(path, stream.width, stream.height)
        # One codec thread per worker thread: automatic threading costs 10-25% more CPU, and frame threading delays
        # every picture by one frame per thread.
        limit_decoder(stream.codec_context)
        if hwaccel and not stream.codec_context.is_hwaccel:
            raise refused(path, hwaccel, f"the decoder {stream.codec_context.name} cannot use it")
        yield container, stream


def probe(path: Path, decodes: bool = True) -> VideoInfo:
    """Read a file's header and decode its first picture.

    Args:
        path: the file.
        decodes: False reads the header alone, for the later parts of a recording; the size is then not rotated.

    Raises:
        ClipError: the file is missing, empty, damaged, without video, or nothing in it can be decoded.
    """
    with opened(path) as (container, stream):
        has_times = not container.format.flags & _NO_TIMESTAMPS
        width_px, height_px = stream.width, stream.height
        packets = _TimedPackets(container, stream)
        if decodes:
            picture = _first_picture(path, packets, stream)
            _check_progressive(path, picture)
            width_px, height_px = upright_size_px(picture)
            check_size(path, width_px, height_px)
        return VideoInfo(
            path=path,
            codec=stream.codec_context.name,
            width_px=width_px,
            height_px=height_px,
            rate_hz=_nominal_rate_hz(stream, has_times),
            has_times=has_times,
            start_s=_seconds(stream.start_time, stream) if has_times else None,
            duration_s=_duration_s(container, stream) if has_times else None,
            states_rate=has_times or bool(_declared_rate_hz(stream)),
            created_unix_ns=_created_unix_ns(container, stream),
            cadence=_cadence(container, stream, packets if decodes else None) if has_times else None,
            pictures=stream.frames if has_times and _has_whole_index(stream) else None,
        )


def _check_progressive(path: Path, picture: av.VideoFrame) -> None:
    if picture.interlaced_frame:
        raise ClipError(
            f"{path} is interlaced: every picture holds lines of two instants. Deinterlace it first, for example with "
            f"`ffmpeg -i {path.name} -vf bwdif -c:v libx264 -crf 16 {path.stem}_progressive.mp4`."
        )


class _TimedPackets:
    """The packets of a stream from its start; `pts` are the presentation times of those handed out."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._packets = container.demux(stream)
        self.pts: list[int] = []
        self.read_bytes = 0

    def __iter__(self) -> Iterator[av.Packet]:
        return self

    def __next__(self) -> av.Packet:
        packet = next(self._packets)
        self.read_bytes = max(self.read_bytes + packet.size, packet.pos or 0)
        if packet.size and packet.pts is not None and not packet.is_discard:
            self.pts.append(packet.pts)
        return packet


def _first_picture(path: Path, packets: _TimedPackets, stream: av.VideoStream) -> av.VideoFrame:
    cause: Exception | None = None
    for _ in range(_FIRST_PICTURE_PACKETS):
        try:
            pictures = next(packets).decode()
        except StopIteration:
            break
        except av.FFmpegError as error:
            cause = error
            continue
        if pictures:
            picture = pictures[0]
            assert isinstance(picture, av.VideoFrame)
            return picture
    raise ClipError(
        f"{path} holds no picture that can be decoded (codec {stream.codec_context.name}). It is damaged or cut off; "
        "copy or repair it, or remove it to run without this camera."
    ) from cause


def _nominal_rate_hz(stream: av.VideoStream, has_times: bool) -> Fraction:
    # The demuxer of raw streams reports 25 frames/s for all of them; the codec's header, where there is one, is right.
    declared = _declared_rate_hz(stream)
    candidates = (stream.average_rate, stream.guessed_rate) if has_times else (declared, stream.guessed_rate)
    return next((Fraction(rate) for rate in candidates if rate and 1 <= rate <= 1000), Fraction(30))


def _declared_rate_hz(stream: av.VideoStream) -> Fraction | None:
    return stream.codec_context.framerate or None


def _seconds(units: int | None, stream: av.VideoStream) -> Fraction | None:
    return None if units is None or stream.time_base is None else units * stream.time_base


def _created_unix_ns(container: av.container.InputContainer, stream: av.VideoStream) -> int | None:
    text = container.metadata.get("creation_time") or stream.metadata.get("creation_time") or ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment.year < _FIRST_YEAR:  # a clock that was never set
        return None
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def _indexed_duration(stream: av.VideoStream) -> int | None:
    """Number of pictures times their mean step: the stated duration is off where the last step is a guess."""
    entries = stream.index_entries
    count = len(entries)
    if count < 2 or count != stream.frames or stream.duration is None:
        return None
    steps = entries[-1].timestamp - entries[0].timestamp
    duration = round(Fraction(steps * count, count - 1))
    return duration if abs(duration - stream.duration) * (count - 1) <= 2 * steps else None


def _has_whole_index(stream: av.VideoStream) -> bool:
    """Whether the index lists every picture, as in MP4 and AVI; Matroska lists keyframes, as far as it was read."""
    return 0 < stream.frames == len(stream.index_entries)


def _cadence(
    container: av.container.InputContainer, stream: av.VideoStream, packets: _TimedPackets | None
) -> Cadence | None:
    """By the index where it lists all pictures in order; else by the times of the first packets, without decoding."""
    if stream.time_base is None:
        return None
    if not stream.codec_context.has_b_frames and _has_whole_index(stream):
        pts = [entry.timestamp for entry in stream.index_entries]
    elif packets is None or container.format.name == "avi" or _has_whole_index(stream):
        return None  # an index holds decoding times, which jitter differently; AVI has no others
    else:
        pts = _first_times(packets)
    units_ns, per = stream.time_base.numerator * SECOND_NS, stream.time_base.denominator
    return measure_cadence(np.array([time * units_ns // per for time in pts], np.int64))  # as `floor_ns`, all at once


def _first_times(packets: _TimedPackets) -> list[int]:
    """Presentation times from the start of a file, in order, without the last ones where more follow."""
    is_cut = True
    while len(packets.pts) < _CADENCE_PACKETS and packets.read_bytes < _CADENCE_BYTES:
        try:
            next(packets)
        except (StopIteration, av.FFmpegError):
            is_cut = False
            break
    pts = sorted(packets.pts)
    return pts[:-_REORDERED] if is_cut else pts


def _duration_s(container: av.container.InputContainer, stream: av.VideoStream) -> Fraction | None:
    """The stated duration; None where there is none, or where one stray time made it absurd for the file's size."""
    if stream.duration:
        duration_s = _seconds(_indexed_duration(stream) or stream.duration, stream)
    else:
        duration_s = Fraction(container.duration, av.time_base) if container.duration else None
    if duration_s is None or duration_s < _LONG_S:
        return duration_s
    pictures = duration_s * _nominal_rate_hz(stream, has_times=True)
    return duration_s if container.size >= _LEAST_PICTURE_BYTES * pictures else None
