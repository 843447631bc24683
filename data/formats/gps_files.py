"""Positions in GPX and NMEA 0183 files.

Sources: GPX 1.1 (topografix.com/GPX/1/1), Garmin's TrackPointExtension v2 for `speed` and `course`; NMEA 0183 sentences
RMC and GGA (gpsd.gitlab.io/gpsd/NMEA.html). BlackVue's `.gps` files put `[Unix time in ms]` before every sentence.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Self

import numpy as np

from fsd.data.clock import MAX_TIME_NS
from fsd.data.errors import ClipError
from fsd.data.physical_limits import MAX_SPEED_MPS

TRACK_SUFFIXES = (".gpx", ".nmea", ".gps", ".txt", ".log")
MAX_FILE_BYTES = 200_000_000
KNOT_MPS = 1852 / 3600

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME, _LATITUDE, _LONGITUDE = (re.compile(rf"\d{{{digits}}}[0-5]\d(\.\d*)?") for digits in (4, 2, 3))
_SENTENCE = re.compile(r"\$(G[A-Z](?:RMC|GGA),[^*$]*)\*([0-9A-Fa-f]{2})")

Fix = tuple[int, float, float, float, float]
"""Unix ns, latitude and longitude in degrees, speed in m/s, course in degrees clockwise from north; NaN: not known."""


@dataclass(frozen=True)
class GpsFixes:
    """Positions in order of time: `unix_ns` (n,) int64 rises strictly; the others (n,) float64.

    `course_deg` is clockwise from north; speed and course are NaN where they are not stated. `skipped` counts entries
    that could not be used.
    """

    unix_ns: np.ndarray
    latitude_deg: np.ndarray
    longitude_deg: np.ndarray
    speed_mps: np.ndarray
    course_deg: np.ndarray
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.unix_ns)

    def rows(self, index: np.ndarray) -> Self:
        columns = {each.name: getattr(self, each.name)[index] for each in fields(self) if each.name != "skipped"}
        return type(self)(**columns, skipped=self.skipped)

    @classmethod
    def of(cls, fixes: Sequence[Fix], skipped: int) -> Self:
        """In order of time; of those at one time, the first counts."""
        ordered = list({fix[0]: fix for fix in sorted(fixes, key=lambda fix: -fix[0])}.values())[::-1]
        rows = np.array([fix[1:] for fix in ordered], np.float64).reshape(-1, 4)
        unix_ns = np.array([fix[0] for fix in ordered], np.int64)
        return cls(unix_ns, rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3], skipped)

    @classmethod
    def joined(cls, parts: Sequence["GpsFixes"]) -> Self:
        rows: list[Fix] = []
        for part in parts:
            columns = (part.unix_ns, part.latitude_deg, part.longitude_deg, part.speed_mps, part.course_deg)
            rows += zip(*(column.tolist() for column in columns), strict=True)
        return cls.of(rows, sum(part.skipped for part in parts))


def read_fixes(path: Path) -> GpsFixes:
    """The positions in a GPX file, or in a text file of NMEA sentences.

    Raises:
        ClipError: the file cannot be read or holds no position with a time.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ClipError(f"{path} is larger than {MAX_FILE_BYTES // 10**6} MB. Cut it to the recording.")
        data = path.read_bytes()
    except OSError as error:
        raise ClipError(f"{path} cannot be read ({error.strerror}). Check the permissions.") from error
    fixes = _gpx_fixes(path, data) if path.suffix.lower() == ".gpx" else _nmea_fixes(data.decode("ascii", "replace"))
    if len(fixes) == 0:
        raise ClipError(f"{path} holds no position with a date and time. Export the track again with times.")
    return fixes


