"""When the cameras capture in a profile run: spread over the frame period, with jitter."""

from dataclasses import dataclass

import numpy as np

from fsd.data.frames import CAMERAS, TICK_NS
from fsd.data.options import Options, option


@dataclass(frozen=True)
class CameraTiming(Options):
    """When the cameras capture.

    The first camera (front_main) captures at the tick, the others before it. Jitter is cut at three standard
    deviations.
    """

    heading = "cameras"

    skew: float = option(
        1.0,
        "part of the frame period over which the cameras capture, one after another; 0 is all at once",
        at_least=0,
        at_most=1,
    )
    jitter_ms: float = option(
        0.0, "standard deviation of random jitter on every capture time", unit="ms", at_least=0, at_most=TICK_NS / 6e6
    )
    seed: int = option(0, "seed of the jitter", at_least=0)

    def offsets_ns(self, ticks: int) -> np.ndarray:
        """(ticks, 8) capture time of each camera's frame minus its tick time, at most 0."""
        phases = -np.arange(len(CAMERAS)) / len(CAMERAS) * TICK_NS * self.skew
        noise = np.random.default_rng(self.seed).normal(0.0, 1.0, (ticks, len(CAMERAS))).clip(-3, 3)
        return np.minimum(phases + noise * self.jitter_ms * 1e6, 0.0).astype(np.int64)
