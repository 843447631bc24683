"""Collect images of the worst ticks of a run while it lasts, spread over the drive.

An image can only be drawn while its frames are in memory, so the worst tick of each stretch of the drive is held until
the stretch ends, and drawn if it is among the worst so far. This costs one image and one set of frames per stretch.
"""

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, RATE_HZ, FrameSet
from fsd.html.parts import Zoom
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.overlay.drawing import rgb_image
from fsd.overlay.painter import OverlayPainter
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.scoring.plan_errors import HORIZONS_S, driven_ahead

MAX_WORST_TICKS = 6
MIN_STRETCH_TICKS = int(RATE_HZ)
STRETCHES = 12
THUMBNAIL_PX = (240, 180)
JPEG_QUALITY = 84


@dataclass(frozen=True)
class WorstTick:
    """A tick, its `error` (see `WorstTicks.measure`), and its overlay image as JPEG."""

    tick: int
    time_s: float
    error: float
    image: bytes


@dataclass(frozen=True)
class _Candidate:
    error: float
    result: StepResult
    ego: EgoSample | None
    command: str


class WorstTicks:
    """Collects the worst ticks, and one thumbnail per camera.

    Args:
        clip: its driven path ranks the ticks; without one, the plan's own uncertainty does.
        metadata: of the model, for the header of the images.

    Attributes:
        measure: what `WorstTick.error` is: `error` (mean distance to the driven path, m) or `uncertainty` (mean Laplace
            scale of the planned positions, m).
        thumbnails: camera -> JPEG of its first valid image.
    """

    def __init__(self, clip: Clip, metadata: PlannerMetadata) -> None:
        self._painter = OverlayPainter(clip, metadata)
        self._ego = clip.ego
        self._stretch_ticks = MIN_STRETCH_TICKS
        self._worst_of_stretch: _Candidate | None = None
        self._ticks = 0
        self._worst: list[WorstTick] = []
        self.measure = "uncertainty" if clip.ego is None else "error"
        self.thumbnails: dict[str, bytes] = {}

    @property
    def zoom(self) -> Zoom:
        """The large image within the pictures of the worst ticks."""
        layout = self._painter.layout
        box = max(layout.tiles.values(), key=lambda box: box.width * box.height)
        across, down = layout.width_px, layout.height_px
        return Zoom(box.x / across, box.y / down, box.width / across, box.height / down)

    def expect(self, ticks: int | None) -> None:
        """Spread the worst ticks over a run of this length; None if it is unknown."""
        self._stretch_ticks = max(MIN_STRETCH_TICKS, (ticks or 0) // STRETCHES)

    def add(self, result: StepResult, ego: EgoSample | None, command: str) -> None:
        """Rank one tick."""
        self._take_thumbnails(result.frame_set)
        error, held = self._error(result), self._worst_of_stretch
        if np.isfinite(error) and (held is None or error > held.error):
            # The compressor overwrites its arrays at the next step.
            compressed = None if result.compressed is None else result.compressed.copy()
            self._worst_of_stretch = _Candidate(error, replace(result, compressed=compressed), ego, command)
        self._ticks += 1
        if self._ticks % self._stretch_ticks == 0:
            self._end_stretch()

    def finished(self) -> list[WorstTick]:
        """The worst ticks, in the order of the drive."""
        self._end_stretch()
        return sorted(self._worst, key=lambda worst: worst.tick)

    def _error(self, result: StepResult) -> float:
        """Mean distance to the driven path over the longest horizon that was recorded (NaN if none), or uncertainty."""
        plan = result.plan
        steps = [round(horizon_s / WAYPOINT_STEP_S) for horizon_s in reversed(HORIZONS_S)]
        driven = driven_ahead(self._ego, plan.timestamp_ns)
        if driven is None:
            return float(plan.trajectory_scale[: steps[0], :2].mean())
        distance_m = np.linalg.norm(plan.trajectory[:, :2] - driven[:, :2], axis=-1)
        means_m = (float(distance_m[:count].mean()) for count in steps)
        return next((mean_m for mean_m in means_m if np.isfinite(mean_m)), float("nan"))

    def _end_stretch(self) -> None:
        held, self._worst_of_stretch = self._worst_of_stretch, None
        if held is None:
            return
        if len(self._worst) >= MAX_WORST_TICKS:
            least = min(self._worst, key=lambda worst: worst.error)
            if held.error <= least.error:
                return
            self._worst.remove(least)
        image = _jpeg(self._painter.paint(held.result, held.ego, held.command))
        tick = held.result.plan.tick
        self._worst.append(WorstTick(tick, float(tick / RATE_HZ), held.error, image))

    def _take_thumbnails(self, frame_set: FrameSet) -> None:
        if len(self.thumbnails) == len(CAMERAS):
            return
        for name, frame, is_valid in zip(CAMERAS, frame_set.frames, frame_set.is_valid, strict=True):
            if frame is not None and is_valid and name not in self.thumbnails:
                height_px, width_px = frame.y_plane.shape
                width = min(THUMBNAIL_PX[0], round(THUMBNAIL_PX[1] * width_px / height_px))
                size = (max(1, width), max(1, round(width * height_px / width_px)))
                self.thumbnails[name] = _jpeg(rgb_image(frame, size))


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()
