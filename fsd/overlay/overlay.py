"""The overlay video: one picture a tick, 36 a second."""

from pathlib import Path

import numpy as np

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.frames import RATE_HZ
from fsd.overlay.layout import OverlayConfig
from fsd.overlay.painter import OverlayPainter
from fsd.overlay.video_writer import VideoWriter
from fsd.runtime.planner import PlannerMetadata, StepResult


class Overlay:
    """Writes `overlay.mp4`, one picture a tick.

    Args:
        path: of the video; clip: for the calibration; metadata: of the model, for the header.
        config: what to show, where, and from when to when.
    """

    def __init__(self, path: Path, clip: Clip, metadata: PlannerMetadata, config: OverlayConfig | None = None) -> None:
        self._config = config or OverlayConfig()
        self._painter = OverlayPainter(clip, metadata, self._config)
        layout = self._painter.layout
        self._video = VideoWriter(path, layout.width_px, layout.height_px, RATE_HZ)

    def add(self, result: StepResult, ego: EgoSample | None, command: str) -> None:
        """Draw one tick, if it is to be shown."""
        if self._config.shows(float(result.plan.tick / RATE_HZ)):
            self._video.write(np.asarray(self._painter.picture(result, ego, command)))

    def close(self) -> None:
        """End the video."""
        self._video.close()
