"""The cameras at one tick: `Frame` (one picture) and `FrameSet` (eight of them, with ages); and the constants of both.

Planes are views of the decoder's memory: read them, never write.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.picture_sample import PictureSample

RATE_HZ = Fraction(36)
"""Ticks per second of the whole system, exact."""

TICK_S, TICK_MS, TICK_NS = (float(unit / RATE_HZ) for unit in (1, 1000, 10**9))
"""Length of a tick, rounded; the exact time of a tick is `clock.tick_time_ns`."""

MAX_FRAME_AGE_NS = 250_000_000
"""A camera whose newest picture is older than this is not valid, in replay and in training alike."""

MAX_FRAME_AGE_MS = MAX_FRAME_AGE_NS / 1e6

CAMERAS = (
    "front_main",
    "front_wide",
    "front_narrow",
    "left_pillar",
    "right_pillar",
    "left_repeater",
    "right_repeater",
    "rear",
)
"""The canonical cameras. Their order is the order of every (8, …) array in the program."""

GRID_ROWS, GRID_COLUMNS = 15, 20
"""Every picture, whatever its size, is divided into 15 x 20 blocks; at 1280x960 a block is 64x64 pixels."""

BLOCKS = GRID_ROWS * GRID_COLUMNS
"""Blocks per camera; block = row * 20 + column."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture of one camera, as the decoder left it (YUV 4:2:0, 8 bit).

    `y_plane` (H, W), `u_plane` and `v_plane` (ceil(H/2), ceil(W/2)), uint8, possibly with a row stride.
    `index` counts the pictures of the recording from 0. `is_black`: nothing in the picture is brighter than black.
    `picture` owns the memory of the planes (an `av.VideoFrame`).
    `sample` is of `y_plane`: whoever replaces the planes sets it to None, and it is taken anew where it is needed.
    `faults` of the picture that its reader knows of.
    """

    y_plane: np.ndarray
    u_plane: np.ndarray
    v_plane: np.ndarray
    timestamp_ns: int
    index: int
    is_black: bool = False
    picture: Any = field(default=None, repr=False, compare=False)
    sample: PictureSample | None = field(default=None, repr=False, compare=False)
    faults: tuple[CameraFault, ...] = ()


@dataclass(frozen=True, slots=True)
class FrameSet:
    """All cameras at one tick: for each, the newest frame not later than the tick; of a camera at the rate of the ticks
    whose times jitter, at times the one before (see `CameraCursor`).

    `frames` has one entry per camera of `CAMERAS`; None where the camera is missing or has not started.
    `age_ns` (8,) int64 is tick time minus frame time, -1 where there is no frame.
    `is_valid` (8,) bool: there is a frame, it is younger than the stale limit, and the camera is not masked.
    `is_new` (8,) bool: the frame was not yet shown at the previous tick.
    `run` counts the stretches of a recording that holes divide, from 0: what is remembered from one must not be used
    in the next.
    `faults` has one tuple per camera, and `is_masked` (8,) bool tells the cameras that are not valid because of them:
    a `CameraMonitor` sets both.
    """

    tick: int
    timestamp_ns: int
    frames: tuple[Frame | None, ...]
    age_ns: np.ndarray
    is_valid: np.ndarray
    is_new: np.ndarray
    run: int = 0
    faults: tuple[tuple[CameraFault, ...], ...] = ((),) * len(CAMERAS)
    is_masked: np.ndarray = field(default_factory=lambda: np.zeros(len(CAMERAS), np.bool_))

    @property
    def frame_index(self) -> np.ndarray:
        """(8,) int64 index of each camera's frame in its recording; -1 where there is none."""
        return np.array([-1 if frame is None else frame.index for frame in self.frames], dtype=np.int64)

    def held(self, tick: int, timestamp_ns: int) -> "FrameSet":
        """The same pictures at a later tick: older, and not new."""
        return replace(
            self,
            tick=tick,
            timestamp_ns=timestamp_ns,
            age_ns=self.age_ns + (timestamp_ns - self.timestamp_ns),
            is_new=np.zeros_like(self.is_new),
        )
