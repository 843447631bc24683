"""Make a `FrameSet` of the frames of all cameras at a tick, with ages and validity, and count what is shown."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from fsd.data.camera_cursor import Shown
from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.data.sync_report import SyncReport


class FrameMerger:
    """Makes frame sets in tick order and updates the counters of shown frames.

    Args:
        report: updated with every tick.
        max_age_ns: a frame older than this is stale, and its camera not valid.
        overdue_ns: camera index -> age of its frame from which on the next one must be missing.
    """

    def __init__(self, report: SyncReport, max_age_ns: int, overdue_ns: Mapping[int, int]) -> None:
        self._report = report
        self._max_age_ns = max_age_ns
        self._overdue_ns = overdue_ns
        self._shown_before: tuple[Frame | None, ...] = (None,) * len(CAMERAS)
        self._age_sum_ns = [0] * len(CAMERAS)
        self._valid_ticks = [0] * len(CAMERAS)
        self._skew_sum_ns = 0
        self._skew_ticks = 0

    def merge(self, tick: int, tick_ns: int, shown: Sequence[Shown | None], run: int = 0) -> FrameSet:
        """The frame set of a tick; `shown` has one entry per camera of `CAMERAS`, None for one that is not recorded."""
        frames = tuple(None if each is None else each.frame for each in shown)
        ages_ns = [-1 if frame is None else tick_ns - frame.timestamp_ns for frame in frames]
        is_new = [
            frame is not None and frame is not before for frame, before in zip(frames, self._shown_before, strict=True)
        ]
        is_valid = [
            frame is not None and age_ns <= self._max_age_ns for frame, age_ns in zip(frames, ages_ns, strict=True)
        ]
        faults = tuple(
            () if each is None else self._faults(each, ages_ns[i], self._overdue_ns[i]) for i, each in enumerate(shown)
        )
        self._count(frames, ages_ns, is_valid, is_new)
        self._shown_before = frames
        # Arrays are made last: until here, every number is used by itself.
        return FrameSet(
            tick, tick_ns, frames, np.array(ages_ns, np.int64), np.array(is_valid), np.array(is_new), run, faults
        )

    def _faults(self, shown: Shown, age_ns: int, overdue_ns: int) -> tuple[CameraFault, ...]:
        """The faults of one camera's times: of its new pictures, and why they are missing."""
        absence = shown.absence
        # The times may never go on: a jump does not explain for longer why there is no new frame.
        if absence is CameraFault.CLOCK_JUMP and (shown.frame is None or age_ns > self._max_age_ns):
            absence = CameraFault.LOST
        # A camera that is known to be cut off is named at once, another one when its frame is too old to be used.
        limit_ns = self._max_age_ns if absence is CameraFault.LOST else min(overdue_ns, self._max_age_ns)
        is_absent = shown.frame is None or age_ns > limit_ns
        if absence is None or not is_absent or absence in shown.faults:
            return shown.faults
        return (*shown.faults, absence)

    def _count(
        self, frames: tuple[Frame | None, ...], ages_ns: Sequence[int], is_valid: Sequence[bool], is_new: Sequence[bool]
    ) -> None:
        report = self._report
        report.ticks += 1
        for i, name in enumerate(CAMERAS):
            counters = report.cameras.get(name)
            frame = frames[i]
            if counters is None:
                continue
            if frame is None:
                counters.ticks_missing += 1
                continue
            age_ns = ages_ns[i]
            if is_new[i]:
                counters.frames_shown += 1
            else:
                is_overdue = age_ns > self._overdue_ns[i]
                counters.ticks_missing += is_overdue
                counters.ticks_repeated += not is_overdue
            counters.black_frames += int(frame.is_black and is_new[i])
            counters.ticks_stale += int(age_ns > self._max_age_ns)
            counters.max_age_ns = max(counters.max_age_ns, age_ns)
            if is_valid[i]:
                self._age_sum_ns[i] += age_ns
                self._valid_ticks[i] += 1
                counters.mean_age_ns = self._age_sum_ns[i] // self._valid_ticks[i]
        valid_ages_ns = list(itertools.compress(ages_ns, is_valid))
        if len(valid_ages_ns) > 1:
            skew_ns = max(valid_ages_ns) - min(valid_ages_ns)
            self._skew_sum_ns += skew_ns
            self._skew_ticks += 1
            report.max_skew_ns = max(report.max_skew_ns, skew_ns)
            report.mean_skew_ns = self._skew_sum_ns // self._skew_ticks
