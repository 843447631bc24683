"""The car's own motion as a model's inputs: speed, yaw rate, and what follows from them over time."""

from collections import deque
from collections.abc import Mapping

import numpy as np

from fsd.data.ego import EgoSample
from fsd.third_party.input_fields import EgoInput

LEAST_SPEED_MPS = 1.0
"""Below it, yaw rate over speed says nothing about the curvature: 0."""

ACCELERATION_WINDOW_NS = 250_000_000
"""Acceleration is the change of speed over this time, or over the last step of a model that is slower."""

QUANTITIES = ("speed_mps", "yaw_rate_rps", "curvature_per_m", "acceleration_mps2")


class EgoInputs:
    """Writes the ego inputs of a model; one call of `load` is one step of history."""

    def __init__(self, inputs: tuple[EgoInput, ...], tensors: Mapping[str, np.ndarray]) -> None:
        self._inputs, self._tensors = inputs, tensors
        depth = max((max(entry.history) for entry in inputs), default=0) + 1
        self._past: deque[np.ndarray] = deque(maxlen=depth)
        self._speeds: deque[tuple[int, float]] = deque()

    def reset(self) -> None:
        """Forget all earlier motion."""
        self._past.clear()
        self._speeds.clear()

    def load(self, timestamp_ns: int, ego: EgoSample | None) -> None:
        """Take one step's motion in; before there is enough history, the oldest step repeats."""
        self._past.append(self._quantities(timestamp_ns, ego))
        for entry in self._inputs:
            columns = [QUANTITIES.index(quantity) for quantity in entry.quantities]
            steps = [self._past[-1 - min(back, len(self._past) - 1)][columns] for back in entry.history]
            target = self._tensors[entry.name]
            target[...] = (np.stack(steps) * np.asarray(entry.scale)).reshape(target.shape)

    def _quantities(self, timestamp_ns: int, ego: EgoSample | None) -> np.ndarray:
        """(4,) float64 in the order of `QUANTITIES`; 0 where unknown."""
        speed_mps, yaw_rate_rps = (ego.speed_mps, ego.yaw_rate_rps) if ego is not None else (np.nan, np.nan)
        curvature_per_m = yaw_rate_rps / speed_mps if abs(speed_mps) >= LEAST_SPEED_MPS else 0.0
        motion = np.array([speed_mps, yaw_rate_rps, curvature_per_m, self._acceleration(timestamp_ns, speed_mps)])
        return np.where(np.isfinite(motion), motion, 0.0)

    def _acceleration(self, timestamp_ns: int, speed_mps: float) -> float:
        """Mean acceleration since the newest speed that is a window old; 0 before there is a second speed."""
        if not np.isfinite(speed_mps):
            self._speeds.clear()  # no difference over a gap
            return 0.0
        self._speeds.append((timestamp_ns, speed_mps))
        while len(self._speeds) > 1 and timestamp_ns - self._speeds[1][0] >= ACCELERATION_WINDOW_NS:
            self._speeds.popleft()
        before_ns, before_mps = self._speeds[0]
        return (speed_mps - before_mps) / (timestamp_ns - before_ns) * 1e9 if timestamp_ns > before_ns else 0.0
