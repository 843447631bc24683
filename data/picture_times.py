"""Times of one camera's pictures put right: strictly in order, without strays, with gaps counted."""

from collections.abc import Iterator

from fsd.data.camera_stream import CameraStream, Picture
from fsd.data.sync_report import CameraCounters

STRAY_NS = 1_000_000_000
"""A picture this much later than the one before is only believed if the picture after it goes on from there."""

MISSING_STEP_PERIODS = 1.7
"""A longer step may hold a missing picture; a mean period is measured a little long where pictures are missing."""


MISSING_SPAN_PERIODS = 3.5
"""A long step is only a gap if it spans more than this together with the steps beside it: else they make up for it."""


def timed_pictures(stream: CameraStream, counters: CameraCounters) -> Iterator[Picture]:
    """The pictures of a camera, in order of time; equal times are kept.

    A picture earlier than one before it is dropped and counted, and so is a single one that strays into the future.
    """
    period_ns = stream.period_ns
    newest_ns: int | None = None
    gaps = _Gaps(period_ns)
    pictures = stream.pictures(counters)
    if stream.timestamps is None:  # a table's times were checked when it was read
        pictures = _without_strays(pictures, max(STRAY_NS, 3 * period_ns), counters)
    for picture in pictures:
        if newest_ns is not None:
            step_ns = picture.timestamp_ns - newest_ns
            if step_ns < 0:
                counters.backwards_times += 1
                continue
            counters.duplicate_times += step_ns == 0
            counters.gaps += gaps.add(step_ns)
            counters.max_gap_ns = max(counters.max_gap_ns, step_ns)
        newest_ns = picture.timestamp_ns
        counters.frames_timed += 1
        yield picture
    counters.gaps += gaps.add(period_ns)


class _Gaps:
    """Finds the steps in which a picture is missing; each is known one step later."""

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._before_ns = self._step_ns = period_ns

    def add(self, step_ns: int) -> bool:
        """Whether the step before this one holds a missing picture."""
        before_ns, middle_ns = self._before_ns, self._step_ns
        self._before_ns, self._step_ns = middle_ns, step_ns
        if middle_ns <= MISSING_STEP_PERIODS * self._period_ns:
            return False
        return before_ns + middle_ns + step_ns > MISSING_SPAN_PERIODS * self._period_ns


def _without_strays(pictures: Iterator[Picture], limit_ns: int, counters: CameraCounters) -> Iterator[Picture]:
    """Holds a picture back while its time is in doubt: the first one, and any that is far later than the one before."""
    newest_ns: int | None = None
    doubtful: Picture | None = None
    for picture in pictures:
        if doubtful is not None:
            back_ns = doubtful.timestamp_ns - picture.timestamp_ns
            if back_ns > limit_ns if newest_ns is None else 0 < back_ns <= doubtful.timestamp_ns - newest_ns:
                counters.stray_times += 1
            else:
                newest_ns = doubtful.timestamp_ns
                yield doubtful
            doubtful = None
        if newest_ns is None or picture.timestamp_ns > newest_ns + limit_ns:
            doubtful = picture
        else:
            newest_ns = max(newest_ns, picture.timestamp_ns)
            yield picture
    if doubtful is not None:
        if newest_ns is None:  # the only picture
            yield doubtful
        else:
            counters.stray_times += 1
