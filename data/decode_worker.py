"""One decoder thread: decodes several cameras, a block of ticks at a time, a few blocks ahead of the consumer.

Does not know the other workers; `FrameSource` merges their blocks.
"""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fsd.data.camera_cursor import CameraCursor, Shown, Stopped
from fsd.data.clock import tick_time_ns

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Block:
    """The frames of a worker's cameras at consecutive ticks.

    Attributes:
        run: of the recording; see `FrameSet`.
        rows: for every tick, what each camera of the worker shows, in its order.
        newest_ns: time of the newest frame taken up to the end of the block; None where there is none in this run.
        coming_ns: for every camera, the time of the earliest frame not yet taken; None where it has ended. Once all
            have, this block is the last.
    """

    run: int
    rows: list[tuple[Shown, ...]]
    newest_ns: int | None
    coming_ns: tuple[int | None, ...]

    @property
    def next_ns(self) -> int | None:
        """Time of the earliest frame not yet taken; None where all cameras have ended."""
        return min((each for each in self.coming_ns if each is not None), default=None)


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of a recording without a hole: its number, its first tick, and the time of that tick."""

    number: int
    first_tick: int
    start_ns: int

    def tick_ns(self, tick: int) -> int:
        """Time of a tick of this run: computed from its number, never accumulated."""
        return tick_time_ns(tick - self.first_tick, self.start_ns)


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


class DecodeWorker:
    """A thread that decodes for `cursors`.

    Args:
        name: of the thread.
        cursors: its cameras.
        end_tick: the first tick that is not wanted; None for all.
        block_ticks: ticks in a block; blocks_ahead: how many may wait for the consumer.
        stop: set by the consumer to end the thread.
    """

    def __init__(
        self,
        name: str,
        cursors: Sequence[CameraCursor],
        end_tick: int | None,
        block_ticks: int,
        blocks_ahead: int,
        stop: threading.Event,
    ) -> None:
        self._cursors = cursors
        self._tick, self._end_tick, self._block_ticks = 0, end_tick, block_ticks
        self._stop = stop
        self._first_ns: queue.SimpleQueue[list[int | None] | _Failure] = queue.SimpleQueue()
        self._runs: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._blocks: queue.SimpleQueue[Block | _Failure] = queue.SimpleQueue()
        self._room = threading.Semaphore(blocks_ahead)  # blocks that are being decoded, or wait for the consumer
        # A daemon: a consumer that never closes its source must not keep the program alive.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread: it decodes the first picture of every camera, then waits for `begin`."""
        self._thread.start()

    def first_times_ns(self) -> list[int | None]:
        """Wait for the time of the first picture of each camera; None where it has none."""
        return _opened(self._first_ns.get())

    def begin(self, run: Run) -> None:
        """Start a run: the thread decodes its blocks from now on, in place of those of the run before.

        Blocks of the run before that are already decoded must not hold a frame of this one.
        """
        self._runs.put(run)

    def next_block(self, run: int) -> Block:
        """Wait for the next block of a run, and make room for another. Must not be called after the last block."""
        while True:
            block = _opened(self._blocks.get())
            self._room.release()
            if block.run == run:
                return block

    def close(self) -> None:
        """Wait for the thread to end; `stop` must be set."""
        self._runs.put(None)
        self._room.release()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        out: queue.SimpleQueue[Any] = self._first_ns
        try:
            for cursor in self._cursors:
                cursor.start()
            self._first_ns.put([cursor.next_ns for cursor in self._cursors])
            out = self._blocks
            run = self._runs.get()
            while run is not None and not self._stop.is_set():
                if self._tick == self._end_tick:
                    run = self._runs.get()  # a hole before the last tick leaves some to be decoded
                else:
                    self._room.acquire()  # before the work, so that a waiting worker has not decoded yet another block
                    if self._runs.empty():
                        block = self._make_block(run)
                        self._blocks.put(block)
                        if block.next_ns is None:
                            return
                        continue
                    self._room.release()
                    run = self._runs.get()
                if run is not None:
                    self._tick = run.first_tick
                    for cursor in self._cursors:
                        cursor.start_run()
            if self._stop.is_set():
                raise Stopped
        except BaseException as error:  # the consumer raises it; without it, the consumer would wait for ever
            out.put(_Failure(error))
        finally:
            for cursor in self._cursors:
                cursor.close()

    def _make_block(self, run: Run) -> Block:
        stop_tick = self._tick + self._block_ticks
        if self._end_tick is not None:
            stop_tick = min(stop_tick, self._end_tick)
        times_ns = [run.tick_ns(tick) for tick in range(self._tick, stop_tick)]
        self._tick = stop_tick
        # Camera by camera, not tick by tick: a decoder that runs for several pictures keeps its data in the cache.
        columns = [cursor.shown_at(times_ns) for cursor in self._cursors]
        newest = [cursor.newest_ns for cursor in self._cursors if cursor.newest_ns is not None]
        return Block(
            run.number,
            list(zip(*columns, strict=True)),
            max(newest, default=None),
            tuple(cursor.next_ns for cursor in self._cursors),
        )


def _opened(message: T | _Failure) -> T:
    if isinstance(message, _Failure):
        raise message.error
    return message
