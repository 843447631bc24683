"""When each minute of an event began: one time line for all its cameras.

Container creation times (UTC) are used where all minutes have them, else the stamps in the file names. Both are whole
seconds, and minutes follow each other without a hole unless recording was interrupted: a minute that begins within a
second of the end of the one before is laid exactly behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from fsd.data.clock import SECOND_NS, floor_ns
from fsd.data.formats.teslacam.event_files import Minute
from fsd.data.frames import TICK_NS
from fsd.data.video_probe import VideoInfo
from fsd.data.wall_clock import WallClock

NEAR_NS = 1_250_000_000
"""Whole seconds are up to one second off, either way."""

_HALF_TICK_NS = round(TICK_NS / 2)
_ZONE_STEP_S, _ZONE_TOLERANCE_S = 900, 5


@dataclass(frozen=True)
class PlacedMinute:
    """A minute at its place: container time 0 of all its files is `start_ns`, from the start of the first minute.

    `infos` are the files that can be opened: canonical camera -> what was found.
    """

    minute: Minute
    infos: Mapping[str, VideoInfo]
    start_ns: int


@dataclass(frozen=True)
class TimeLine:
    """All minutes in order, the date and time of the first, and notes on how they were laid."""

    minutes: tuple[PlacedMinute, ...]
    wall_clock: WallClock
    notes: tuple[str, ...]


def lay_on_time_line(minutes: Sequence[tuple[Minute, Mapping[str, VideoInfo]]]) -> TimeLine:
    """Lay the minutes of an event on one time line.

    Args:
        minutes: with the files that can be opened, in order of their stamps; at least one minute.
    """
    notes = []
    local_s, is_repeated = _in_order_of_stamps([minute.stamp for minute, _ in minutes])
    if is_repeated:
        notes.append(
            "The hour of the clock change comes twice in the file names; minutes are ordered so that they join."
        )
    created = [_created_s(infos) for _, infos in minutes]
    utc_s = _starts_utc_s(local_s, created, [_length_s(infos) for _, infos in minutes])
    nominal_s = local_s if utc_s is None else utc_s
    order = sorted(range(len(minutes)), key=lambda k: nominal_s[k])
    starts_ns: list[int] = []
    for place, k in enumerate(order):
        expected_ns = round((nominal_s[k] - nominal_s[order[0]]) * SECOND_NS)
        before = minutes[order[place - 1]][1] if place else {}
        starts_ns.append(_start_ns(expected_ns, starts_ns[-1] if place else 0, before))
    first_s = nominal_s[order[0]]
    offset_s = None if utc_s is None else _zone_offset_s(local_s[order[0]] - first_s)
    if utc_s is not None and offset_s is None:
        notes.append("The file names are not the local time of the recording; the times inside the files are used.")
    source = "the names of the files" if utc_s is None else "the creation times in the files"
    notes.append(f"Minutes are laid on one time line by {source}.")
    return TimeLine(
        tuple(PlacedMinute(*minutes[k], start_ns) for k, start_ns in zip(order, starts_ns, strict=True)),
        WallClock(round(first_s) * SECOND_NS, offset_s, is_local=utc_s is None),
        tuple(notes),
    )


def _start_ns(expected_ns: int, start_before_ns: int, before: Mapping[str, VideoInfo]) -> int:
    ends_ns = [start_before_ns + end for info in before.values() if (end := _end_ns(info)) is not None]
    if not ends_ns or any(abs(expected_ns - end_ns) <= _HALF_TICK_NS for end_ns in ends_ns):
        return expected_ns
    latest_ns = max(ends_ns)
    # A minute that seems to begin before the end of the one before does not: its clock was set.
    return latest_ns if expected_ns - latest_ns <= NEAR_NS else expected_ns


def _end_ns(info: VideoInfo) -> int | None:
    """When the file's next picture would be due, in container time."""
    if info.start_s is None or info.duration_s is None:
        return None
    return floor_ns(info.start_s + info.duration_s)


def _length_s(infos: Mapping[str, VideoInfo]) -> float:
    return max((float(info.duration_s or 0) for info in infos.values()), default=0.0)


def _created_s(infos: Mapping[str, VideoInfo]) -> int | None:
    created_ns = [info.created_unix_ns for info in infos.values() if info.created_unix_ns is not None]
    return min(created_ns) // SECOND_NS if created_ns else None


def _in_order_of_stamps(stamps: Sequence[datetime]) -> tuple[list[float], bool]:
    """Local times in seconds, and whether the hour of a clock change was found to come twice.

    That is assumed where it joins what else has a hole of most of an hour: on a Sunday before four, when the minutes
    before the hole follow those after it if they are an hour later than named.
    """
    seconds = [stamp.replace(tzinfo=UTC).timestamp() for stamp in stamps]
    first = min(stamps)
    if first.weekday() != 6 or first.hour > 3 or len(stamps) < 2:
        return seconds, False
    ordered = sorted(seconds)
    hole_s, place = max((after - before, k) for k, (before, after) in enumerate(pairwise(ordered)))
    joint_s = ordered[0] + 3600 - ordered[-1]
    if hole_s < 1800 or not 0 < joint_s <= 125:
        return seconds, False
    return [each + 3600 if each <= ordered[place] else each for each in seconds], True


def _starts_utc_s(
    local_s: Sequence[float], created: Sequence[int | None], length_s: Sequence[float]
) -> list[float] | None:
    """When each minute began, by the times in the files; None where one has none.

    Whether a file states when it was begun or when it was finished is not known: it is seen from which of the two
    agrees with the names.
    """
    if any(each is None for each in created):
        return None
    begun = [float(each) for each in created if each is not None]
    finished = [each - length for each, length in zip(begun, length_s, strict=True)]
    if len(begun) > 1:
        spreads = [_spread(each, local_s) for each in (begun, finished)]
        return finished if spreads[1] + 2 < spreads[0] else begun
    is_begun = _zone_offset_s(local_s[0] - begun[0]) is not None
    return finished if not is_begun and _zone_offset_s(local_s[0] - finished[0]) is not None else begun


def _spread(starts_s: Sequence[float], local_s: Sequence[float]) -> float:
    offsets = [start - local for start, local in zip(starts_s, local_s, strict=True)]
    return max(offsets) - min(offsets)


def _zone_offset_s(difference_s: float) -> int | None:
    """Local time minus UTC as a zone has it, in quarters of an hour up to 14 h; None where no zone has this."""
    offset_s = round(difference_s / _ZONE_STEP_S) * _ZONE_STEP_S
    is_zone = abs(difference_s - offset_s) <= _ZONE_TOLERANCE_S and abs(offset_s) <= 14 * 3600
    return offset_s if is_zone else None
