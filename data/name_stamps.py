"""Date and time in a file's name: `20260102_151632`, `2026_0102_151632`, `2026-01-02_15-16-32`."""

import re
from datetime import UTC, datetime

from fsd.data.clock import SECOND_NS

_STAMP = re.compile(r"(?<!\d)(20\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[-_. T]?(\d\d)[-_.:]?(\d\d)[-_.:]?(\d\d)(?!\d)")


def stamp_in_name(stem: str) -> tuple[int, str] | None:
    """The stamp as if it were UTC, in ns since 1970, and the name without it; None where there is none.

    Cameras write local time; the zone is not known.
    """
    match = _STAMP.search(stem)
    if match is None:
        return None
    try:
        moment = datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:  # digits that are no date
        return None
    rest = f"{stem[: match.start()].rstrip('_-. ')}_{stem[match.end() :].lstrip('_-. ')}".strip("_")
    return int(moment.timestamp()) * SECOND_NS, rest
