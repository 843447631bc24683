"""The frame of one camera at every tick. Holds two pictures: the one that is shown, and the next one."""

import threading
from collections.abc import Sequence

from fsd.data.cadence import MISSING_STEP_PERIODS
from fsd.data.camera_stream import CameraStream, Picture
from fsd.data.errors import ClipError, FsdError
from fsd.data.frames import Frame
from fsd.data.picture_times import timed_pictures
from fsd.data.planes import frame_of
from fsd.data.sync_report import CameraCounters


class Stopped(Exception):
    """The consumer has closed the source."""


class CameraCursor:
    """The newest frame of one camera at rising times.

    Frames are taken in the order of the recording. A later frame replaces an earlier one even at the same time, so
    of several frames with one time the last shows.

    A camera at the rate of the ticks whose times jitter would otherwise repeat a frame at one tick and skip one at the
    next. Its frame may wait: as long as it is not older than `patience_ns`, one new frame is shown per tick, in order.
    """

    def __init__(self, stream: CameraStream, counters: CameraCounters, stop: threading.Event) -> None:
        self._stream = stream
        self._stop = stop
        self._counters = counters
        self._patience_ns = patience_ns(stream)
        self._pictures = timed_pictures(stream, counters)
        self._current: Picture | None = None
        self._frame: Frame | None = None
        self._next: Picture | None = None

    @property
    def newest_ns(self) -> int | None:
        """Time of the newest picture taken so far."""
        return None if self._current is None else self._current.timestamp_ns

    @property
    def next_ns(self) -> int | None:
        """Time of the picture that comes next; None at the end."""
        return None if self._next is None else self._next.timestamp_ns

    def start(self) -> None:
        """Decode the first picture, whose time is then `next_ns`."""
        self._next = self._read()

    def start_run(self) -> None:
        """Forget the frame that is shown: the ticks that come are after a hole."""
        self._current = self._frame = None

    def frames_at(self, ticks_ns: Sequence[int]) -> list[Frame | None]:
        """The frames shown at these times, which must not fall from call to call; None before the first frame."""
        return [self._frame_at(tick_ns) for tick_ns in ticks_ns]

    def _frame_at(self, tick_ns: int) -> Frame | None:
        due_ns = tick_ns
        while self._next is not None and self._next.timestamp_ns <= due_ns:
            if self._stop.is_set():
                raise Stopped
            self._current, self._frame = self._next, None
            self._next = self._read()
            due_ns = tick_ns - self._patience_ns
        if self._frame is None and self._current is not None:
            shown, size_px = self._current, (self._stream.width_px, self._stream.height_px)
            self._frame = frame_of(shown.picture, shown.index, shown.timestamp_ns, size_px, shown.is_damaged)
        return self._frame

    def _read(self) -> Picture | None:
        try:
            picture = next(self._pictures, None)
        except FsdError:
            raise
        except Exception as error:
            raise ClipError(
                f"Decoding {self._stream.name} failed after {self._counters.frames_decoded} pictures ({error!r}). "
                "Remove its video to run without this camera.",
                camera=self._stream.name,
            ) from error
        self._counters.frames_waiting = int(picture is not None)
        return picture

    def close(self) -> None:
        """Close the file and release the pictures."""
        self._pictures = iter(())
        self._current = self._frame = self._next = None


def patience_ns(stream: CameraStream) -> int:
    """How long a frame of this camera may wait to be shown: its jitter from one extreme to the other, a period at most.

    0 for cameras whose times are exact or whose rate is not that of the ticks: they show the newest frame.
    """
    cadence = stream.cadence
    if cadence is None or not cadence.is_tick_rate:
        return 0
    return min(2 * cadence.jitter_ns, round(cadence.period_ns))


def overdue_ns(stream: CameraStream) -> int:
    """Age of a shown frame from which on the camera's next one is not late, but missing."""
    period_ns = stream.cadence.period_ns if stream.cadence else stream.period_ns
    return round(MISSING_STEP_PERIODS * period_ns) + patience_ns(stream)
