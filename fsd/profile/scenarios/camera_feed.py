"""Play a recording as live cameras: no frame is decoded before the time at which it would have been captured.

Every camera has a phase within the frame period, workers decode each frame at its time, and a tick takes the newest
frames captured until then. With `on_demand` there is no clock: all frames of a tick are decoded when `release` is
called.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Self

import av
import numpy as np

from fsd.data.clip import Clip
from fsd.data.clock import tick_time_ns
from fsd.data.frames import CAMERAS, MAX_FRAME_AGE_NS, TICK_NS, Frame, FrameSet
from fsd.data.planes import frame_of
from fsd.profile.scenarios.camera_timing import CameraTiming
from fsd.profile.scenarios.packet_loop import PacketLoop

MAX_PICTURES = 720
"""Kept in memory per camera: 20 s at 36 Hz, about 20 MB at 8 Mbit/s."""

DECODER_DELAY = 36
"""Extra packets: a decoder of B-frames returns the first picture after several packets."""


class _Camera:
    """One camera's endless decoder and the frame that it shows."""

    def __init__(self, index: int, loop: PacketLoop, size_px: tuple[int, int]) -> None:
        self.index = index
        self.shown: Frame | None = None
        self.dropped = 0
        self._loop = loop
        self._pictures: Iterator[av.VideoFrame] = iter(loop)
        self._size_px = size_px
        self._resume_number = 0

    def advance(self, number: int, timestamp_ns: int) -> None:
        """Decode the next picture and show it as frame `number`; do nothing if that frame was dropped."""
        if number < self._resume_number:
            return
        self.shown = frame_of(next(self._pictures), number, timestamp_ns, self._size_px)

    def drop(self, number: int, lag_ns: int) -> None:
        """Drop frame `number` and those after it, up to the first I-frame that is not late."""
        if number >= self._resume_number:
            dropped = self._loop.skip(at_least=int(lag_ns // TICK_NS))
            self.dropped += dropped
            self._resume_number = number + dropped


class CameraFeed:
    """Eight live cameras; use it as a context manager.

    Times that leave this class count from tick 0. `frame_set` and `wait_for` belong to one consumer thread.

    Args:
        clip: opened recording; a camera that it lacks has no frames.
        workers: decoder threads, sharing the cameras as replay does.
        ticks: number of ticks of the run.
        timing: of the captures; ignored with `on_demand`.
        on_demand: decode a tick's frames when `release` is called, instead of by the clock.
        max_lag_ns: a camera whose decoder is later than this drops frames up to the next I-frame.
        log_decode: record every decoding in `decode_log`: (thread, camera, start, end), `time.perf_counter_ns`.
    """

    def __init__(
        self,
        clip: Clip,
        workers: int,
        ticks: int,
        timing: CameraTiming | None = None,
        on_demand: bool = False,
        log_decode: bool = False,
        max_lag_ns: int = MAX_FRAME_AGE_NS,
    ) -> None:
        self._max_lag_ns = max_lag_ns
        self.decode_log: list[tuple[str, str, int, int]] = []
        self._logs_decode = log_decode
        self._offsets_ns = (timing or CameraTiming()).offsets_ns(ticks)
        if on_demand:
            self._offsets_ns[:] = 0
        self._ticks = ticks
        self._cameras = [
            _Camera(
                index, PacketLoop(stream, min(MAX_PICTURES, ticks + DECODER_DELAY)), (stream.width_px, stream.height_px)
            )
            for index, stream in enumerate(clip.streams)
            if stream is not None
        ]
        shares = [self._cameras[first::workers] for first in range(workers)]
        self._shares = [share for share in shares if share]
        self._next_tick = [0] * len(self._shares)
        self._arrived = threading.Condition()
        self._released = [threading.Semaphore(0) for _ in self._shares] if on_demand else None
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._last_index = np.full(len(CAMERAS), -1, np.int64)
        self.start_ns = 0

    def start(self, start_ns: int) -> None:
        """Begin: tick 0 is at `start_ns` of `time.perf_counter_ns`, at least one frame period from now."""
        self.start_ns = start_ns
        for number, share in enumerate(self._shares):
            thread = threading.Thread(
                target=self._work, args=(number, share), name=f"profile-decode-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def release(self) -> None:
        """Let the workers decode the frames of one more tick (`on_demand` only)."""
        assert self._released is not None
        for semaphore in self._released:
            semaphore.release()

    def wait_for(self, tick: int, timeout_s: float) -> bool:
        """Wait until every camera shows its frame of `tick` or a later one; False after the timeout.

        Raises:
            Exception: the error of a worker.
        """
        with self._arrived:
            is_there = self._arrived.wait_for(
                lambda: min(self._next_tick) > tick or self._failure is not None, timeout_s
            )
        if self._failure is not None:
            raise self._failure
        return is_there

    def frame_set(self, tick: int) -> FrameSet:
        """The newest frame of every camera, as the frame set of `tick`."""
        frames: list[Frame | None] = [None] * len(CAMERAS)
        for camera in self._cameras:
            frames[camera.index] = camera.shown
        timestamp_ns = tick_time_ns(tick)
        age_ns = np.array([-1 if f is None else max(0, timestamp_ns - f.timestamp_ns) for f in frames], np.int64)
        index = np.array([-1 if f is None else f.index for f in frames], np.int64)
        is_new = index != self._last_index
        self._last_index = index
        is_valid = (age_ns >= 0) & (age_ns <= MAX_FRAME_AGE_NS)
        return FrameSet(tick, timestamp_ns, tuple(frames), age_ns, is_valid, is_new & (index >= 0))

    @property
    def dropped_frames(self) -> dict[str, int]:
        """Camera -> frames that were never decoded because the decoder was late; only cameras that dropped any."""
        return {CAMERAS[camera.index]: camera.dropped for camera in self._cameras if camera.dropped}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the workers and wait for them."""
        self._stop.set()
        if self._released is not None:
            self.release()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int, share: Sequence[_Camera]) -> None:
        try:
            for tick in range(self._ticks):
                if self._released is not None:
                    self._released[number].acquire()
                self._decode_tick(tick, share)
                if self._stop.is_set():
                    return
                with self._arrived:
                    self._next_tick[number] = tick + 1
                    self._arrived.notify_all()
        except BaseException as error:
            self._failure = error
            with self._arrived:
                self._arrived.notify_all()

    def _decode_tick(self, tick: int, share: Sequence[_Camera]) -> None:
        """Decode this worker's frames of a tick, each at its capture time, the earliest first."""
        for camera in sorted(share, key=lambda camera: int(self._offsets_ns[tick, camera.index])):
            captured_ns = tick_time_ns(tick) + int(self._offsets_ns[tick, camera.index])
            if self._released is None:
                sleep_until(self.start_ns + captured_ns)
            if self._stop.is_set():
                return
            decode_ns = time.perf_counter_ns()
            lag_ns = decode_ns - self.start_ns - captured_ns
            if self._released is None and lag_ns > self._max_lag_ns:
                camera.drop(tick, lag_ns)
            camera.advance(tick, captured_ns)
            if self._logs_decode:
                thread = threading.current_thread().name.removeprefix("profile-")
                self.decode_log.append((thread, CAMERAS[camera.index], decode_ns, time.perf_counter_ns()))


def sleep_until(time_ns: int) -> None:
    """Sleep until a time of `time.perf_counter_ns`; return at once if it has passed."""
    remaining_ns = time_ns - time.perf_counter_ns()
    if remaining_ns > 0:
        time.sleep(remaining_ns / 1e9)
