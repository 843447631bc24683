"""One decoder thread: decodes several cameras, a block of ticks at a time, a few blocks ahead of the consumer.

Does not know the other workers; `FrameSource` merges their blocks.
"""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fsd.data.camera_cursor import CameraCursor, Stopped
from fsd.data.clock import tick_time_ns
from fsd.data.frames import Frame

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Block:
    """The frames of a worker's cameras at consecutive ticks.

    Attributes:
        rows: for every tick, one frame per camera of the worker, in its order.
        newest_ns: time of the newest frame taken up to the end of the block; None where there is none.
        next_ns: time of the earliest frame not yet taken; None where all cameras have ended and this block is the
            last.
    """

    rows: list[tuple[Frame | None, ...]]
    newest_ns: int | None
    next_ns: int | None


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


class DecodeWorker:
    """A thread that decodes for `cursors`.

    Args:
        name: of the thread.
        cursors: its cameras.
        start_tick, end_tick: ticks wanted; `end_tick` (exclusive) is None for all.
        block_ticks: ticks in a block; blocks_ahead: how many may wait for the consumer.
        stop: set by the consumer to end the thread.
    """

    def __init__(
        self,
        name: str,
        cursors: Sequence[CameraCursor],
        start_tick: int,
        end_tick: int | None,
        block_ticks: int,
        blocks_ahead: int,
        stop: threading.Event,
    ) -> None:
        self._cursors = cursors
        self._tick, self._end_tick, self._block_ticks = start_tick, end_tick, block_ticks
        self._stop = stop
        self._first_ns: queue.SimpleQueue[list[int] | _Failure] = queue.SimpleQueue()
        self._start_ns: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._blocks: queue.SimpleQueue[Block | _Failure] = queue.SimpleQueue()
        self._room = threading.Semaphore(blocks_ahead)  # blocks that are being decoded, or wait for the consumer
        # A daemon: a consumer that never closes its source must not keep the program alive.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread: it decodes the first picture of every camera, then waits for `begin`."""
        self._thread.start()

    def first_times_ns(self) -> list[int]:
        """Wait for the time of the first picture of each camera that has one."""
        return _opened(self._first_ns.get())

    def begin(self, start_ns: int) -> None:
        """Set the time of tick 0; the thread decodes blocks from now on."""
        self._start_ns.put(start_ns)

    def next_block(self) -> Block:
        """Wait for the next block, and make room for another. Must not be called after the last block."""
        block = _opened(self._blocks.get())
        self._room.release()
        return block

    def close(self) -> None:
        """Wait for the thread to end; `stop` must be set."""
        self._start_ns.put(0)
        self._room.release()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        out: queue.SimpleQueue[Any] = self._first_ns
        try:
            for cursor in self._cursors:
                cursor.start()
            self._first_ns.put([cursor.next_ns for cursor in self._cursors if cursor.next_ns is not None])
            out = self._blocks
            start_ns = self._start_ns.get()
            while not self._stop.is_set() and self._tick != self._end_tick:
                self._room.acquire()  # before the work, so that a waiting worker has not decoded yet another block
                block = self._make_block(start_ns)
                self._blocks.put(block)
                if block.next_ns is None:
                    return
            if self._stop.is_set():
                raise Stopped
        except BaseException as error:  # the consumer raises it; without it, the consumer would wait for ever
            out.put(_Failure(error))
        finally:
            for cursor in self._cursors:
                cursor.close()

    def _make_block(self, start_ns: int) -> Block:
        stop_tick = self._tick + self._block_ticks
        if self._end_tick is not None:
            stop_tick = min(stop_tick, self._end_tick)
        times_ns = [tick_time_ns(tick, start_ns) for tick in range(self._tick, stop_tick)]
        self._tick = stop_tick
        # Camera by camera, not tick by tick: a decoder that runs for several pictures keeps its data in the cache.
        columns = [cursor.frames_at(times_ns) for cursor in self._cursors]
        newest = [cursor.newest_ns for cursor in self._cursors if cursor.newest_ns is not None]
        coming = [cursor.next_ns for cursor in self._cursors if cursor.next_ns is not None]
        return Block(list(zip(*columns, strict=True)), max(newest, default=None), min(coming, default=None))


def _opened(message: T | _Failure) -> T:
    if isinstance(message, _Failure):
        raise message.error
    return message
