"""The pictures of one camera as single image files (JPEG or PNG), each with its time.

A file is read when its picture is due, and decoded once. A damaged or missing file is counted in `CameraCounters` and
skipped; it keeps its place among the pictures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fsd.data.cadence import measure_cadence
from fsd.data.camera_stream import CameraStream, Picture
from fsd.data.clock import SECOND_NS, check_steps, check_times
from fsd.data.errors import ClipError
from fsd.data.planes import check_size, limit_decoder, upright_size_px
from fsd.data.sync_report import CameraCounters

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})

_PROBED_IMAGES = 20
"""As many images are tried for the first one that can be decoded."""

_CODECS = {b"\xff\xd8\xff": "mjpeg", b"\x89PN": "png"}
"""First three bytes of a file -> decoder; the name's ending is not asked."""

_JPEG_END = b"\xff\xd9"


@dataclass(frozen=True, kw_only=True)
class ImageStream(CameraStream):
    """A camera in single image files.

    Attributes:
        images: the files, in order.
        image_ns: (n,) int64 time of each image.
    """

    images: tuple[Path, ...]
    image_ns: np.ndarray = field(compare=False)

    @property
    def files(self) -> tuple[Path, ...]:
        return self.images

    @property
    def spans_ns(self) -> tuple[tuple[int, int], ...]:
        stretches = np.split(self.image_ns, np.flatnonzero(np.diff(self.image_ns) > SECOND_NS) + 1)
        return tuple((int(each[0]), int(each[-1])) for each in stretches)

    def pictures(self, counters: CameraCounters) -> Iterator[Picture]:
        size_px = (self.width_px, self.height_px)
        decoder = _ImageDecoder()
        for index, path in enumerate(self.images):
            try:
                data = path.read_bytes()
            except (OSError, ValueError):  # a table may name a file as no file can be named
                counters.lost_frames += 1
                continue
            picture = decoder.decode(data)
            if picture is None:
                counters.corrupt_packets += 1
                counters.lost_frames += 1
                continue
            counters.frames_decoded += 1
            counters.corrupt_frames += picture.is_corrupt
            counters.resized_frames += upright_size_px(picture) != size_px
            yield Picture(index, int(self.image_ns[index]), picture)


def image_stream(name: str, images: Sequence[Path], timestamp_ns: np.ndarray) -> ImageStream:
    """The stream of a camera; decodes the first image that can be decoded.

    Args:
        name: canonical.
        images: files, in order; there is at least one.
        timestamp_ns: (n,) int64 time of each.

    Raises:
        ClipError: none of the first images can be decoded.
        ClockError: the times are none in nanoseconds.
    """
    timestamp_ns = np.asarray(timestamp_ns, np.int64)
    check_times(images[0].parent, "times", timestamp_ns)
    check_steps(images[0].parent, "times", np.unique(timestamp_ns))
    if len(timestamp_ns) != len(images):
        raise ValueError(f"{len(images)} images have {len(timestamp_ns)} times.")
    codec, picture = _first_picture(name, images)
    width_px, height_px = upright_size_px(picture)
    check_size(images[0].parent, width_px, height_px)
    steps_ns = np.diff(timestamp_ns)
    steps_ns = steps_ns[steps_ns > 0]
    period_ns = int(np.median(steps_ns)) if len(steps_ns) else SECOND_NS
    return ImageStream(
        name=name,
        width_px=width_px,
        height_px=height_px,
        codec=codec,
        rate_hz=Fraction(SECOND_NS, period_ns),
        start_ns=int(timestamp_ns[0]),
        end_ns=int(timestamp_ns[-1]),
        cadence=measure_cadence(timestamp_ns),
        images=tuple(images),
        image_ns=timestamp_ns,
    )


def images_in(folder: Path) -> list[Path]:
    """The image files directly in a folder, sorted by name with numbers by their value; empty where there are none."""
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    except OSError:
        return []
    return sorted((path for path in found if not path.name.startswith(".")), key=lambda path: _sort_key(path.stem))


def _sort_key(stem: str) -> tuple[list[tuple[int, str]], str]:
    """Runs of digits are compared as numbers, so that `2` comes before `10`."""
    parts: list[tuple[int, str]] = []
    run = ""
    for character in stem:
        if run and character.isdecimal() != run[-1].isdecimal():
            parts.append((int(run), "") if run.isdecimal() else (-1, run))
            run = ""
        run += character
    if run:
        parts.append((int(run), "") if run.isdecimal() else (-1, run))
    return parts, stem


def _first_picture(name: str, images: Sequence[Path]) -> tuple[str, av.VideoFrame]:
    decoder = _ImageDecoder()
    for path in images[:_PROBED_IMAGES]:
        try:
            data = path.read_bytes()
        except (OSError, ValueError):
            continue
        picture = decoder.decode(data)
        if picture is not None:
            return decoder.codec, picture
    tried = f"the first {_PROBED_IMAGES} of {len(images)} images" if len(images) > _PROBED_IMAGES else "the images"
    raise ClipError(
        f"{images[0].parent}: none of {tried} of {name} can be decoded, beginning with {images[0].name}. They are "
        "damaged, missing, or no JPEG or PNG files. Copy them again, or remove them to run without this camera.",
        camera=name,
    )


class _ImageDecoder:
    """Decodes image files one by one; `codec` is that of the last one."""

    def __init__(self) -> None:
        self.codec = ""
        self._context: av.VideoCodecContext | None = None

    def decode(self, data: bytes) -> av.VideoFrame | None:
        """The picture of a file, or None where it is damaged."""
        codec = _CODECS.get(data[:3])
        if codec is None or (codec == "mjpeg" and _is_cut_off(data)):
            return None
        if self._context is None or codec != self.codec:
            context = av.CodecContext.create(codec, "r")
            assert isinstance(context, av.VideoCodecContext)
            limit_decoder(context)
            self._context, self.codec = context, codec
        packet = av.Packet(data)
        packet.is_keyframe = True  # or FFmpeg adds a PNG to the one before
        try:
            pictures = self._context.decode(packet)
        except av.FFmpegError:
            self._context = None
            return None
        return pictures[0] if pictures else None


def _is_cut_off(jpeg: bytes) -> bool:
    """Whether the end marker is missing: FFmpeg fills the rest of such a picture with gray and reports no error.

    The first half is not searched, since a preview picture in the header has an end marker of its own.
    """
    return jpeg.rfind(_JPEG_END, len(jpeg) // 2) < 0
