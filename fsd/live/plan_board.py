"""The latest plan, drawn as the overlay and written as JSON for whoever looks at it: `PlanBoard`.

Drawing runs in a thread of its own, at most `MAX_IMAGES_HZ`, and only while somebody looks, so that it does not hold up
the plans.
"""

import io
import json
import threading
import time
from dataclasses import replace
from typing import Any, Self

from fsd.data.clip import Clip
from fsd.overlay.painter import OverlayPainter
from fsd.runtime.planner import PlannerMetadata, StepResult

MAX_IMAGES_HZ = 12.0
WATCHED_S = 3.0
"""For so long after it was asked for, the overlay is drawn."""

JPEG_QUALITY = 80


class PlanBoard:
    """Use it as a context manager, which ends the drawing thread."""

    def __init__(self, clip: Clip, metadata: PlannerMetadata, command: str) -> None:
        self.clip, self.metadata = clip, metadata
        self._painter, self._command = OverlayPainter(clip, metadata), command
        self._changed = threading.Condition()
        self._latest: StepResult | None = None
        self._result: StepResult | None = None
        self._jpeg, self._number = b"", 0
        self._asked_s = float("-inf")
        self._is_closed = False
        self._thread = threading.Thread(target=self._paint, name="live-overlay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def show(self, result: StepResult) -> None:
        """Take the plan of a tick; it is drawn if somebody looks."""
        is_watched = time.monotonic() - self._asked_s < WATCHED_S
        if is_watched and result.compressed is not None:  # its arrays are written again at the next tick
            result = replace(result, compressed=result.compressed.copy())
        with self._changed:
            self._latest = result
            if is_watched:
                self._result = result
            self._changed.notify_all()

    def plan_json(self) -> bytes:
        """The latest plan; `null` before the first."""
        with self._changed:
            latest = self._latest
        return json.dumps(None if latest is None else plan_values(latest), allow_nan=False).encode()

    def next_jpeg(self, after: int, timeout_s: float) -> tuple[int, bytes] | None:
        """The first overlay after number `after`, with its own number; None where none comes in time, or any more."""
        self._asked_s = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self._is_closed, timeout_s)
            return None if self._is_closed or self._number <= after else (self._number, self._jpeg)

    def _paint(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._result is not None or self._is_closed)
                result, self._result = self._result, None
            if self._is_closed or result is None:
                return
            started_s, content = time.monotonic(), io.BytesIO()
            self._painter.paint(result, None, self._command).save(content, "jpeg", quality=JPEG_QUALITY)
            with self._changed:
                self._jpeg, self._number = content.getvalue(), self._number + 1
                self._changed.notify_all()
                left_s = started_s + 1 / MAX_IMAGES_HZ - time.monotonic()
                self._changed.wait_for(lambda: self._is_closed, max(0.0, left_s))


def plan_values(result: StepResult) -> dict[str, Any]:
    """A plan as JSON types: waypoints at 0.25 … 4.00 s, and the controls of now."""
    plan = result.plan
    x_m, y_m, yaw_rad, v_mps = ([round(float(value), 4) for value in column] for column in plan.trajectory.T)
    return {
        "tick": plan.tick,
        "t_ns": plan.timestamp_ns,
        "x_m": x_m,
        "y_m": y_m,
        "yaw_rad": yaw_rad,
        "v_mps": v_mps,
        "curvature_per_m": plan.curvature_per_m,
        "acceleration_mps2": plan.acceleration_mps2,
        "health": plan.health,
        "plan_ms": round(result.plan_ms, 3),
    }
