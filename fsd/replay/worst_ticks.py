"""Keep the pictures of a few moments of a run while it lasts: the worst ones, spread over the drive.

A moment's picture can only be drawn while its frames are in memory, so the worst tick of every stretch is held until
the stretch is over and drawn if it belongs to the worst so far: one drawing a stretch, one set of frames held.
"""

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, RATE_HZ, FrameSet
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.overlay.drawing import rgb_picture
from fsd.overlay.painter import OverlayPainter
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.scoring.driven_path import DrivenPath
from fsd.scoring.plan_errors import HORIZONS_S

MOMENTS = 6
MIN_STRETCH_TICKS = int(RATE_HZ)
STRETCHES = 12
LOOK_EVERY_TICKS = 4
"""Plans change little within a ninth of a second."""
THUMBNAIL_PX = (240, 180)
JPEG_QUALITY = 84


@dataclass(frozen=True)
class Moment:
    """One tick worth a look: `error` is why (see `Moments.measure`), `picture` the whole overlay as JPEG."""

    tick: int
    time_s: float
    error: float
    picture: bytes


@dataclass(frozen=True)
class _Candidate:
    error: float
    result: StepResult
    ego: EgoSample | None
    command: str


class Moments:
    """Collects moments, and one small picture per camera.

    Args:
        clip: its driven path decides what is worst; without one it is the plan's own uncertainty.
        metadata: of the model, for the pictures' header.

    Attributes:
        measure: what `Moment.error` is: `error` (mean distance to the driven path, m) or `uncertainty` (mean Laplace
            scale of the planned positions, m).
        thumbnails: camera -> JPEG of its first valid picture.
    """

    def __init__(self, clip: Clip, metadata: PlannerMetadata) -> None:
        self._painter = OverlayPainter(clip, metadata)
        self._driven = None if clip.ego is None else DrivenPath(clip.ego)
        self._stretch_ticks = MIN_STRETCH_TICKS
        self._worst_of_stretch: _Candidate | None = None
        self._ticks = 0
        self._kept: list[Moment] = []
        self.measure = "uncertainty" if self._driven is None else "error"
        self.thumbnails: dict[str, bytes] = {}

    def expect(self, ticks: int | None) -> None:
        """Spread the moments over a run of so many ticks; None where nobody knows."""
        self._stretch_ticks = max(MIN_STRETCH_TICKS, (ticks or 0) // STRETCHES)

    def add(self, result: StepResult, ego: EgoSample | None, command: str) -> None:
        """Look at one tick."""
        self._take_thumbnails(result.frame_set)
        if self._ticks % LOOK_EVERY_TICKS == 0:
            self._compare(result, ego, command)
        self._ticks += 1
        if self._ticks % self._stretch_ticks == 0:
            self._end_stretch()

    def finished(self) -> list[Moment]:
        """The worst moments, in the order of the drive."""
        self._end_stretch()
        return sorted(self._kept, key=lambda moment: moment.tick)

    def _compare(self, result: StepResult, ego: EgoSample | None, command: str) -> None:
        """Hold this tick if it is the worst of its stretch so far."""
        error, held = self._error(result), self._worst_of_stretch
        if np.isfinite(error) and (held is None or error > held.error):
            self._worst_of_stretch = _Candidate(error, _kept(result), ego, command)

    def _error(self, result: StepResult) -> float:
        """Mean distance to the driven path over the longest horizon that was recorded (NaN if none), or uncertainty."""
        plan = result.plan
        if self._driven is None:
            return float(plan.trajectory_scale[: round(HORIZONS_S[-1] / WAYPOINT_STEP_S), :2].mean())
        driven = self._driven.waypoints(plan.timestamp_ns)
        distance_m = np.linalg.norm(plan.trajectory[:, :2] - driven[:, :2], axis=-1)
        means_m = [float(distance_m[: round(horizon_s / WAYPOINT_STEP_S)].mean()) for horizon_s in HORIZONS_S]
        return next((mean_m for mean_m in reversed(means_m) if np.isfinite(mean_m)), float("nan"))

    def _end_stretch(self) -> None:
        held, self._worst_of_stretch = self._worst_of_stretch, None
        if held is None:
            return
        least = min(self._kept, key=lambda moment: moment.error, default=None)
        if len(self._kept) >= MOMENTS and least is not None:
            if held.error <= least.error:
                return
            self._kept.remove(least)
        picture = self._painter.picture(held.result, held.ego, held.command)
        plan = held.result.plan
        self._kept.append(Moment(plan.tick, float(plan.tick / RATE_HZ), held.error, _jpeg(picture)))

    def _take_thumbnails(self, frame_set: FrameSet) -> None:
        if len(self.thumbnails) == len(CAMERAS):
            return
        for name, frame, is_valid in zip(CAMERAS, frame_set.frames, frame_set.is_valid, strict=True):
            if frame is not None and is_valid and name not in self.thumbnails:
                height_px, width_px = frame.y_plane.shape
                width = min(THUMBNAIL_PX[0], round(THUMBNAIL_PX[1] * width_px / height_px))
                size = (max(1, width), max(1, round(width * height_px / width_px)))
                self.thumbnails[name] = _jpeg(rgb_picture(frame, size))


def _kept(result: StepResult) -> StepResult:
    """The result with a compressed tick that the next step does not overwrite."""
    compressed = result.compressed
    return result if compressed is None else replace(result, compressed=compressed.copy())


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()
