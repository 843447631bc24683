"""One picture of a camera (`Frame`), and the constants of the cameras and of the tick.

Planes are views of the decoder's memory: read them, never write.
"""

from dataclasses import dataclass, field
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
