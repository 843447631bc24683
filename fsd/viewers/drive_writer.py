"""What `drive.mcap` and `drive.rrd` have in common: the content of each tick, and its order.

Does not know the file formats; the subclasses write them.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample, EgoTrack
from fsd.data.frames import CAMERAS, Frame
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.viewers.clip_video import ClipVideo
from fsd.viewers.tick_values import values_of

MAX_PATH_POINTS = 2000


class DriveWriter(ABC):
    """Writes one replay to a viewer's file while it runs.

    Args:
        clip: the recording; metadata: of the model.
        keep_location: leave positions that cameras embed in their video where it is passed through.

    Attributes:
        video: camera -> how its video got into the file: `passed through`, or `encoded anew: <why>`.
    """

    def __init__(self, clip: Clip, metadata: PlannerMetadata, keep_location: bool = False) -> None:
        self._clip = clip
        self._hypotheses_mps2 = metadata.hypotheses_mps2
        self._caveat = metadata.caveat(clip.rig.is_simulated)
        self._images = ClipVideo(clip, keep_location)
        self.video = self._images.how
        self._has_begun = False
        self._now_ns = 0

    def add(self, result: StepResult, ego: EgoSample | None, command: str, wait_ms: float) -> None:
        """Write everything of one tick; `wait_ms` was spent waiting for the decoder."""
        self._now_ns = result.plan.timestamp_ns
        if not self._has_begun:
            self._has_begun = True
            self._begin(_whole_path(self._clip.ego))
        frame_set, compressed = result.frame_set, result.compressed
        present = [(index, frame) for index in self._images.indices if (frame := frame_set.frames[index]) is not None]
        for index, frame in present:
            if frame_set.is_new[index]:
                self._put_image(index, frame)
        if compressed is not None:
            for index, frame in present:
                self._put_gaze(index, frame, compressed.patch_boxes(index), bool(compressed.is_keyframe[index]))
            keyframes = [name for name, is_keyframe in zip(CAMERAS, compressed.is_keyframe, strict=True) if is_keyframe]
            if keyframes:
                self._put_keyframes(keyframes)
        self._put_plan(result.plan)
        if self._clip.ego is not None:
            x_m, y_m, yaw_rad, _ = self._clip.ego.poses_at(np.array([self._now_ns]))[0].tolist()
            if np.isfinite([x_m, y_m, yaw_rad]).all():
                self._put_pose(x_m, y_m, yaw_rad)
        mode = self._clip.modes.mode_at(self._now_ns) if self._clip.modes is not None else None
        cameras = self._images.indices
        found = values_of(result, ego, command, mode, wait_ms, cameras, self._hypotheses_mps2)
        for group, values in found.items():
            self._put_values(group, values)

    def _size_px(self, index: int, frame: Frame) -> tuple[float, float]:
        """Width and height of a camera's image in the file."""
        height_px, width_px = frame.y_plane.shape
        return width_px * self._images.scale(index), height_px * self._images.scale(index)

    @abstractmethod
    def close(self) -> None:
        """End the file."""

    @abstractmethod
    def _begin(self, path: np.ndarray) -> None:
        """Write what holds for the whole drive; `path` (n, 2) x m, y m is the driven path, without rows if unknown."""

    @abstractmethod
    def _put_image(self, index: int, frame: Frame) -> None:
        """Write a frame that the camera shows for the first time."""

    @abstractmethod
    def _put_gaze(self, index: int, frame: Frame, boxes: np.ndarray, is_keyframe: bool) -> None:
        """Write what was read of one camera as patches, as `CompressedTick.patch_boxes`."""

    @abstractmethod
    def _put_keyframes(self, cameras: list[str]) -> None:
        """Write which cameras have a keyframe, at least one."""

    @abstractmethod
    def _put_plan(self, plan: Plan) -> None:
        """Write the plan."""

    @abstractmethod
    def _put_pose(self, x_m: float, y_m: float, yaw_rad: float) -> None:
        """Write the driven pose in the world."""

    @abstractmethod
    def _put_values(self, group: str, values: dict[str, Any]) -> None:
        """Write one group of `tick_values.VALUES`."""


def _whole_path(ego: EgoTrack | None) -> np.ndarray:
    """(n, 2) x m, y m of the whole driven path in the world, at most about `MAX_PATH_POINTS`; (0, 2) without poses."""
    if ego is None:
        return np.empty((0, 2))
    path = np.stack([ego.x_m, ego.y_m], axis=1)
    path = path[np.isfinite(path).all(axis=1)]
    return path[:: max(1, len(path) // MAX_PATH_POINTS)]
