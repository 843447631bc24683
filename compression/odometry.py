"""Where the ego is, by adding up its speed and yaw rate: what memory poses and warps are relative to.

Knows ego samples and exact tick times; it sees no pixels and no map, so it drifts, and only differences over seconds
matter.
"""

import math

from fsd.data.ego import EgoSample

STANDSTILL_MPS = 0.1
"""Slower than this counts as standing: wheel-speed noise must not fill the distance queues."""

MAX_STEP_S = 0.5
"""A longer gap between ticks is not integrated over: nobody knows what happened meanwhile."""


class Odometer:
    """Pose of the ego in a frame that is fixed at the first tick.

    Attributes:
        x_m, y_m, yaw_rad: the pose now.
        travelled_m: path length since the start; never falls, and does not grow at standstill.
        source: "ego" where this tick's motion came from an ego sample, "none" where there was none: no motion then.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Back to the origin."""
        self.x_m = self.y_m = self.yaw_rad = self.travelled_m = 0.0
        self.source = "none"
        self._timestamp_ns: int | None = None
        self._speed_mps: float | None = None
        self._yaw_rate_rps = 0.0

    def step(self, timestamp_ns: int, ego: EgoSample | None) -> None:
        """Move on to a tick: the mean of the last and this sample, held over the time between, along an arc."""
        elapsed_s = 0.0 if self._timestamp_ns is None else (timestamp_ns - self._timestamp_ns) / 1e9
        self._timestamp_ns = timestamp_ns
        if ego is None:
            self.source, self._speed_mps = "none", None
            return
        self.source = "ego"
        speed_mps, yaw_rate_rps = ego.speed_mps, ego.yaw_rate_rps
        if abs(speed_mps) < STANDSTILL_MPS:
            speed_mps = yaw_rate_rps = 0.0
        mean_mps, mean_rps = speed_mps, yaw_rate_rps
        if self._speed_mps is not None:
            mean_mps, mean_rps = (self._speed_mps + speed_mps) / 2, (self._yaw_rate_rps + yaw_rate_rps) / 2
        self._speed_mps, self._yaw_rate_rps = speed_mps, yaw_rate_rps
        if elapsed_s <= MAX_STEP_S:
            self._advance(mean_mps * elapsed_s, mean_rps * elapsed_s)

    def _advance(self, distance_m: float, turn_rad: float) -> None:
        heading = self.yaw_rad + turn_rad / 2  # the chord of the arc points along its mean heading
        chord_m = distance_m * (1.0 - turn_rad * turn_rad / 24)
        self.x_m += chord_m * math.cos(heading)
        self.y_m += chord_m * math.sin(heading)
        self.yaw_rad = math.remainder(self.yaw_rad + turn_rad, 2 * math.pi)
        self.travelled_m += abs(distance_m)
