"""Frame selections: baselines that drop pictures. They show some pictures, and hold each until the next.

A selection stands between the frame source and the compressor. Held pictures keep their true age. Knows pictures and
tick counts; how many pixels of a picture are read, and in which order, is up to the gaze (`RasterGaze`).
"""

from dataclasses import replace
from typing import Protocol

import numpy as np

from fsd.data.frames import CAMERAS, Frame, FrameSet

CONTENT_THRESHOLD = 15.0
"""Mean absolute difference, in grey levels, at which a picture is another scene than the one that is held."""

MIN_SCENE_TICKS = 15
"""Minimum time between two cuts: the usual minimum length of a scene in frames."""

_POINTS = 60
"""Pictures are compared at about 60 x 80 points."""


class FrameSelection(Protocol):
    """Shows some pictures and holds them. One object serves one drive; `reset` forgets it."""

    def reset(self) -> None:
        """Forget the drive."""

    def select(self, frame_set: FrameSet) -> FrameSet:
        """The same tick with the pictures that are shown: new ones, or older ones with their true age."""


class _Held:
    """What every camera shows, and since when."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._frames: list[Frame | None] = [None] * len(CAMERAS)
        self._shown_ns = np.zeros(len(CAMERAS), np.int64)

    def shown(self, frame_set: FrameSet, is_taken: np.ndarray) -> FrameSet:
        """Take the new pictures where `is_taken` (8,), hold the others.

        A camera that is not valid at this tick stays not valid: holding must not hide a lost camera. A camera that
        holds nothing takes the first picture.
        """
        frames, age_ns, is_new = list(frame_set.frames), frame_set.age_ns.copy(), frame_set.is_new.copy()
        for camera, frame in enumerate(frame_set.frames):
            if not frame_set.is_valid[camera] or frame is None:
                continue
            held = self._frames[camera]
            if is_taken[camera] or held is None:
                self._frames[camera] = frame
                self._shown_ns[camera] = frame_set.timestamp_ns - frame_set.age_ns[camera]
            else:
                frames[camera], is_new[camera] = held, False
                age_ns[camera] = frame_set.timestamp_ns - self._shown_ns[camera]
        return replace(frame_set, frames=tuple(frames), age_ns=age_ns, is_new=is_new)


class UniformSubsample:
    """One picture set in `stride`: uniform subsampling in time.

    For the same bytes in the worst tick, the stride is the time that a whole set of pictures takes, see
    `whole_set_ticks`.
    """

    def __init__(self, stride: int) -> None:
        if stride < 1:
            raise ValueError(f"stride must be at least 1, got {stride}.")
        self.stride = stride
        self._held = _Held()
        self.reset()

    def reset(self) -> None:
        """Forget what is held; the next tick is shown."""
        self._held.reset()
        self._count = 0

    def select(self, frame_set: FrameSet) -> FrameSet:
        """New pictures at every `stride`-th tick."""
        is_taken = np.full(len(CAMERAS), self._count % self.stride == 0)
        self._count += 1
        return self._held.shown(frame_set, is_taken)


class SceneCuts:
    """Shows a new picture of a camera when it is another scene than the one that is held.

    Content is compared as scene detectors do it, by the mean absolute difference of the pictures: without regard to
    ego motion or exposure. The comparison is with the picture that is held, so slow changes add up to a cut.
    """

    def __init__(self, threshold: float = CONTENT_THRESHOLD, min_scene_ticks: int = MIN_SCENE_TICKS) -> None:
        if threshold < 0 or min_scene_ticks < 1:
            raise ValueError(
                "threshold must not be negative and min_scene_ticks must be at least 1, "
                f"got {threshold} and {min_scene_ticks}."
            )
        self.threshold, self.min_scene_ticks = threshold, min_scene_ticks
        self._held = _Held()
        self.reset()

    def reset(self) -> None:
        """Forget what is held; the next tick is shown."""
        self._held.reset()
        self._content: list[np.ndarray | None] = [None] * len(CAMERAS)
        self._since = np.zeros(len(CAMERAS), np.int64)

    def select(self, frame_set: FrameSet) -> FrameSet:
        """New pictures of the cameras with a cut."""
        is_cut = np.zeros(len(CAMERAS), bool)
        self._since += 1
        for camera, frame in enumerate(frame_set.frames):
            if frame is None or not frame_set.is_valid[camera]:
                continue
            content, held = _content(frame), self._content[camera]
            if held is None or held.shape != content.shape:
                is_cut[camera] = True
            elif self._since[camera] >= self.min_scene_ticks:
                is_cut[camera] = np.abs(content - held).mean() >= self.threshold
            if is_cut[camera]:
                self._content[camera], self._since[camera] = content, 0
        return self._held.shown(frame_set, is_cut)


def whole_set_ticks(camera_count: int, blocks_per_camera: int, patch_count: int) -> int:
    """Ticks in which `patch_count` patches per tick show every block of all cameras once."""
    return max(1, -(-camera_count * blocks_per_camera // patch_count))


def _content(frame: Frame) -> np.ndarray:
    """About (60, 80) points of the luma, as signed numbers."""
    step = max(1, frame.y_plane.shape[0] // _POINTS)
    return frame.y_plane[step // 2 :: step, step // 2 :: step].astype(np.int16)
