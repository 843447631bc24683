"""One image of the overlay as a picture, for a post or a report."""

import io
from pathlib import Path

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.errors import UsageError
from fsd.data.files import write_bytes
from fsd.data.frames import RATE_HZ
from fsd.overlay.layout import OverlayConfig
from fsd.overlay.painter import OverlayPainter
from fsd.runtime.planner import PlannerMetadata, StepResult


class Still:
    """Writes the overlay of the first tick at or after `time_s`; the other arguments are those of `OverlayPainter`.

    Times count from the first tick, as in the header of the image.
    """

    def __init__(self, path: Path, time_s: float, clip: Clip, metadata: PlannerMetadata, config: OverlayConfig) -> None:
        self._path, self._time_s = path, time_s
        self._painter = OverlayPainter(clip, metadata, config)
        self._is_written = False

    def expect(self, ticks: int | None) -> None:
        """Check the time against the length of the run; None if that is unknown.

        Raises:
            UsageError: the run ends before.
        """
        if ticks is not None and self._time_s > (ticks - 1) / float(RATE_HZ):
            raise UsageError(f"--still {self._time_s:g} is after the end: {ticks / float(RATE_HZ):.2f} s are replayed.")

    def add(self, result: StepResult, ego: EgoSample | None, command: str) -> None:
        """Write the picture if this is its tick."""
        if self._is_written or float(result.plan.tick / RATE_HZ) < self._time_s:
            return
        content = io.BytesIO()
        self._painter.paint(result, ego, command).save(content, "png", optimize=True)
        write_bytes(self._path, content.getvalue())
        self._is_written = True
