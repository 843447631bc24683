"""The stretches of a recording that holes divide, as far as its files state their times."""

from collections.abc import Iterable

from fsd.data.camera_stream import CameraStream
from fsd.data.clock import SECOND_NS

MAX_HOLE_NS = 2 * SECOND_NS
"""Where no camera has a frame for longer than this, a new run begins."""


def stretches_ns(streams: Iterable[CameraStream]) -> list[tuple[int, int]]:
    """First and last frame time of every stretch in which no hole is longer than `MAX_HOLE_NS`, estimated, in order."""
    found: list[tuple[int, int]] = []
    for start_ns, end_ns in sorted(span for stream in streams for span in stream.spans_ns):
        if found and start_ns - found[-1][1] <= MAX_HOLE_NS:
            found[-1] = (found[-1][0], max(found[-1][1], end_ns))
        else:
            found.append((start_ns, end_ns))
    return found
