"""The cameras at one tick: `FrameSet`, eight pictures with their ages. It offers the names of `frame.py` too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.frame import BLOCKS as BLOCKS
from fsd.data.frame import CAMERAS as CAMERAS
from fsd.data.frame import GRID_COLUMNS as GRID_COLUMNS
from fsd.data.frame import GRID_ROWS as GRID_ROWS
from fsd.data.frame import MAX_FRAME_AGE_MS as MAX_FRAME_AGE_MS
from fsd.data.frame import MAX_FRAME_AGE_NS as MAX_FRAME_AGE_NS
from fsd.data.frame import RATE_HZ as RATE_HZ
from fsd.data.frame import TICK_MS as TICK_MS
from fsd.data.frame import TICK_NS as TICK_NS
from fsd.data.frame import TICK_S as TICK_S
from fsd.data.frame import Frame as Frame

if TYPE_CHECKING:
    from fsd.data.rig import Rig


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

    @classmethod
    def from_rgb(
        cls, images: Mapping[str, np.ndarray], t_ns: int, rig: "Rig | None" = None, tick: int = 0
    ) -> "FrameSet":
        """The frame set of pictures that were all taken at `t_ns`; cameras that are not given are missing.

        Args:
            images: camera, or an alias of it -> (H, W, 3) uint8 RGB.
            t_ns: time in ns of any clock; it must rise from tick to tick.
            rig: that of the planner or compressor; the sizes of the pictures are checked against it.
            tick: number of the tick, counted by the caller: 36 per second.

        Raises:
            ClipError: a name is no camera's, or a picture has another shape or type.
            RigError: a picture is not that of the rig's camera.
        """
        from fsd.data.array_frames import frame_from_rgb  # loads the decoders

        return cls._of_arrays(images, frame_from_rgb, t_ns, rig, tick)

    @classmethod
    def from_yuv(
        cls, planes: Mapping[str, tuple[np.ndarray, ...]], t_ns: int, rig: "Rig | None" = None, tick: int = 0
    ) -> "FrameSet":
        """As `from_rgb`, of planes (y, u, v): limited range, uint8, of (H, W) and twice (ceil(H/2), ceil(W/2)).

        The planes are not copied: they must stay as they are until the next tick.
        """
        from fsd.data.array_frames import frame_from_yuv

        return cls._of_arrays(planes, frame_from_yuv, t_ns, rig, tick)

    @classmethod
    def _of_arrays(
        cls,
        images: Mapping[str, Any],
        frame_from: Callable[[str, Any, int, int], Frame],
        t_ns: int,
        rig: "Rig | None",
        tick: int,
    ) -> "FrameSet":
        from fsd.data.array_frames import canonical_names, check_against_rig

        named: dict[str, Frame] = {}
        for given, name in canonical_names(list(images)).items():
            frame = frame_from(name, images[given], t_ns, tick)
            if rig is not None:
                height_px, width_px = frame.y_plane.shape
                check_against_rig(name, width_px, height_px, rig)
            named[name] = frame
        is_there = np.array([name in named for name in CAMERAS])
        age_ns = np.where(is_there, 0, -1).astype(np.int64)
        frames = tuple(named.get(name) for name in CAMERAS)
        return cls(tick, t_ns, frames, age_ns, is_there, is_there.copy())

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
