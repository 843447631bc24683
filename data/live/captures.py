"""Where a live camera's pictures come from: a Python function, or anything that PyAV opens."""

import threading
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import av

from fsd.data.clock import SECOND_NS, floor_ns
from fsd.data.errors import ClipError
from fsd.data.frames import MAX_FRAME_AGE_NS, RATE_HZ
from fsd.data.live.stream_clock import StreamClock
from fsd.data.planes import limit_decoder
from fsd.data.sync_report import CameraCounters
from fsd.data.video_stream import DAMAGED_PICTURES

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 5.0, 1.0
"""A stream that does not answer, or sends nothing, for this long is opened anew."""

NETWORK_OPTIONS = {
    "analyzeduration": "200000",  # µs; by default, FFmpeg looks at up to 5 s of a stream before its first picture
    "probesize": "500000",
    "fpsprobesize": "0",
}
"""Of FFmpeg, for streams."""

RTSP_OPTIONS = {"rtsp_transport": "tcp"}
"""UDP loses packets, and every loss damages the pictures up to the next keyframe."""

IDLE_S = 0.002
"""Pause before a function that had no new picture is asked again."""

LEAST_PERIOD_NS = SECOND_NS // 144
"""A function that never waits is called no more often: faster cameras are rare, and it would take a whole core."""

MAX_CLOCK_ERROR_NS = 10 * SECOND_NS
"""A function's times that differ by more from the clock are of another clock."""

ClockNs = Callable[[], int]
CameraFunction = Callable[[], Any]
CameraInput = CameraFunction | str | Path
Decoded = Iterator[tuple[av.VideoFrame, bool]]


class Captured(NamedTuple):
    """A picture (`av.VideoFrame`, RGB array or YUV planes), its local time, and whether parts of it are lost."""

    picture: Any
    timestamp_ns: int
    is_damaged: bool = False


class Capture(Protocol):
    """Opens a camera; `is_endless`: one that ends is opened anew. `codec` and `rate_hz` are nominal."""

    is_endless: bool
    codec: str
    rate_hz: Fraction

    def pictures(self, counters: CameraCounters, stop: threading.Event) -> Iterator[Captured]:
        """The pictures as they come, until the camera ends or `stop` is set; raises what the camera raises."""


