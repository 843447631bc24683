"""openpilot routes: a folder a minute, `ROUTE--0`, `ROUTE--1`, …, each with raw videos of the road cameras.

Layout: openpilot's `tools/lib/route.py`. The log (`rlog`, Cap'n Proto) is not read, so times are those of the
segments' numbers.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from fsd.data.clip import Clip
from fsd.data.errors import ClipError
from fsd.data.formats.fragment import split_fragment, with_fragment
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.recording_format import Match, refusing_wrong_values
from fsd.data.formats.segments import known_hfov_deg, segment_stream
from fsd.data.recording_options import CameraOptions
from fsd.data.video_stream import VideoStream

CAMERA_FILES = {"fcamera.hevc": "front_main", "ecamera.hevc": "front_wide"}
"""Road cameras. `dcamera` shows the driver and is never read."""

PREVIEW_FILE = "qcamera.ts"
"""The view of fcamera, small and strongly compressed."""

_SEGMENT = re.compile(r"^(?:(?P<route>.+?)--)?(?P<number>\d{1,6})$")


class Openpilot:
    """Routes of openpilot and its forks, joined to one drive each."""

    name = "openpilot"
    description = "openpilot (comma) routes: segment folders ROUTE--0, ROUTE--1, … with fcamera.hevc and ecamera.hevc"

    def detect(self, path: Path) -> Match | None:
        folder, route = split_fragment(path)
        routes = _routes(folder)
        if route is not None:
            routes = {name: routes[name] for name in routes if name == route}
        if not routes:
            return None
        count = sum(len(segments) for segments in routes.values())
        reason = f"{count} segment{'s' * (count > 1)} of openpilot with {' and '.join(_file_names(routes))}"
        single = len(routes) == 1
        return Match(reason, (path,) if single else tuple(with_fragment(folder, name) for name in routes))

    @refusing_wrong_values
    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open one route, or one segment.

        Raises:
            ClipError: there is no video of a road camera, or a video is broken.
        """
        folder, route = split_fragment(path)
        routes = _routes(folder)
        if route is None and len(routes) == 1:
            route = next(iter(routes))
        if route not in routes:
            raise ClipError(f"{path} is no route; {folder} has {', '.join(routes) or 'none'}. Give one of them.")
        segments = routes[route]
        notes = ["openpilot's log (rlog) is not read: no ego motion, no commands and no calibration of this recording."]
        streams = _streams(segments, options, notes)
        hfov_deg = known_hfov_deg(streams)
        if hfov_deg:
            notes.append("Fields of view: openpilot's focal lengths for devices with pictures of this size.")
        return make_clip(
            path, self.name, streams, notes, hfov_deg=hfov_deg, name=None if folder in segments.values() else route
        )


def _routes(folder: Path) -> dict[str, dict[int, Path]]:
    """Route -> number -> segment folder, by number; a segment folder or a camera's file alone is a route of one."""
    if _has_camera(folder):
        match = _SEGMENT.match(folder.resolve().name if folder.is_dir() else folder.resolve().parent.name)
        route, number = (match["route"] or "", int(match["number"])) if match else ("", 0)
        return {route: {number: folder}}
    if not folder.is_dir():
        return {}
    routes: dict[str, dict[int, Path]] = {}
    try:
        for entry in folder.iterdir():
            match = _SEGMENT.match(entry.name)
            if match and _has_camera(entry):
                routes.setdefault(match["route"] or folder.resolve().name, {})[int(match["number"])] = entry
    except OSError:
        return {}
    return {name: dict(sorted(routes[name].items())) for name in sorted(routes)}


def _file(segment: Path, name: str) -> Path | None:
    """A file of a segment, where it is there; `segment` may be this file itself."""
    file = segment if segment.name == name else segment / name
    return file if file.is_file() else None


def _has_camera(segment: Path) -> bool:
    """Whether a folder or a file is as openpilot leaves it: with rig.json or a table of times it is a plain clip."""
    files = [file for name in (*CAMERA_FILES, PREVIEW_FILE) if (file := _file(segment, name)) is not None]
    tables = [file.with_suffix(suffix) for file in files for suffix in (".csv", ".timestamps.parquet")]
    return bool(files) and not any(path.exists() for path in (segment / "rig.json", *tables))


def _file_names(routes: Mapping[str, Mapping[int, Path]]) -> list[str]:
    folders = [folder for segments in routes.values() for folder in segments.values()]
    return [name for name in (*CAMERA_FILES, PREVIEW_FILE) if any(_file(folder, name) for folder in folders)]


def _streams(segments: Mapping[int, Path], options: CameraOptions, notes: list[str]) -> dict[str, VideoStream]:
    files = {
        camera: {number: file for number, folder in segments.items() if (file := _file(folder, name)) is not None}
        for name, camera in CAMERA_FILES.items()
    }
    if not files["front_main"]:
        previews = {number: _file(folder, PREVIEW_FILE) for number, folder in segments.items()}
        files["front_main"] = {number: file for number, file in previews.items() if file is not None}
        if files["front_main"]:
            notes.append(f"No fcamera.hevc: {PREVIEW_FILE} is used as front_main, which is small and coarse.")
    streams = {camera: segment_stream(camera, parts, options, notes) for camera, parts in files.items() if parts}
    _note_holes(segments, files, notes)
    if any(not stream.has_times for stream in streams.values()):
        source = "as openpilot records" if options.rate_hz is None else "as `--rate-hz` says"
        rate_hz = float(next(stream.rate_hz for stream in streams.values() if not stream.has_times))
        notes.append(f"Raw video carries no times: {rate_hz:g} frames/s, {source}.")
    return streams


def _note_holes(segments: Mapping[int, Path], files: Mapping[str, Mapping[int, Path]], notes: list[str]) -> None:
    numbers = list(segments)
    missing = [number for number in range(numbers[0], numbers[-1]) if number not in segments]
    if len(numbers) > 1:
        notes.append("Each segment starts 60 s after the one before, by its number.")
    if missing:
        notes.append(f"Missing segments stay gaps: {', '.join(map(str, missing))}.")
    for camera, parts in files.items():
        without = [number for number in numbers if number not in parts]
        if parts and without:
            notes.append(f"No video of {camera} in the segments {', '.join(map(str, without))}: masked there.")
