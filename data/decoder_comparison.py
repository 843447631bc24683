"""Decode a recording in software and on hardware, and compare every picture: same place, same time, same pixels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, zip_longest

import numpy as np

from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.frames import Frame
from fsd.data.picture_times import timed_pictures
from fsd.data.planes import frame_of
from fsd.data.sync_report import CameraCounters


@dataclass(frozen=True)
class DecoderComparison:
    """What two decoders made of one camera.

    Attributes:
        camera: canonical name; decoder: the kind of hardware.
        pictures: how many the software decoder returned; different: those that the other did not return equally.
        first_different: place of the first of those; None if there is none.
        largest_difference: of a pixel of any plane, over pictures that both returned in the same size.
    """

    camera: str
    decoder: str
    pictures: int
    different: int
    first_different: int | None
    largest_difference: int

    def __str__(self) -> str:
        if not self.different:
            return f"{self.camera}: {self.pictures} pictures, all equal in software and by {self.decoder}"
        return (
            f"{self.camera}: {self.different} of {self.pictures} pictures DIFFER in software and by {self.decoder}, "
            f"picture {self.first_different} first; by up to {self.largest_difference} of 255"
        )


def compare_decoders(clip: Clip, max_pictures: int | None = None) -> list[DecoderComparison]:
    """Compare the decoder of each camera that is decoded on hardware with the one in software.

    Raises:
        ClipError: the hardware refuses a file.
    """
    streams = (stream for stream in clip.streams if stream is not None and stream.hwaccel)
    return [_compared(stream, max_pictures) for stream in streams]


def _compared(stream: CameraStream, max_pictures: int | None) -> DecoderComparison:
    pictures = different = largest = 0
    first: int | None = None
    for place, (expected, received) in enumerate(
        zip_longest(_frames(replace(stream, hwaccel=""), max_pictures), _frames(stream, max_pictures))
    ):
        pictures += expected is not None
        difference = _difference(expected, received)
        if difference != 0:
            different += 1
            first = place if first is None else first
            largest = max(largest, difference or 0)
    return DecoderComparison(stream.name, stream.hwaccel, pictures, different, first, largest)


def _frames(stream: CameraStream, max_pictures: int | None) -> Iterator[Frame]:
    size_px = (stream.width_px, stream.height_px)
    for each in islice(timed_pictures(stream, CameraCounters()), max_pictures):
        yield frame_of(each.picture, each.index, each.timestamp_ns, size_px, each.is_damaged)


def _difference(expected: Frame | None, received: Frame | None) -> int | None:
    """Largest difference of a pixel; None where a picture is missing or is another one."""
    if expected is None or received is None:
        return None
    if (expected.index, expected.timestamp_ns) != (received.index, received.timestamp_ns):
        return None
    pairs = (
        (expected.y_plane, received.y_plane),
        (expected.u_plane, received.u_plane),
        (expected.v_plane, received.v_plane),
    )
    return max(0 if np.array_equal(a, b) else int(np.abs(a.astype(np.int16) - b).max()) for a, b in pairs)
