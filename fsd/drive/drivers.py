"""Drive the simulator with the network, through the same planner as in replay.

A driver returns a curvature and an acceleration for the next 1/36 s, as the baselines do. Scoring happens elsewhere.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fsd.data.camera_health.monitor import CameraMonitor
from fsd.data.clock import tick_time_ns
from fsd.data.frames import CAMERAS, RATE_HZ, Frame, FrameSet
from fsd.data.options import OptionError
from fsd.data.rig import Rig
from fsd.data.simulator.baselines import Controls
from fsd.data.simulator.environment import DrivingEnv
from fsd.drive.tracker import Tracker
from fsd.runtime.plan import Plan
from fsd.runtime.planner import StepResult
from fsd.third_party.open_planner import open_planner

Distort = Callable[[FrameSet], FrameSet]

FOLLOW = ("trajectory", "controls")
"""Which part of a plan is followed: its path, by the tracker, or its own control pair."""

SIDE_AND_REAR = ("left_pillar", "right_pillar", "left_repeater", "right_repeater", "rear")


_MAX_LATENCY_MS = 60_000.0


@dataclass(frozen=True)
class Latency:
    """When a plan takes effect: `none` at once, `fixed` after `fixed_ms`, `real` after its measured time."""

    kind: str = "none"
    fixed_ms: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Latency":
        """From `none`, `real` or `fixed:MS`.

        Raises:
            ValueError: anything else.
        """
        kind, _, number = text.partition(":")
        if kind in ("none", "real") and not number:
            return cls(kind)
        try:
            if kind == "fixed" and 0 <= float(number) <= _MAX_LATENCY_MS:
                return cls("fixed", float(number))
        except ValueError:
            pass
        raise OptionError(
            "latency", f"must be none, real or fixed:MILLISECONDS (up to {_MAX_LATENCY_MS:g}), got {text!r}"
        )

    def ticks(self, took_ms: float) -> int:
        """Whole ticks until a plan that took this long may act."""
        delay_ms = {"none": 0.0, "fixed": self.fixed_ms, "real": took_ms}[self.kind]
        return int(np.ceil(delay_ms * float(RATE_HZ) / 1000.0 - 1e-9))


class NetworkDriver:
    """The network with its compressor, tick by tick as in replay.

    Args:
        rig: that the environment's renderer draws.
        model: ONNX file, None or no file for the packaged one; with `adapter`, a third-party one or several.
        masked: cameras that are marked as not valid.
        distort: applied to every frame set first; for positive controls.
        draw_every_ticks: render images every this many ticks and hold them in between.
        latency: when a plan takes effect.
        follow: one of `FOLLOW`.
        mask_cameras: whether cameras with faulty pictures count as not valid; see `CameraMonitor`.
    """

    def __init__(
        self,
        rig: Rig,
        model: Path | Sequence[Path] | None = None,
        adapter: Path | None = None,
        masked: tuple[str, ...] = (),
        distort: Distort | None = None,
        draw_every_ticks: int = 1,
        latency: Latency | None = None,
        follow: str = FOLLOW[0],
        mask_cameras: bool = True,
    ) -> None:
        self._monitor = CameraMonitor(rig, mask_cameras)
        self.planner = open_planner(rig, model, adapter)
        self.last: StepResult | None = None
        self._masked = np.array([name in masked for name in CAMERAS])
        self._distort = distort
        self._draw_every_ticks = draw_every_ticks
        self._latency = latency or Latency()
        self._tracker = Tracker() if follow == "trajectory" else None

    def reset(self) -> None:
        """Clear the state of the last drive."""
        self.planner.reset()
        self._monitor.reset()
        self._frame_set: FrameSet | None = None
        self._acting: Plan | None = None
        self._coming: deque[tuple[int, Plan]] = deque()
        if self._tracker is not None:
            self._tracker.reset()

    def controls(self, env: DrivingEnv) -> Controls:
        """Controls of the newest plan that is ready at this tick."""
        tick, ego = env.world.tick, env.ego()
        result = self.last = self.planner.step(self._monitor.step(self._frames(env), ego), ego, env.command())
        self._coming.append((tick + self._latency.ticks(result.plan_ms), result.plan))
        while self._coming and self._coming[0][0] <= tick:
            self._acting = self._coming.popleft()[1]
            if self._tracker is not None:
                self._tracker.follow(self._acting)
        if self._tracker is not None:
            self._tracker.move(tick, ego.speed_mps, ego.yaw_rate_rps)
        if self._acting is None:
            return env.world.ego.curvature, 0.0
        if self._tracker is not None:
            return self._tracker.controls(ego.speed_mps)
        return self._acting.curvature_per_m, self._acting.acceleration_mps2

    def _frames(self, env: DrivingEnv) -> FrameSet:
        if self._frame_set is None or env.world.tick % self._draw_every_ticks == 0:
            frame_set = env.frame_set()
            if self._distort is not None:
                frame_set = self._distort(frame_set)
            self._frame_set = replace(frame_set, is_valid=frame_set.is_valid & ~self._masked)
            return self._frame_set
        return self._frame_set.held(env.world.tick, tick_time_ns(env.world.tick))


def blurred(frame_set: FrameSet, cell_px: int = 32) -> FrameSet:
    """Images reduced to a coarse mosaic: a control that must score badly, or the scores measure nothing."""

    def mosaic(plane: np.ndarray, cell: int) -> np.ndarray:
        rows, columns = plane.shape[0] // cell * cell, plane.shape[1] // cell * cell
        means = plane[:rows, :columns].reshape(rows // cell, cell, columns // cell, cell).mean(axis=(1, 3))
        coarse = np.repeat(np.repeat(means.astype(np.uint8), cell, 0), cell, 1)
        pad = ((0, plane.shape[0] - rows), (0, plane.shape[1] - columns))
        return np.pad(coarse, pad, mode="edge")

    def blur(frame: Frame | None) -> Frame | None:
        if frame is None:
            return None
        return replace(
            frame,
            y_plane=mosaic(frame.y_plane, cell_px),
            u_plane=mosaic(frame.u_plane, cell_px // 2),
            v_plane=mosaic(frame.v_plane, cell_px // 2),
        )

    return replace(frame_set, frames=tuple(blur(frame) for frame in frame_set.frames))
