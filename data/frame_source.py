"""Decode a clip to time-aligned frame sets at 36 Hz, in a few threads and bounded memory.

Which frame a tick shows depends on times alone, so the result is the same for any number of workers and any scheduling.
Files are read once, from the start, as far as needed.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Self

from fsd.data.camera_cursor import CameraCursor, Stopped
from fsd.data.clip import Clip
from fsd.data.clock import MAX_GAP_NS, SECOND_NS, tick_count, tick_time_ns
from fsd.data.decode_worker import Block, DecodeWorker
from fsd.data.errors import ClipError, ClockError
from fsd.data.frame_merger import FrameMerger
from fsd.data.frames import CAMERAS, MAX_FRAME_AGE_NS, Frame, FrameSet
from fsd.data.sync_report import CameraCounters, SyncReport

BLOCK_TICKS = 4
"""A worker decodes one camera for this many ticks, then the next: the decoder's data stay in the cache."""


class FrameSource:
    """Iterates over the frame sets of a clip; use it as a context manager.

    Tick i is at t0 + ceil(i / 36 s), t0 being the first frame of the camera that starts first. Ticks end with the last
    one that is not later than the last frame of the camera that ends last.

    Args:
        clip: opened recording.
        workers: decoder threads, shared by the cameras.
        lookahead_ticks: how many ticks each worker may decode ahead of the consumer, in blocks of up to `BLOCK_TICKS`;
            at most `lookahead_ticks` + 6 frames per camera are held. With room for two blocks, workers rarely wait for
            one another or for the consumer.
        max_age_ns: a camera whose frame is older than this is not valid.
        start_tick: first tick to return; recordings are still read from the start.
        max_ticks: maximum number of ticks; None is all.

    Raises (while iterating):
        ClipError: nothing can be decoded.
        ClockError: no camera has a new frame for over a minute.
    """

    def __init__(
        self,
        clip: Clip,
        workers: int = 2,
        lookahead_ticks: int = 8,
        max_age_ns: int = MAX_FRAME_AGE_NS,
        start_tick: int = 0,
        max_ticks: int | None = None,
    ) -> None:
        if workers < 1 or lookahead_ticks < 1:
            raise ValueError(f"workers and lookahead_ticks must be at least 1, got {workers} and {lookahead_ticks}.")
        if start_tick < 0 or max_age_ns < 0 or (max_ticks is not None and max_ticks < 0):
            raise ValueError(
                "start_tick, max_age_ns and max_ticks must not be negative, "
                f"got {start_tick}, {max_age_ns} and {max_ticks}."
            )
        self._streams = {i: stream for i, stream in enumerate(clip.streams) if stream is not None}
        if not self._streams:
            raise ClipError(f"{clip.path} has no camera. Give a clip with at least one video.")
        self._clip = clip
        self._start_tick = start_tick
        self._end_tick = None if max_ticks is None else start_tick + max_ticks
        self._stop = threading.Event()
        counters = {i: CameraCounters() for i in self._streams}
        self.report = SyncReport(cameras={CAMERAS[i]: counters[i] for i in self._streams})
        self._merger = FrameMerger(self.report, max_age_ns)
        self._groups = self._camera_groups(workers)
        block_ticks = min(BLOCK_TICKS, lookahead_ticks)
        self._workers = [
            DecodeWorker(
                f"decode-{number}",
                [CameraCursor(self._streams[i], counters[i], self._stop) for i in group],
                start_tick,
                self._end_tick,
                block_ticks,
                lookahead_ticks // block_ticks,
                self._stop,
            )
            for number, group in enumerate(self._groups)
        ]
        self._blocks: list[Block | None] = [None] * len(self._workers)
        self._frame_sets = self._iterate()

    @property
    def expected_ticks(self) -> int | None:
        """Number of ticks by the headers of the files; None where they do not state it. For progress bars."""
        limit = None if self._end_tick is None else self._end_tick - self._start_tick
        starts = [stream.start_ns for stream in self._streams.values() if stream.start_ns is not None]
        ends = [stream.end_ns for stream in self._streams.values() if stream.end_ns is not None]
        if len(starts) < len(self._streams) or len(ends) < len(self._streams):
            return limit
        ticks = max(0, tick_count(min(starts), max(ends)) - self._start_tick)
        return ticks if limit is None else min(ticks, limit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[FrameSet]:
        return self

    def __next__(self) -> FrameSet:
        if self._stop.is_set():
            raise StopIteration
        return next(self._frame_sets)

    def close(self) -> None:
        """Stop the workers and wait for them."""
        self._stop.set()
        for worker in self._workers:
            worker.close()
        self._blocks = [None] * len(self._workers)

    def _camera_groups(self, workers: int) -> list[list[int]]:
        """Assign every camera to the worker with the least load, the largest load first."""
        streams = self._streams
        groups: list[list[int]] = [[] for _ in range(min(workers, len(streams)))]
        loads = [0.0] * len(groups)
        for i in sorted(streams, key=lambda i: (-streams[i].pixels_per_second, i)):
            lightest = loads.index(min(loads))
            groups[lightest].append(i)
            loads[lightest] += streams[i].pixels_per_second
        return groups

    def _iterate(self) -> Iterator[FrameSet]:
        try:
            start_ns = self._begin()
            tick = self._start_tick
            while tick != self._end_tick:
                self._take_blocks()
                ticks = self._known_ticks(start_ns)
                for row in range(max(len(block.rows) for block in self._blocks if block is not None)):
                    if ticks is not None and tick >= ticks:
                        return
                    yield self._merger.merge(tick, tick_time_ns(tick, start_ns), self._frames(row))
                    tick += 1
                if ticks is None and tick != self._end_tick:
                    self._check_gap(start_ns)
        except Stopped:  # closed by another thread while waiting for a block
            return
        finally:
            self.close()

    def _begin(self) -> int:
        """Start the workers, learn when every camera starts, and tell them when tick 0 is."""
        for worker in self._workers:
            worker.start()
        first_ns = [time_ns for worker in self._workers for time_ns in worker.first_times_ns()]
        if not first_ns:
            raise ClipError(
                f"{self._clip.path}: no camera has a picture with a time. Check the videos and the timestamps files."
            )
        start_ns = min(first_ns)
        self.report.start_ns = start_ns
        for worker in self._workers:
            worker.begin(start_ns)
        return start_ns

    def _take_blocks(self) -> None:
        for number, worker in enumerate(self._workers):
            block = self._blocks[number]
            if block is None or block.next_ns is not None:
                self._blocks[number] = worker.next_block()
            else:  # the worker has ended; its last row is repeated while other cameras continue
                self._blocks[number] = replace(block, rows=block.rows[-1:])

    def _frames(self, row: int) -> list[Frame | None]:
        """The frames of all cameras at a row of the present blocks."""
        frames: list[Frame | None] = [None] * len(CAMERAS)
        for group, block in zip(self._groups, self._blocks, strict=True):
            if block is not None:
                at = min(row, len(block.rows) - 1)
                for camera, frame in zip(group, block.rows[at], strict=True):
                    frames[camera] = frame
                if at < len(block.rows) - 1:
                    block.rows[at] = ()  # release the frames as soon as the consumer does
        return frames

    def _known_ticks(self, start_ns: int) -> int | None:
        """Number of ticks of the clip; known once all workers have reached the end of their cameras."""
        blocks = [block for block in self._blocks if block is not None]
        if any(block.next_ns is not None for block in blocks):
            return None
        return tick_count(start_ns, max(block.newest_ns for block in blocks if block.newest_ns is not None))

    def _check_gap(self, start_ns: int) -> None:
        blocks = [block for block in self._blocks if block is not None]
        newest_ns = max((block.newest_ns for block in blocks if block.newest_ns is not None), default=start_ns)
        next_ns = min(block.next_ns for block in blocks if block.next_ns is not None)
        if next_ns - newest_ns > MAX_GAP_NS:
            raise ClockError(
                f"{self._clip.path}: no camera has a frame between {(newest_ns - start_ns) / SECOND_NS:.3f} s and "
                f"{(next_ns - start_ns) / SECOND_NS:.3f} s of the clip. Correct the times (a clock may have jumped), "
                "or cut the recording there into two clips."
            )