def _gpx_fixes(path: Path, data: bytes) -> GpsFixes:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        # Entities may expand to gigabytes; no GPX program writes a DOCTYPE. UTF-16 would hide one from this search.
        raise ClipError(
            f"{path} has a DOCTYPE or is not UTF-8, which GPX files never need. Export it again as GPX 1.1."
        )
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ClipError(f"{path} is not well-formed XML ({error}). Export it again as GPX 1.1.") from error
    fixes, skipped = [], 0
    for point in root.iter():
        if _local(point.tag) != "trkpt":
            continue
        texts = {_local(child.tag): (child.text or "").strip() for child in point.iter() if child is not point}
        try:
            latitude, longitude = float(point.attrib["lat"]), float(point.attrib["lon"])
            unix_ns = _unix_ns(datetime.fromisoformat(texts["time"]))
        except (KeyError, ValueError, OverflowError):
            skipped += 1
            continue
        fix = (unix_ns, latitude, longitude, _speed_mps(texts.get("speed")), _course_deg(texts.get("course")))
        if _is_on_earth(fix):
            fixes.append(fix)
        else:
            skipped += 1
    return GpsFixes.of(fixes, skipped)


def _nmea_fixes(text: str) -> GpsFixes:
    """Positions of RMC, which have a date, speed and course; GGA only where a file has no RMC with a fix."""
    full: list[Fix] = []
    position_only: list[Fix] = []
    skipped, day = 0, None
    for line in text.splitlines():
        match = _SENTENCE.search(line)
        if match is None:
            skipped += "RMC," in line or "GGA," in line
            continue
        if reduce(xor, match[1].encode("ascii", "replace"), 0) != int(match[2], 16):
            skipped += 1
            continue
        values = match[1].split(",")
        try:
            if values[0].endswith("RMC"):
                day = datetime.strptime(values[9], "%d%m%y").date()
                is_valid = values[2] == "A"
                fix = (*_place(day, values[1], values[3:7]), _speed_mps(values[7], KNOT_MPS), _course_deg(values[8]))
            else:
                day = day or _day_before_bracket(line)
                is_valid = day is not None and values[6] not in ("", "0")
                fix = (*_place(day or date(1970, 1, 1), values[1], values[2:6]), np.nan, np.nan)
        except (ValueError, IndexError, OverflowError):
            skipped += 1
            continue
        if not is_valid or not _is_on_earth(fix):
            skipped += 1
        else:
            (full if values[0].endswith("RMC") else position_only).append(fix)
    return GpsFixes.of(full or position_only, skipped)


def _day_before_bracket(line: str) -> date | None:
    match = re.match(r"\s*\[(\d{12,13})\]", line)
    return datetime.fromtimestamp(int(match[1]) / 1000, UTC).date() if match else None


def _place(day: date, time: str, place: Sequence[str]) -> tuple[int, float, float]:
    """Unix time in ns, latitude and longitude in degrees, of `hhmmss.ss` and `ddmm.mm,N,dddmm.mm,E`."""
    for text, form in ((time, _TIME), (place[0], _LATITUDE), (place[2], _LONGITUDE)):
        if form.fullmatch(text) is None:
            raise ValueError(f"{text!r} is damaged")
    if place[1] not in ("N", "S") or place[3] not in ("E", "W"):
        raise ValueError(f"{place} is on no side of the earth")
    seconds = float(time[4:])
    moment = datetime(day.year, day.month, day.day, int(time[:2]), int(time[2:4]), tzinfo=UTC)
    moment += timedelta(microseconds=round(seconds * 1e6))
    latitude = int(place[0][:2]) + float(place[0][2:]) / 60
    longitude = int(place[2][:3]) + float(place[2][3:]) / 60
    return _unix_ns(moment), -latitude if place[1] == "S" else latitude, -longitude if place[3] == "W" else longitude


def _unix_ns(moment: datetime) -> int:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _is_on_earth(fix: Fix) -> bool:
    """At a time and a place that can be, and not at 0, 0, which receivers write before their first fix."""
    return abs(fix[1]) <= 90 and abs(fix[2]) <= 180 and (fix[1] != 0 or fix[2] != 0) and 0 < fix[0] <= MAX_TIME_NS


def _number(text: str | None) -> float:
    try:
        value = float(text or "nan")
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def _speed_mps(text: str | None, unit_mps: float = 1.0) -> float:
    """NaN also for a speed that no car has; receivers write -1 for one that they do not know."""
    speed_mps = _number(text) * unit_mps
    return speed_mps if 0 <= speed_mps <= MAX_SPEED_MPS else float("nan")


def _course_deg(text: str | None) -> float:
    course_deg = _number(text)
    return course_deg if 0 <= course_deg <= 360 else float("nan")


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]
