"""The pose of the ego, integrated from speed and yaw rate: memory poses and warps are relative to it.

Knows ego samples and exact tick times; no pixels and no map, so it drifts. Only differences over seconds are used.
"""

import math

from fsd.data.ego import EgoSample

STANDSTILL_MPS = 0.1
"""Slower than this counts as standing: wheel-speed noise must not fill the distance queues."""

MAX_STEP_S = 0.5
"""Motion over a longer time between ticks is not integrated, since it is not known."""


class Odometer:
    """Pose of the ego in a frame that is fixed at the first tick.

    Attributes:
        x_m, y_m, yaw_rad: the pose now.
        travelled_m, turned_rad: path length and sum of |turns| since the start; they do not grow at standstill.
        speed_mps, yaw_rate_rps: motion of this tick; 0 where nothing is known.
        source: source of this tick's motion: "ego" sample, estimated from the "image", or "none".
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.x_m = self.y_m = self.yaw_rad = 0.0
        self.travelled_m = self.turned_rad = 0.0
        self.speed_mps = self.yaw_rate_rps = 0.0
        self.source = "none"
        self._timestamp_ns: int | None = None

    def step(self, timestamp_ns: int, ego: EgoSample | None, source: str = "ego") -> None:
        """Advance to a tick: along an arc, by the mean of the last and this sample over the time between.

        Args:
            timestamp_ns: of the tick.
            ego: motion at the tick, or None.
            source: where `ego` came from.
        """
        elapsed_s = 0.0 if self._timestamp_ns is None else (timestamp_ns - self._timestamp_ns) / 1e9
        self._timestamp_ns = timestamp_ns
        if ego is None:
            self.source = "none"
            self.speed_mps = self.yaw_rate_rps = 0.0
            return
        speed_mps, yaw_rate_rps = ego.speed_mps, ego.yaw_rate_rps
        if not (math.isfinite(speed_mps) and math.isfinite(yaw_rate_rps)) or abs(speed_mps) < STANDSTILL_MPS:
            speed_mps = yaw_rate_rps = 0.0
        mean_mps, mean_rps = speed_mps, yaw_rate_rps
        if self.source != "none":
            mean_mps, mean_rps = (self.speed_mps + speed_mps) / 2, (self.yaw_rate_rps + yaw_rate_rps) / 2
        self.source, self.speed_mps, self.yaw_rate_rps = source, speed_mps, yaw_rate_rps
        if elapsed_s <= MAX_STEP_S:
            self._advance(mean_mps * elapsed_s, mean_rps * elapsed_s)

    def _advance(self, distance_m: float, turn_rad: float) -> None:
        heading = self.yaw_rad + turn_rad / 2  # the chord of the arc points along its mean heading
        chord_m = distance_m * (1.0 - turn_rad * turn_rad / 24)
        self.x_m += chord_m * math.cos(heading)
        self.y_m += chord_m * math.sin(heading)
        self.yaw_rad = math.remainder(self.yaw_rad + turn_rad, 2 * math.pi)
        self.travelled_m += abs(distance_m)
        self.turned_rad += abs(turn_rad)
