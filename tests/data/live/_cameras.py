"""Live cameras for tests: functions whose pictures the test hands over, a clock that it sets, and network streams."""

import io
import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Self

import av
import numpy as np

from fsd.data.clock import tick_time_ns
from fsd.data.frames import CAMERAS, FrameSet
from fsd.data.live.live_source import LiveSource

WIDTH_PX, HEIGHT_PX = 64, 48
STREAM_TICKS = 1200
GOP_TICKS = 6


class Clock:
    """A clock that only `sleep` and the test move."""

    def __init__(self, now_ns: int = 10**12) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


class HandedOver:
    """The function of a camera: returns what the test puts in."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[np.ndarray, int] | type[Exception]] = queue.Queue()

    def put(self, timestamp_ns: int, width_px: int = WIDTH_PX) -> None:
        self._waiting.put((np.roll(scenery(width_px), timestamp_ns // 10**7, axis=1), timestamp_ns))

    def fail(self, error: type[Exception]) -> None:
        self._waiting.put(error)

    def __call__(self) -> tuple[np.ndarray, int] | None:
        try:
            given = self._waiting.get(timeout=0.02)
        except queue.Empty:
            return None
        if isinstance(given, type):
            raise given
        return given


def wait_until(is_true: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait for a thread; a loaded machine may take long."""
    end_s = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.002)


def has_taken(source: LiveSource, camera: str, timestamp_ns: int) -> None:
    """Wait until the source has a picture of this time."""

    def is_there() -> bool:
        frame = source.preview().frames[CAMERAS.index(camera)]
        return frame is not None and frame.timestamp_ns == timestamp_ns

    wait_until(is_there)


def first(source: LiveSource, is_wanted: Callable[[FrameSet], bool], timeout_s: float = 30.0) -> FrameSet:
    """The first frame set that is as wanted."""
    end_s = time.monotonic() + timeout_s
    for frame_set in source:
        if is_wanted(frame_set):
            return frame_set
        assert time.monotonic() < end_s, f"no such tick; {source.states}, {source.report.faults()}"
    raise AssertionError("the source ended")


@cache
def scenery(width_px: int) -> np.ndarray:
    """(48, W, 3) uint8 of blocks: a picture with structure and without noise."""
    blocks = np.random.default_rng(0).integers(40, 200, (HEIGHT_PX // 8, width_px // 8, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))


@cache
def transport_stream() -> tuple[bytes, ...]:
    """A moving picture as an MPEG transport stream: the bytes of every tick, with a keyframe in every sixth."""

    class Written(io.RawIOBase):
        content = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.content += data
            return len(data)

    written, ticks = Written(), []
    with av.open(written, "w", format="mpegts", options={"flush_packets": "1"}) as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(GOP_TICKS)}
        stream = container.add_stream("libx264", rate=36, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.codec_context.thread_count = 1
        for tick in range(STREAM_TICKS):
            image = av.VideoFrame.from_ndarray(np.roll(scenery(WIDTH_PX), tick, axis=1), format="rgb24")
            container.mux(stream.encode(image))
            ticks.append(bytes(written.content))
            written.content.clear()
    return tuple(ticks)


class StreamServer:
    """A camera on the network: sends its stream over TCP as it is recorded, to whoever connects, from then on.

    `delay_s` holds everything up; `go_away` ends all connections and refuses new ones until `come_back`.
    """

    def __init__(self) -> None:
        self._ticks = transport_stream()
        self._start_s = time.monotonic()
        self.delay_s = 0.0
        self._clients: list[socket.socket] = []
        self._listen(0)

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._port}"

    def go_away(self) -> None:
        self._is_up = False
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for client in self._clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._clients.clear()

    def come_back(self) -> None:
        self._listen(self._port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.go_away()

    def _listen(self, port: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self._port = self._socket.getsockname()[1]
        self._is_up = True
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                self._clients.append(client)
                threading.Thread(target=self._send, args=(client,), daemon=True).start()

    def _send(self, client: socket.socket) -> None:
        begin = int((time.monotonic() - self._start_s) * 36)
        with suppress(OSError), client:
            for tick in range(begin, STREAM_TICKS):
                due_s = self._start_s + tick_time_ns(tick) / 1e9 + self.delay_s
                time.sleep(max(0.0, due_s - time.monotonic()))
                client.sendall(self._ticks[tick])
