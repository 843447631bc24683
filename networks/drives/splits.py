"""Which part of a data set a tick belongs to: training, validation or test, by place where it is known, else by drive.

A hash decides, so the parts stay the same when drives are added, on every machine. Where neighbouring cells of the map
belong to different parts, a margin on either side belongs to none, so that neighbouring seconds are never in two parts.
"""

import hashlib
import re

import numpy as np

from fsd.data.clip import Clip
from fsd.data.place_track import PlaceTrack

PARTS = ("train", "validation", "test")
_SHARES = (0.8, 0.1, 0.1)
_SALT = "fsd-split-1:"

CELL_DEG = 0.02
"""Side of a cell along a meridian, 2.2 km; along a parallel it is about as long."""

MARGIN_M = 150.0
"""From a border between two parts; the parts are 300 m apart then, 7 s at 150 km/h."""

MAX_FIX_AGE_NS = 5_000_000_000
LEAST_FIX_SHARE = 0.5
"""With positions for a smaller share of its ticks a clip is divided like one without."""

_METRES_PER_DEGREE = 111_195.0
_SEGMENT = re.compile(r"(.+?)--\d+")


def part_of(key: str) -> int:
    """Index into `PARTS` of a drive or a cell."""
    digest = hashlib.sha256((_SALT + key).encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return int(np.searchsorted(np.cumsum(_SHARES)[:-1], place, side="right"))


def drive_of(clip: Clip, start_ns: int, digest: str) -> str:
    """What tells one drive from another: the day, the route that a segment is of, or the content.

    Recordings of one day count as one drive: a car stores the same minutes in several events.
    """
    if clip.wall_clock is not None and clip.wall_clock.is_possible:
        return f"day:{clip.wall_clock.at(start_ns):%Y-%m-%d}"
    segment = _SEGMENT.fullmatch(clip.name)
    if segment:
        return f"route:{segment[1]}"
    if clip.name.isdigit():  # a numbered segment in the folder of its route
        return f"route:{clip.path.resolve().parent.name}"
    return f"content:{digest}"


def parts_of_ticks(places: PlaceTrack | None, timestamp_ns: np.ndarray, drive: str) -> tuple[np.ndarray, bool]:
    """The part of each tick, (T,) int8 index into `PARTS`, -1 in the margin or without a position; whether by place."""
    at = None if places is None else places.nearest_to(timestamp_ns, MAX_FIX_AGE_NS)
    if at is None or np.isfinite(at[:, 0]).mean() < LEAST_FIX_SHARE:
        return np.full(len(timestamp_ns), part_of(drive), np.int8), False
    parts = np.full(len(at), -1, np.int8)
    known = np.isfinite(at[:, 0])
    latitude, longitude = at[known].T
    own = _parts_of_places(latitude, longitude)
    east_deg = MARGIN_M / (_METRES_PER_DEGREE * np.maximum(np.cos(np.radians(latitude)), 0.01))
    north_deg = MARGIN_M / _METRES_PER_DEGREE
    for north in (-1, 0, 1):
        for east in (-1, 0, 1):
            beside = _parts_of_places(latitude + north * north_deg, longitude + east * east_deg)
            own = np.where(beside == own, own, -1)
    parts[known] = own
    return parts, True


def _parts_of_places(latitude_deg: np.ndarray, longitude_deg: np.ndarray) -> np.ndarray:
    row = np.floor(latitude_deg / CELL_DEG).astype(np.int64)
    width_deg = CELL_DEG / np.maximum(np.cos(np.radians((row + 0.5) * CELL_DEG)), 0.01)
    column = np.floor(longitude_deg / width_deg).astype(np.int64)
    cells, inverse = np.unique(np.stack([row, column], axis=-1), axis=0, return_inverse=True)
    parts = np.array([part_of(f"cell:{r}:{c}") for r, c in cells], np.int8)
    return parts[inverse.reshape(-1)]
