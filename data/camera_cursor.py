"""The frame of one camera at every tick. Holds two pictures: the one that is shown, and the next one."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from fsd.data.cadence import MISSING_STEP_PERIODS
from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_stream import CameraStream, Picture
from fsd.data.errors import ClipError, FsdError
from fsd.data.frames import Frame
from fsd.data.picture_times import timed_pictures
from fsd.data.planes import frame_of
from fsd.data.sync_report import CameraCounters

MOST_DELAYED_FRAMES = 32
"""Pictures that a decoder may still hold when its file breaks off."""

CUT_OFF_NS = 250_000_000
"""A camera that ends this much before the end that its file or table states was cut off."""


class Stopped(Exception):
    """The consumer has closed the source."""


class Shown(NamedTuple):
    """What a camera shows at a tick.

    Attributes:
        frame: None before the first one.
        faults: of the times of the pictures that were taken at this tick.
        absence: the fault by which it is known if the frame is missing, or has been shown for too long; None where that
            is no fault: cameras need not start in the same instant.
    """

    frame: Frame | None
    faults: tuple[CameraFault, ...] = ()
    absence: CameraFault | None = CameraFault.LOST


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
        self._next_faults: tuple[CameraFault, ...] = ()
        self._has_started = False
        self._first_tick_ns: int | None = None
        self._overdue_ns = overdue_ns(stream)
        self._flushed_at = -1

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

    def shown_at(self, ticks_ns: Sequence[int]) -> list[Shown]:
        """What is shown at these times, which must not fall from call to call."""
        return [self._shown_at(tick_ns) for tick_ns in ticks_ns]

    def _shown_at(self, tick_ns: int) -> Shown:
        due_ns = tick_ns
        faults: tuple[CameraFault, ...] = ()
        while self._next is not None and self._next.timestamp_ns <= due_ns:
            if self._stop.is_set():
                raise Stopped
            self._current, self._frame = self._next, None
            self._has_started = True
            faults += self._next_faults
            self._next = self._read()
            due_ns = tick_ns - self._patience_ns
        if self._frame is None and self._current is not None:
            shown, size_px = self._current, (self._stream.width_px, self._stream.height_px)
            self._frame = frame_of(shown.picture, shown.index, shown.timestamp_ns, size_px, shown.is_damaged)
        if self._first_tick_ns is None:
            self._first_tick_ns = tick_ns
        return Shown(self._frame, faults, self._absence(self._first_tick_ns))

    def _absence(self, first_tick_ns: int) -> CameraFault | None:
        """Why there is no new frame, if there should be one."""
        if self._next_faults:
            for fault in (CameraFault.TRUNCATED, CameraFault.CLOCK_JUMP):
                if fault in self._next_faults:
                    return fault
        if self._has_started or self._next is None:
            return CameraFault.LOST
        is_late = self._next.timestamp_ns - first_tick_ns > self._overdue_ns
        return CameraFault.LATE_START if is_late else None

    def _read(self) -> Picture | None:
        counters = self._counters
        before = counters.clock_faults, counters.duplicate_times, counters.truncated_files
        picture = self._decode()
        after = counters.clock_faults, counters.duplicate_times, counters.truncated_files
        is_jump, is_duplicate, is_read_error = after[0] > before[0], after[1] > before[1], after[2] > before[2]
        if is_read_error:
            self._flushed_at = counters.frames_decoded + MOST_DELAYED_FRAMES
        faults: tuple[CameraFault, ...] = ()
        if is_jump:
            faults = (CameraFault.CLOCK_JUMP,)
        elif is_duplicate:
            faults = (CameraFault.DUPLICATES,)
        self._next_faults = (*faults, CameraFault.TRUNCATED) if self._is_cut_off(picture) else faults
        return picture

    def _is_cut_off(self, following: Picture | None) -> bool:
        """Whether pictures are missing after the present one because a file ends before its end."""
        if self._current is None:
            return False
        now_ns, end_ns = self._current.timestamp_ns, self._stream.end_ns
        if following is not None and following.timestamp_ns - now_ns <= self._overdue_ns:
            return False
        if self._counters.frames_decoded <= self._flushed_at:
            return True
        if following is not None or end_ns is None or self._counters.clock_faults:
            return False
        return end_ns - now_ns > CUT_OFF_NS

    def _decode(self) -> Picture | None:
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
