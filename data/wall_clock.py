"""Date and time of a recording, and instants in it that have a name."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from fsd.data.clock import MAX_TIME_NS, SECOND_NS

_DAY_S = 86_400


@dataclass(frozen=True)
class WallClock:
    """What a clock on the wall showed.

    Attributes:
        unix_minus_clip_ns: Unix time, UTC, minus the clip's own time; for a `local` clock, the local time as if it
            were UTC.
        utc_offset_s: local time minus UTC; None where it is not known.
        is_local: only the local time is known, not the zone.
    """

    unix_minus_clip_ns: int
    utc_offset_s: int | None = None
    is_local: bool = False

    @property
    def is_possible(self) -> bool:
        """Whether dates of the recording can be shown."""
        has_zone = self.utc_offset_s is None or abs(self.utc_offset_s) < _DAY_S
        return has_zone and abs(self.unix_minus_clip_ns) <= MAX_TIME_NS

    def at(self, timestamp_ns: int) -> datetime:
        """Local time where it is known, else UTC; without a zone where only the local time is known."""
        seconds, rest_ns = divmod(timestamp_ns + self.unix_minus_clip_ns, SECOND_NS)
        moment = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=rest_ns // 1000)
        if self.is_local:
            return moment.replace(tzinfo=None)
        return (
            moment if self.utc_offset_s is None else moment.astimezone(timezone(timedelta(seconds=self.utc_offset_s)))
        )

    def text_at(self, timestamp_ns: int) -> str:
        """`2026-01-02 15:16:37`, with `UTC` behind it where the local time is not known."""
        moment = self.at(timestamp_ns)
        zone = "" if self.is_local or self.utc_offset_s is not None else " UTC"
        return f"{moment:%Y-%m-%d %H:%M:%S}{zone}"


@dataclass(frozen=True)
class Moment:
    """An instant that the recording marks, such as the press of the horn that saved it."""

    timestamp_ns: int
    text: str
