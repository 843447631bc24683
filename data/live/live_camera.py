"""One live camera: reads it in a thread of its own, opens it anew when it goes away, and shows its newest picture."""

import threading
from collections import deque
from typing import Any

import av

from fsd.data.array_frames import check_against_rig, frame_from_rgb, frame_from_yuv
from fsd.data.cadence import MISSING_STEP_PERIODS
from fsd.data.camera_cursor import Shown
from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.errors import FsdError
from fsd.data.frames import TICK_NS, Frame
from fsd.data.live.captures import READ_TIMEOUT_S, Capture, Captured
from fsd.data.live.stall_watch import StallWatch
from fsd.data.planes import check_size, frame_of, picture_of, upright_size_px
from fsd.data.rig import Rig
from fsd.data.sync_report import CameraCounters

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
"""Before a camera that is away is opened again; doubled every time that fails."""

MAX_WAITING = 4
"""Pictures that are kept for a tick to come: more only where a consumer is late, and then the oldest go."""


class LiveCamera:
    """The newest picture of a camera not later than a tick.

    Args:
        name: canonical.
        rig: its pictures must have the size that it says; None takes that of the first one.
        stalls: when this process did not run.

    Attributes:
        state: `waiting` for the first picture, `live`, `away` or `ended`; reason: why it is away, as a clause.
        returns: how often it came back after it was away.
        failure: error that ends the source, such as that of a picture of a wrong shape.
        size_px: (width, height) of its pictures; None before the first.
    """

    def __init__(self, name: str, capture: Capture, rig: Rig | None, stop: threading.Event, stalls: StallWatch) -> None:
        self.name, self.capture, self._rig, self._stop, self._stalls = name, capture, rig, stop, stalls
        self.counters = CameraCounters()
        self.state, self.reason, self.returns = "waiting", "", 0
        self.failure: FsdError | None = None
        self.size_px: tuple[int, int] | None = None
        self.changed = threading.Condition()
        self._waiting: deque[Frame] = deque()
        self._frame: Frame | None = None
        self._newest_ns: int | None = None
        self._period_ns = round(TICK_NS)
        self._first_tick_ns: int | None = None
        self._thread = threading.Thread(target=self._run, name=f"live-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread, which ends after `stop` is set; one that a driver blocks is left behind."""
        if self._thread.is_alive():
            self._thread.join(2 * READ_TIMEOUT_S)

    def wait_for_first(self, timeout_s: float) -> None:
        """Wait for the first picture, or the end, at most so long."""
        with self.changed:
            self.changed.wait_for(lambda: self.size_px is not None or self.state == "ended", timeout_s)

    @property
    def newest(self) -> Frame | None:
        """The newest picture, shown or not."""
        with self.changed:
            return self._waiting[-1] if self._waiting else self._frame

    @property
    def overdue_ns(self) -> int:
        """Age of the shown picture from which on the next one is missing, by the camera's latest period."""
        return round(MISSING_STEP_PERIODS * self._period_ns)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and its last picture was shown."""
        with self.changed:
            return self.state == "ended" and not self._waiting

    def begin_run(self) -> None:
        """Forget what is shown: what comes is after a hole."""
        self._frame = None

    def shown_at(self, tick_ns: int) -> Shown:
        """The newest picture not later than a tick; ticks must come in order."""
        with self.changed:
            while self._waiting and self._waiting[0].timestamp_ns <= tick_ns:
                self._frame = self._waiting.popleft()
            self.counters.frames_waiting = len(self._waiting)
        if self._first_tick_ns is None:
            self._first_tick_ns = tick_ns
        if self._newest_ns is not None:
            return Shown(self._frame, absence=CameraFault.LOST)
        is_late = tick_ns - self._first_tick_ns > self.overdue_ns
        return Shown(None, absence=CameraFault.LATE_START if is_late else None)

    def is_late_by_stall(self, tick_ns: int, late_ns: int) -> bool:
        """Whether its picture is older than `late_ns` only since this process did not run; after `shown_at`."""
        with self.changed:
            frame = self._frame if self.state == "live" else None
        age_ns = 0 if frame is None else tick_ns - frame.timestamp_ns
        if frame is None or age_ns <= late_ns:
            return False
        return age_ns - self._stalls.explained_ns(frame.timestamp_ns, tick_ns) <= late_ns

    def add(self, captured: Captured) -> None:
        """Take a picture; one that is not later than those before is counted and dropped."""
        counters, timestamp_ns = self.counters, captured.timestamp_ns
        frame = self._frame_of(captured)
        counters.frames_decoded += 1
        counters.resized_frames += CameraFault.RESIZED in frame.faults
        with self.changed:
            if self._newest_ns is not None:
                step_ns = timestamp_ns - self._newest_ns
                if step_ns <= 0:
                    counters.backwards_times += step_ns < 0
                    counters.duplicate_times += step_ns == 0
                    return
                own_ns = self._stalls.explained_ns(self._newest_ns, timestamp_ns)
                counters.gaps += counters.frames_timed > 1 and step_ns - own_ns > self.overdue_ns
                counters.max_gap_ns = max(counters.max_gap_ns, step_ns)
                self._period_ns = min(step_ns, 2 * self._period_ns)
            if self.state == "away" and self._newest_ns is not None:
                self.returns += 1
            self._newest_ns = timestamp_ns
            counters.frames_timed += 1
            self._waiting.append(frame)
            if len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
            self.state, self.reason = "live", ""
            self.changed.notify_all()

    def _frame_of(self, captured: Captured) -> Frame:
        picture, index, timestamp_ns = captured.picture, self.counters.frames_decoded, captured.timestamp_ns
        if isinstance(picture, av.VideoFrame):
            size_px = self.size_px or self._accepted(*upright_size_px(picture))
            return frame_of(picture, index, timestamp_ns, size_px, captured.is_damaged)
        read = frame_from_yuv if isinstance(picture, tuple | list) else frame_from_rgb
        frame = read(self.name, picture, timestamp_ns, index)
        height_px, width_px = frame.y_plane.shape
        size_px = self.size_px or self._accepted(width_px, height_px)
        # As of a recording: a picture of another size than the first is scaled, and named as a fault.
        return frame if size_px == (width_px, height_px) else frame_of(picture_of(frame), index, timestamp_ns, size_px)

    def _accepted(self, width_px: int, height_px: int) -> tuple[int, int]:
        check_size(self.name, width_px, height_px)
        if self._rig is not None:
            check_against_rig(self.name, width_px, height_px, self._rig)
        self.size_px = (width_px, height_px)
        return self.size_px

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            error: Any = None
            try:
                for captured in self.capture.pictures(self.counters, self._stop):
                    self.add(captured)
                    pause_s = FIRST_PAUSE_S
            except FsdError as failure:
                self.failure = failure
            except Exception as raised:  # whatever a driver or a function raises: it may come back
                error = raised
            with self.changed:
                if self.failure is not None or (error is None and not self.capture.is_endless):
                    self.state = "ended"
                    self.changed.notify_all()
                    return
                self.state, self.reason = "away", "it ended" if error is None else _described(error)
                self.changed.notify_all()
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _described(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