class PlayClock:
    """When files begin to play: all at once, with the first tick."""

    def __init__(self) -> None:
        self.start_ns = 0
        self.has_started = threading.Event()

    def start(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.has_started.set()


class FunctionCapture:
    """A function without arguments that returns the newest picture, or waits for the next one.

    It returns an RGB array, (y, u, v) planes or an `av.VideoFrame`; or one of these with its time in ns, as a pair;
    None if there is no new one. A picture with the time of the one before is not new; one without a time always is,
    and was taken when the function returned. YUV planes must not be written to again. StopIteration ends the camera.
    """

    is_endless, codec, rate_hz = True, "function", RATE_HZ

    def __init__(self, name: str, function: CameraFunction, clock_ns: ClockNs) -> None:
        self._name, self._function, self._clock_ns = name, function, clock_ns

    def pictures(self, counters: CameraCounters, stop: threading.Event) -> Iterator[Captured]:
        last_ns: int | None = None
        while not stop.is_set():
            called_ns = self._clock_ns()
            try:
                given = self._function()
            except StopIteration:
                self.is_endless = False
                return
            now_ns = self._clock_ns()
            picture, timestamp_ns = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
            if picture is None or (timestamp_ns is not None and timestamp_ns == last_ns):
                stop.wait(IDLE_S)
                continue
            if timestamp_ns is not None:
                last_ns = int(timestamp_ns)
                self._check_clock(last_ns, now_ns)
            yield Captured(picture, now_ns if timestamp_ns is None else last_ns or 0)
            if timestamp_ns is None:
                stop.wait(max(0.0, (called_ns + LEAST_PERIOD_NS - self._clock_ns()) / SECOND_NS))

    def _check_clock(self, timestamp_ns: int, now_ns: int) -> None:
        if abs(timestamp_ns - now_ns) > MAX_CLOCK_ERROR_NS:
            raise ClipError(
                f"{self._name}: a picture has the time {timestamp_ns} ns, but it is {now_ns} ns by the clock of this "
                "source. Give times of time.monotonic_ns(), or pass `clock_ns` (such as time.time_ns).",
                camera=self._name,
            )


class VideoCapture:
    """A device, a stream or a file, opened by PyAV; a file plays at its own pace.

    Args:
        source: a path such as `/dev/video0` or `drive.mp4`, or an address such as `rtsp://…` or `tcp://…`.
        options: of FFmpeg, for devices and streams.

    Raises:
        ClipError: there is no such file.
    """

    def __init__(
        self, name: str, source: str, options: Mapping[str, str], clock_ns: ClockNs, play_clock: PlayClock
    ) -> None:
        self._name, self._source, self._clock_ns, self._play_clock = name, source, clock_ns, play_clock
        is_address, path = "://" in source, Path(source)
        self.is_endless = is_address or path.is_char_device()
        if not self.is_endless and not path.is_file():
            raise ClipError(
                f"{name}: {source} is no device, file or address. Give for example /dev/video0, rtsp://…, tcp://… or a "
                "video file.",
                camera=name,
            )
        self._format = None if is_address or not self.is_endless else "v4l2"
        known = {**NETWORK_OPTIONS, **(RTSP_OPTIONS if source.startswith("rtsp") else {})} if is_address else {}
        self._options = {**known, **options} if self.is_endless else {}
        self.codec, self.rate_hz = "", RATE_HZ

    def pictures(self, counters: CameraCounters, stop: threading.Event) -> Iterator[Captured]:
        timeouts_s = (OPEN_TIMEOUT_S, READ_TIMEOUT_S)
        with av.open(self._source, format=self._format, options=self._options, timeout=timeouts_s) as container:
            if not container.streams.video:
                raise ClipError(f"{self._name}: its source has no video. Name another one.", camera=self._name)
            stream = container.streams.video[0]
            limit_decoder(stream.codec_context)
            self.codec = stream.codec_context.name
            self.rate_hz = Fraction(stream.average_rate or RATE_HZ)
            clock = StreamClock()
            decoded = _decoded(container, stream, counters, stop, lambda ns: clock.lag_ns(ns, self._clock_ns()))
            yield from self._as_they_come(decoded, clock) if self.is_endless else self._in_play(decoded, clock, stop)

    def _as_they_come(self, decoded: Decoded, clock: StreamClock) -> Iterator[Captured]:
        for picture, is_damaged in decoded:
            now_ns = self._clock_ns()
            stated_ns = _stated_ns(picture)
            yield Captured(picture, now_ns if stated_ns is None else clock.local_ns(stated_ns, now_ns), is_damaged)

    def _in_play(self, decoded: Decoded, clock: StreamClock, stop: threading.Event) -> Iterator[Captured]:
        """The pictures of a file, each at its time after the start of all files."""
        first_ns: int | None = None
        for index, (picture, is_damaged) in enumerate(decoded):
            stated_ns = _stated_ns(picture)
            if stated_ns is None:
                stated_ns = floor_ns(index / self.rate_hz)
            if first_ns is None:
                first_ns = stated_ns
                yield Captured(picture, self._clock_ns(), is_damaged)  # shows what the camera is, before it plays
                while not self._play_clock.has_started.wait(0.1):
                    if stop.is_set():
                        return
                clock.local_ns(first_ns, self._play_clock.start_ns)
            due_ns = self._play_clock.start_ns + stated_ns - first_ns
            while (left_ns := due_ns - self._clock_ns()) > 0:
                if stop.wait(left_ns / SECOND_NS):
                    return
            yield Captured(picture, due_ns, is_damaged)


def _stated_ns(timed: av.VideoFrame | av.Packet) -> int | None:
    if timed.pts is None or timed.time_base is None:
        return None
    return floor_ns(timed.pts * Fraction(timed.time_base))


def _decoded(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    counters: CameraCounters,
    stop: threading.Event,
    lag_ns: Callable[[int], int],
) -> Decoded:
    """The pictures, and whether they are damaged: after a lost one, all are up to the next keyframe.

    Where decoding is so late that pictures would be stale, they are left out up to the next keyframe. `lag_ns` says
    how late a stated time is now.
    """
    damaged, has_begun, is_catching_up = 0, False, False
    for packet in container.demux(stream):
        if stop.is_set():
            return
        stated_ns = _stated_ns(packet)
        is_late = stated_ns is not None and lag_ns(stated_ns) > MAX_FRAME_AGE_NS
        is_catching_up = not packet.is_keyframe and (is_late or is_catching_up)
        if is_catching_up and packet.size:
            counters.lost_frames += 1
            continue
        try:
            pictures = stream.codec_context.decode(packet if packet.size else None)
        except av.EOFError:
            return
        except av.FFmpegError:
            if has_begun:  # a stream that is joined between keyframes begins with packets that cannot be decoded
                counters.corrupt_packets += 1
                damaged = DAMAGED_PICTURES
            continue
        for picture in pictures:
            has_begun = True
            damaged = 0 if picture.key_frame else max(0, damaged - 1)
            is_damaged = damaged > 0 or picture.is_corrupt
            counters.corrupt_frames += is_damaged
            yield picture, is_damaged


def capture_of(
    name: str, given: CameraInput, options: Mapping[str, str], clock_ns: ClockNs, play_clock: PlayClock
) -> Capture:
    """The capture of what a caller gives for a camera.

    Raises:
        ClipError: it is neither a function nor the name of something that exists.
    """
    if callable(given):
        return FunctionCapture(name, given, clock_ns)
    if isinstance(given, str | Path) and str(given):
        return VideoCapture(name, str(given), options, clock_ns, play_clock)
    raise ClipError(
        f"{name} got {given!r}; a live camera is a function that returns pictures, a device, an address or a file.",
        camera=name,
    )
