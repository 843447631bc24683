"""Scene cuts by PySceneDetect, as a frame selection; needs `pip install scenedetect opencv-python-headless`.

Its content detector compares consecutive images in hue, saturation and value. Ours
(`fsd.compression.frame_selection.SceneCuts`) compares with the held image, in luma only.

Source: B. Castellano, PySceneDetect, https://www.scenedetect.com, ContentDetector with its default threshold.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from fsd.compression.frame_selection import MIN_SCENE_TICKS
from fsd.data.frames import CAMERAS, RATE_HZ, Frame, FrameSet

_ROWS, _COLUMNS = 120, 160
"""Images are reduced to about this size; PySceneDetect itself reduces to about 256 columns."""


def has_pyscenedetect() -> bool:
    """Whether PySceneDetect and the OpenCV it needs can be imported."""
    try:
        from scenedetect.detectors import ContentDetector  # noqa: F401
    except ImportError:
        return False
    return True


class PySceneCuts:
    """A camera shows a new image at every cut that PySceneDetect finds, and holds it in between."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the drive; the next images are shown."""
        self._detectors: list[Any] = [None] * len(CAMERAS)
        self._held: list[Frame | None] = [None] * len(CAMERAS)
        self._shown_ns = np.zeros(len(CAMERAS), np.int64)

    def select(self, frame_set: FrameSet) -> FrameSet:
        """New images for cameras with a cut; for the others the held image with its true age."""
        frames, age_ns, is_new = list(frame_set.frames), frame_set.age_ns.copy(), frame_set.is_new.copy()
        for camera, frame in enumerate(frame_set.frames):
            if frame is None or not frame_set.is_valid[camera]:
                continue
            is_cut = self._is_cut(camera, frame, frame_set) if is_new[camera] else False
            held = self._held[camera]
            if held is None or is_cut:
                self._held[camera] = frame
                self._shown_ns[camera] = frame_set.timestamp_ns - frame_set.age_ns[camera]
            else:
                frames[camera], is_new[camera] = held, False
                age_ns[camera] = frame_set.timestamp_ns - self._shown_ns[camera]
        return replace(frame_set, frames=tuple(frames), age_ns=age_ns, is_new=is_new)

    def _is_cut(self, camera: int, frame: Frame, frame_set: FrameSet) -> bool:
        from scenedetect import FrameTimecode
        from scenedetect.detectors import ContentDetector

        if self._detectors[camera] is None:
            # Suppressed, not merged: a merged cut is reported later than it happens.
            from scenedetect.detector import FlashFilter

            self._detectors[camera] = ContentDetector(
                min_scene_len=MIN_SCENE_TICKS, filter_mode=FlashFilter.Mode.SUPPRESS
            )
        at = FrameTimecode(frame_set.tick, fps=float(RATE_HZ))
        return bool(self._detectors[camera].process_frame(at, _bgr(frame)))


def _bgr(frame: Frame) -> np.ndarray:
    """(h, w, 3) uint8 BGR of every `step`-th pixel (BT.601, limited range)."""
    step = max(1, frame.y_plane.shape[0] // _ROWS // 2 * 2)
    y = frame.y_plane[::step, ::step].astype(np.float32) - 16.0
    half = max(1, step // 2)
    u, v = (
        np.repeat(np.repeat(plane, 2, 0), 2, 1)[: y.shape[0], : y.shape[1]].astype(np.float32) - 128.0
        if step == 1
        else plane[::half, ::half][: y.shape[0], : y.shape[1]].astype(np.float32) - 128.0
        for plane in (frame.u_plane, frame.v_plane)
    )
    blue, green, red = y * 1.164 + 2.017 * u, y * 1.164 - 0.392 * u - 0.813 * v, y * 1.164 + 1.596 * v
    return np.clip(np.stack([blue, green, red], axis=-1), 0, 255).astype(np.uint8)
