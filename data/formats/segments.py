"""Videos in segments of a minute, as openpilot's logger writes them: one stream of each camera, on one time line.

20 frames/s and 60 s a segment: openpilot's logger. Focal lengths: its `common/transformations/camera.py`.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from fsd.data.camera_stream import CameraStream
from fsd.data.clock import SECOND_NS, floor_ns
from fsd.data.errors import ClipError
from fsd.data.recording_options import CameraOptions
from fsd.data.video_probe import VideoInfo, probe
from fsd.data.video_stream import VideoStream

SEGMENT_NS = 60 * SECOND_NS
RATE_HZ = Fraction(20)

_FOCAL_PX = {
    ("front_main", 1164): 910.0,
    ("front_main", 1928): 2648.0,
    ("front_main", 1344): 1141.5,
    ("front_wide", 1928): 567.0,
    ("front_wide", 1344): 425.25,
}
"""Camera and width of the picture -> focal length in pixels."""


def known_hfov_deg(streams: Mapping[str, CameraStream]) -> dict[str, float]:
    """Horizontal field of view of the cameras whose device is known by the size of the picture, in degrees."""
    return {
        name: math.degrees(2 * math.atan(stream.width_px / 2 / focal_px))
        for name, stream in streams.items()
        if (focal_px := _FOCAL_PX.get((name, stream.width_px))) is not None
    }


def segment_stream(camera: str, files: Mapping[int, Path], options: CameraOptions, notes: list[str]) -> VideoStream:
    """One camera whose segment `number` starts at `number` minutes.

    Args:
        files: number -> video, rising. A broken one is left out, with a note, where others remain.
        options: rate of raw video; None is `RATE_HZ`.

    Raises:
        ClipError: no video can be opened, or they differ in size.
    """
    infos = _probed(files, notes)
    first = next(iter(infos.values()))
    for info in infos.values():
        if (info.width_px, info.height_px) != (first.width_px, first.height_px):
            raise ClipError(
                f"{info.path} is {info.width_px}x{info.height_px}, but {first.path} is {first.width_px}x"
                f"{first.height_px}. Segments of two devices are mixed; move those of one to a folder of their own.",
                camera=camera,
            )
    rate_hz = first.rate_hz
    if not first.has_times:
        rate_hz = RATE_HZ if options.rate_hz is None else Fraction(options.rate_hz).limit_denominator(100_000)
    length_ns = SEGMENT_NS - floor_ns(1 / rate_hz)
    starts_ns = [number * SEGMENT_NS for number in infos]
    return VideoStream(
        name=camera,
        parts=tuple(info.path for info in infos.values()),
        width_px=first.width_px,
        height_px=first.height_px,
        codec=first.codec,
        rate_hz=rate_hz,
        has_times=first.has_times,
        part_start_ns=tuple(
            start_ns - floor_ns(info.start_s or Fraction(0))
            for start_ns, info in zip(starts_ns, infos.values(), strict=True)
        ),
        part_spans_ns=tuple((start_ns, start_ns + length_ns) for start_ns in starts_ns),
        start_ns=starts_ns[0],
        end_ns=starts_ns[-1] + length_ns,
        cadence=first.cadence,
    )


def _probed(files: Mapping[int, Path], notes: list[str]) -> dict[int, VideoInfo]:
    """The headers of the parts that can be opened; a broken one is left out where others remain."""
    infos: dict[int, VideoInfo] = {}
    broken: ClipError | None = None
    for number, file in files.items():
        try:
            infos[number] = probe(file, decodes=not infos)
        except ClipError as error:
            broken = error
            notes.append(f"{file.parent.name}/{file.name} cannot be opened and stays a gap.")
    if not infos and broken is not None:
        raise broken
    return infos
