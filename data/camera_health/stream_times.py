"""Find cameras that stop, or whose times or pictures repeat or jump, from what is shown at every tick.

A recording's reader knows more of it (`FrameMerger`); these see live cameras too.
"""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, HealthTick, unknown
from fsd.data.frames import CAMERAS, MAX_FRAME_AGE_NS, TICK_NS, Frame
from fsd.data.kernel import kernel

MAX_AGE_PERIODS = 2.0
"""A camera at a low rate is lost when its picture is older than this many of its periods."""

REPEATED_SHARE = 0.05
"""A picture is a repetition where it differs from the one before by less than this share of what is usual."""

MIN_USUAL_CHANGE = 2.0
"""In steps of luma: in pictures that change less, a repetition cannot be told from standing still."""

MIN_RUNS, MAX_REPETITIONS, RUN_FADING = 3, 8, 0.8
"""Runs of repetitions until they are named, repetitions in a run, and what a run counts after a picture without one."""

_KNOWN = (CameraFault.LATE_START, CameraFault.TRUNCATED, CameraFault.CLOCK_JUMP)


class LostCamera:
    """A camera that had pictures has no new one."""

    fault = CameraFault.LOST

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._newest_ns: list[int | None] = [None] * len(CAMERAS)
        self._period_ns = [0] * len(CAMERAS)

    def step(self, tick: HealthTick) -> np.ndarray:
        frame_set, evidence = tick.frame_set, unknown()
        for camera, frame in enumerate(frame_set.frames):
            newest_ns = self._newest_ns[camera]
            if frame is None:
                evidence[camera] = GOOD if newest_ns is None else BAD
            else:
                if frame_set.is_new[camera]:
                    if newest_ns is not None:
                        step_ns, period_ns = frame.timestamp_ns - newest_ns, self._period_ns[camera]
                        self._period_ns[camera] = min(step_ns, 2 * period_ns) if period_ns else step_ns
                    self._newest_ns[camera] = frame.timestamp_ns
                limit_ns = max(MAX_FRAME_AGE_NS, MAX_AGE_PERIODS * self._period_ns[camera])
                evidence[camera] = BAD if frame_set.age_ns[camera] > limit_ns else GOOD
            if any(fault in frame_set.faults[camera] for fault in _KNOWN):
                evidence[camera] = GOOD
        return evidence


class JumpingClock:
    """A new picture is stamped before the one before it, in the future, or so early that it cannot be new."""

    fault = CameraFault.CLOCK_JUMP

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._newest: list[Frame | None] = [None] * len(CAMERAS)

    def step(self, tick: HealthTick) -> np.ndarray:
        frame_set, evidence = tick.frame_set, unknown()
        for camera in np.flatnonzero(frame_set.is_new):
            frame, before = frame_set.frames[camera], self._newest[camera]
            self._newest[camera] = frame
            if frame is None or before is None:
                continue
            step_ns, age_ns = frame.timestamp_ns - before.timestamp_ns, int(frame_set.age_ns[camera])
            is_old = step_ns < MAX_FRAME_AGE_NS < age_ns
            evidence[camera] = BAD if step_ns < 0 or age_ns < -TICK_NS or is_old else GOOD
        return evidence


class RepeatedPictures:
    """A camera delivers its pictures twice or more, as new ones, while what it sees moves.

    Several short runs of repetitions are needed: a long one is a camera that is frozen.
    """

    fault = CameraFault.DUPLICATES

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._usual = np.zeros(len(CAMERAS))
        self._repeated = np.zeros(len(CAMERAS), np.int64)
        self._runs = np.zeros(len(CAMERAS))

    def step(self, tick: HealthTick) -> np.ndarray:
        evidence = unknown()
        self._usual[tick.has_fault] = 0.0  # noise and swinging exposure change more than motion does
        _count_repetitions(tick.change, tick.has_fault, self._usual, self._repeated, self._runs, evidence)
        return evidence


@kernel
def _count_repetitions(
    change: np.ndarray,
    has_fault: np.ndarray,
    usual: np.ndarray,
    repeated: np.ndarray,
    runs: np.ndarray,
    evidence: np.ndarray,
) -> None:
    """Update the usual change, the length of the present run and the number of runs of every camera: (8,) each."""
    for camera in range(len(change)):
        if has_fault[camera] or not np.isfinite(change[camera]):
            continue
        if change[camera] < REPEATED_SHARE * usual[camera] and usual[camera] >= MIN_USUAL_CHANGE:
            repeated[camera] += 1
        else:
            usual[camera] += (change[camera] - usual[camera]) / 4
            if repeated[camera] == 0:
                runs[camera] *= RUN_FADING
            elif repeated[camera] <= MAX_REPETITIONS:
                runs[camera] = min(runs[camera] + 1, 2 * MIN_RUNS)
            else:
                runs[camera] = 0
            repeated[camera] = 0
            if runs[camera] < 1:
                evidence[camera] = GOOD
        if runs[camera] >= MIN_RUNS and repeated[camera] <= MAX_REPETITIONS:
            evidence[camera] = BAD
