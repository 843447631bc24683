"""Decode a clip to time-aligned frame sets at 36 Hz, in a few threads and bounded memory.

Which frame a tick shows depends on times alone, so the result is the same for any number of workers and any scheduling.
Files are read once, from the start, as far as needed.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fsd.data.cadence import Cadence, tick_phase_ns
from fsd.data.camera_cursor import CameraCursor, Shown, Stopped, overdue_ns
from fsd.data.camera_health.monitor import CameraMonitor
from fsd.data.clip import Clip
from fsd.data.clock import tick_count
from fsd.data.decode_worker import Block, DecodeWorker, Run
from fsd.data.errors import ClipError
from fsd.data.frame_merger import FrameMerger
from fsd.data.frame_sets import FrameSets
from fsd.data.frames import CAMERAS, MAX_FRAME_AGE_NS, TICK_NS, FrameSet
from fsd.data.stretches import MAX_HOLE_NS, stretches_ns
from fsd.data.sync_report import CameraCounters, RunStart, SyncReport

BLOCK_TICKS = 4
"""A worker decodes one camera for this many ticks, then the next: the decoder's data stay in the cache."""

MAX_LOOKAHEAD_TICKS = 48
"""Well below `MAX_HOLE_NS`: what was decoded ahead when a hole is found then holds no frame from behind it."""


