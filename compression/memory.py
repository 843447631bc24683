"""The bounded memory: 112 slots, whatever the length of the drive.

Keeps where and when every slot was committed, and decides which slot is written next; the content of a slot (keys and
values) belongs to the network and its engine. Slots 0-31 are the last 3.6 s, 32-63 the last 32 m, 64-95 the last
128 m, 96-111 the events of the last minute.
"""

import math
from typing import NamedTuple

import numpy as np

from fsd.compression.odometry import Odometer
from fsd.compression.tick import (
    EVENT_SLOTS,
    FAR_SLOTS,
    MAX_COMMITS,
    MEMORY_POSE_SIZE,
    MEMORY_SLOTS,
    NEAR_SLOTS,
    TIME_SLOTS,
)
from fsd.data.kernel import kernel

TIME_STRIDE_TICKS = 4
NEAR_STEP_M, FAR_STEP_M = 1.0, 4.0
EVENT_LIFE_NS = 60_000_000_000
"""Events are kept for a minute."""

EVENT_SPACING_NS = 500_000_000
"""Surprises within this time are one event: its slot keeps the tick of the largest one."""

_TIME, _NEAR, _FAR, _EVENT = range(4)
_FIRST = (0, TIME_SLOTS, TIME_SLOTS + NEAR_SLOTS, TIME_SLOTS + NEAR_SLOTS + FAR_SLOTS)
_LENGTH = (TIME_SLOTS, NEAR_SLOTS, FAR_SLOTS, EVENT_SLOTS)


class _Pose(NamedTuple):
    """The ego in the odometer's frame. Passed to the kernel as a plain tuple, which is faster."""

    x_m: float
    y_m: float
    sin_yaw: float
    cos_yaw: float


@kernel
def _relative_poses(
    slots: np.ndarray,
    times_ns: np.ndarray,
    surprise: np.ndarray,
    pose_values: tuple[float, float, float, float],
    now_ns: int,
    pose: np.ndarray,
    valid: np.ndarray,
) -> None:
    """Write the poses of all slots in the ego frame, and drop the events that are too old."""
    here = _Pose(*pose_values)
    sin, cos = here.sin_yaw, here.cos_yaw
    first_event = slots.shape[0] - surprise.shape[0]
    for i in range(slots.shape[0]):
        if i >= first_event and now_ns - times_ns[i] > EVENT_LIFE_NS:
            times_ns[i] = -1
            surprise[i - first_event] = 0
        if times_ns[i] < 0:
            valid[i] = 0
            pose[i, :5] = 0
            continue
        dx, dy = slots[i, 0] - here.x_m, slots[i, 1] - here.y_m
        valid[i] = 1
        pose[i, 0] = dx * cos + dy * sin
        pose[i, 1] = dy * cos - dx * sin
        pose[i, 2] = slots[i, 2] * cos - slots[i, 3] * sin
        pose[i, 3] = slots[i, 3] * cos + slots[i, 2] * sin
        pose[i, 4] = (now_ns - times_ns[i]) * 1e-9


def _pose(odometer: Odometer) -> tuple[float, float, float, float]:
    return odometer.x_m, odometer.y_m, math.sin(odometer.yaw_rad), math.cos(odometer.yaw_rad)


class OdometerMemory:
    """Which slot holds what, for one drive.

    Attributes:
        pose: (112, 6) float32, as in `CompressedTick.memory_pose`; written by `recall_poses`.
        valid: (112,) float32, 1 where a slot may be attended to.
        commits: (4,) int16, slots to be written by this tick, by queue; -1 none; written by `commit`.
    """

    def __init__(self) -> None:
        self.pose = np.zeros((MEMORY_SLOTS, MEMORY_POSE_SIZE), np.float32)
        self.valid = np.zeros(MEMORY_SLOTS, np.float32)
        self.commits = np.full(MAX_COMMITS, -1, np.int16)
        self._slots = np.zeros((MEMORY_SLOTS, 4))  # x, y, sin yaw, cos yaw in the odometer's frame
        self._times_ns = np.full(MEMORY_SLOTS, -1, np.int64)
        self._surprise = np.zeros(EVENT_SLOTS, np.int64)
        self.reset()

    def reset(self) -> None:
        self.pose[:] = 0
        self.pose[:, 5] = np.repeat(np.arange(4), _LENGTH)
        self.valid[:] = 0
        self.commits[:] = -1
        self._slots[:] = 0
        self._times_ns[:] = -1
        self._surprise[:] = 0
        self._next = [0, 0, 0, 0]
        self._ticks_since_commit = TIME_STRIDE_TICKS
        self._milestones = [-1, -1, -1, -1]
        self._last_event: int | None = None
        self._last_event_ns = 0

    def recall_poses(self, odometer: Odometer, now_ns: int) -> None:
        """Update `pose` and `valid` to what the network may attend to at this tick, before the tick's own commits."""
        here = _pose(odometer)
        _relative_poses(self._slots, self._times_ns, self._surprise, here, now_ns, self.pose, self.valid)

    def commit(self, odometer: Odometer, now_ns: int, surprise: int = 0) -> None:
        """Decide which slots this tick writes. `recall_poses` reports them from the next tick on.

        The distance queues move only while odometry knows that the ego moves. An event needs `surprise` > 0; it takes
        a free slot, or the least surprising one where that is less surprising (the older of equals); within half a
        second of the last event it may only take that event's slot.
        """
        self.commits[:] = -1
        self._ticks_since_commit += 1
        if self._ticks_since_commit >= TIME_STRIDE_TICKS:
            self._ticks_since_commit = 0
            self._take_next(_TIME)
        if odometer.source != "none":
            self._commit_by_distance(_NEAR, NEAR_STEP_M, odometer.travelled_m)
            self._commit_by_distance(_FAR, FAR_STEP_M, odometer.travelled_m)
        if surprise > 0:
            self._commit_event(surprise, now_ns)
        for slot in self.commits.tolist():
            if slot >= 0:
                self._slots[slot] = _pose(odometer)
                self._times_ns[slot] = now_ns

    def _take_next(self, queue: int) -> None:
        self.commits[queue] = _FIRST[queue] + self._next[queue]
        self._next[queue] = (self._next[queue] + 1) % _LENGTH[queue]

    def _commit_by_distance(self, queue: int, step_m: float, travelled_m: float) -> None:
        milestone = int(travelled_m // step_m)
        if milestone > self._milestones[queue]:
            self._milestones[queue] = milestone
            self._take_next(queue)

    def _commit_event(self, surprise: int, now_ns: int) -> None:
        if self._last_event is not None and now_ns - self._last_event_ns < EVENT_SPACING_NS:
            slot = self._last_event
        else:
            slot = int(np.lexsort((self._times_ns[_FIRST[_EVENT] :], self._surprise))[0])  # free ones have surprise 0
            if self._surprise[slot] < surprise:
                self._last_event, self._last_event_ns = slot, now_ns
        if self._surprise[slot] < surprise:
            self._surprise[slot] = surprise
            self.commits[_EVENT] = _FIRST[_EVENT] + slot