class FrameSource(FrameSets):
    """Iterates over the frame sets of a clip; use it as a context manager.

    Tick i is at t0 + ceil(i / 36 s). For cameras with exact times, t0 is the first frame of the camera that starts
    first; where times jitter, t0 is later by less than a tick, so that frames do not fall to either side of ticks (see
    `tick_phase_ns`). Ticks end with the last one that is not later than the last frame of the camera that ends last;
    where times jitter, with the first one after it.

    Where no camera has a frame for longer than `MAX_HOLE_NS`, a new run begins: ticks are numbered on, but their times
    start anew with the first frame after the hole. No frame from before it is shown after it.

    Args:
        clip: opened recording.
        workers: decoder threads, shared by the cameras.
        lookahead_ticks: how many ticks each worker may decode ahead of the consumer, in blocks of up to `BLOCK_TICKS`;
            at most `lookahead_ticks` + 6 frames per camera are held. With room for two blocks, workers rarely wait for
            one another or for the consumer.
        max_age_ns: a camera whose frame is older than this is not valid.
        start_tick: first tick to return; recordings are still read from the start.
        max_ticks: maximum number of ticks; None is all.
        mask_cameras: whether cameras with faulty pictures count as not valid; see `CameraMonitor`.

    Raises (while iterating):
        ClipError: nothing can be decoded.
    """

    def __init__(
        self,
        clip: Clip,
        workers: int = 2,
        lookahead_ticks: int = 8,
        max_age_ns: int = MAX_FRAME_AGE_NS,
        start_tick: int = 0,
        max_ticks: int | None = None,
        mask_cameras: bool = True,
    ) -> None:
        if workers < 1 or not 1 <= lookahead_ticks <= MAX_LOOKAHEAD_TICKS:
            raise ValueError(
                f"workers must be at least 1 and lookahead_ticks from 1 to {MAX_LOOKAHEAD_TICKS}, "
                f"got {workers} and {lookahead_ticks}."
            )
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
        self._merger = FrameMerger(self.report, max_age_ns, {i: overdue_ns(each) for i, each in self._streams.items()})
        self._monitor = CameraMonitor(clip.rig, mask_cameras)
        self._groups = self._camera_groups(workers)
        block_ticks = min(BLOCK_TICKS, lookahead_ticks)
        self._workers = [
            DecodeWorker(
                f"decode-{number}",
                [CameraCursor(self._streams[i], counters[i], self._stop) for i in group],
                self._end_tick,
                block_ticks,
                lookahead_ticks // block_ticks,
                self._stop,
            )
            for number, group in enumerate(self._groups)
        ]
        self._blocks: list[Block | None] = [None] * len(self._workers)
        self._phase_ns = 0
        self._newest_ns: int | None = None
        self._seen: set[int] = set()  # cameras that had a frame in a run before
        self._steps_over_holes: Counter[int] = Counter()
        self._frame_sets = self._iterate()

    @property
    def expected_ticks(self) -> int | None:
        """Number of ticks by the headers of the files; None where they do not state it. For progress bars."""
        limit = None if self._end_tick is None else self._end_tick - self._start_tick
        if not all(stream.spans_ns for stream in self._streams.values()):
            return limit
        ticks = sum(tick_count(*stretch_ns) for stretch_ns in stretches_ns(self._streams.values()))
        ticks = max(0, ticks - self._start_tick)
        return ticks if limit is None else min(ticks, limit)

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
        for camera, holes in self._steps_over_holes.items():  # a hole of the recording is no gap of a camera
            counters = self.report.cameras[CAMERAS[camera]]
            counters.gaps = max(0, counters.gaps - holes)
        self._steps_over_holes.clear()

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
            firsts_ns: list[int | None] = []
            for worker in self._workers:
                worker.start()
            for worker in self._workers:
                firsts_ns += worker.first_times_ns()
            if all(first_ns is None for first_ns in firsts_ns):
                raise ClipError(
                    f"{self._clip.path}: no camera has a picture with a time. "
                    "Check the videos and the timestamps files."
                )
            tick, ego = 0, self._clip.ego
            while any(first_ns is not None for first_ns in firsts_ns) and tick != self._end_tick:
                run = self._begin_run(tick, firsts_ns)
                for tick, shown in self._run(run):
                    if tick > self._start_tick:
                        merged = self._merger.merge(tick - 1, run.tick_ns(tick - 1), shown, run.number)
                        frame_set = self._monitor.step(merged, ego.sample_at(merged.timestamp_ns) if ego else None)
                        self.report.count_faults(frame_set)
                        yield frame_set
                firsts_ns = [each for block in self._blocks if block is not None for each in block.coming_ns]
        except Stopped:  # closed by another thread while waiting for a block
            return
        finally:
            self.close()

    def _begin_run(self, tick: int, firsts_ns: Sequence[int | None]) -> Run:
        """Start the run whose first frames have these times, one per camera in the order of the workers."""
        order = [camera for group in self._groups for camera in group]
        present = [(ns, self._cadence(camera)) for camera, ns in zip(order, firsts_ns, strict=True) if ns is not None]
        self._phase_ns = tick_phase_ns(present)
        run = Run(len(self.report.runs), tick, min(ns for ns, _ in present) + self._phase_ns)
        hole_ns = None if self._newest_ns is None else min(ns for ns, _ in present) - self._newest_ns
        if hole_ns is not None:
            known = [camera for camera, ns in zip(order, firsts_ns, strict=True) if ns is not None]
            self._steps_over_holes.update(camera for camera in known if camera in self._seen)
        self._seen |= {camera for camera, ns in zip(order, firsts_ns, strict=True) if ns is not None}
        self.report.runs.append(RunStart(tick, run.start_ns, hole_ns))
        if self.report.start_ns is None:
            self.report.start_ns = run.start_ns
        for number, (worker, block) in enumerate(zip(self._workers, self._blocks, strict=True)):
            if block is None or block.next_ns is not None:
                worker.begin(run)
            else:  # the worker has ended: its cameras are missing from now on
                nothing = tuple(Shown(None) for _ in self._groups[number])
                self._blocks[number] = replace(block, rows=[nothing], newest_ns=None)
        return run

    def _run(self, run: Run) -> Iterator[tuple[int, list[Shown | None]]]:
        """What is shown at every tick of a run, each with the number of the tick after it."""
        tick = run.first_tick
        while tick != self._end_tick:
            self._take_blocks(run.number)
            ticks = self._known_ticks(run)
            for row in range(max(len(block.rows) for block in self._blocks if block is not None)):
                if ticks is not None and tick >= run.first_tick + ticks:
                    return
                tick += 1
                yield tick, self._shown(row)

    def _take_blocks(self, run: int) -> None:
        for number, worker in enumerate(self._workers):
            block = self._blocks[number]
            if block is None or block.next_ns is not None:
                self._blocks[number] = worker.next_block(run)
            else:  # the worker has ended; its last row is repeated while other cameras continue
                last = tuple(shown._replace(faults=()) for shown in block.rows[-1])
                self._blocks[number] = replace(block, rows=[last])

    def _shown(self, row: int) -> list[Shown | None]:
        """What all cameras show at a row of the present blocks; None for those that are not recorded."""
        all_shown: list[Shown | None] = [None] * len(CAMERAS)
        for group, block in zip(self._groups, self._blocks, strict=True):
            if block is not None:
                at = min(row, len(block.rows) - 1)
                for camera, shown in zip(group, block.rows[at], strict=True):
                    all_shown[camera] = shown
                if at < len(block.rows) - 1:
                    block.rows[at] = ()  # release the frames as soon as the consumer does
        return all_shown

    def _known_ticks(self, run: Run) -> int | None:
        """Number of ticks of the run; known once all cameras have ended or are in a hole."""
        blocks = [block for block in self._blocks if block is not None]
        newest_ns = max((block.newest_ns for block in blocks if block.newest_ns is not None), default=None)
        next_ns = min((block.next_ns for block in blocks if block.next_ns is not None), default=None)
        if newest_ns is None or (next_ns is not None and next_ns - newest_ns <= MAX_HOLE_NS):
            return None
        self._newest_ns = newest_ns
        # Where times jitter, the first tick after the last frame belongs to the run, or that frame might not be shown.
        late_ns = int(TICK_NS) - 1 if self._phase_ns else 0
        return tick_count(run.start_ns, newest_ns + late_ns)

    def _cadence(self, camera: int) -> Cadence | None:
        cadence = self._streams[camera].cadence
        # Only the first run begins with the frame that `first_late_ns` is about.
        return cadence if cadence is None or not self.report.runs else replace(cadence, first_late_ns=0)
