"""Did a change make it faster, or is it noise? Compares the latency samples of two runs.

Two sources of noise are told apart. Within a run, neighbouring ticks are alike, so whole seconds are resampled (moving
block bootstrap; Kunsch, Annals of Statistics 1989). Between runs, the machine itself drifts (identical work differs by
1.2-1.4x between minutes on a shared machine), which no resampling of two runs can see: the peaks that every profile
measures first say how much faster the machine was, and a change must be larger than that to count.
"""

from dataclasses import dataclass

import numpy as np

from fsd.data.frames import RATE_HZ

BLOCK_TICKS = int(RATE_HZ)
RESAMPLES = 1000
INTERVAL = (2.5, 97.5)
SMALLEST_DRIFT = 1.02
"""Even a quiet machine repeats itself only to about 2%."""


@dataclass(frozen=True, slots=True)
class Change:
    """Ratio new / old of one percentile, with a 95% bootstrap interval, and the drift of the machine between the runs.

    `verdict` is `faster`, `slower`, or `within noise`.
    """

    rank: float
    old: float
    new: float
    ratio: float
    low: float
    high: float
    machine_drift: float

    @property
    def verdict(self) -> str:
        """What may be said."""
        if self.high < 1 / self.machine_drift:
            return "faster"
        if self.low > self.machine_drift:
            return "slower"
        return "within noise"


def compare(old: np.ndarray, new: np.ndarray, rank: float, machine_drift: float, seed: int = 0) -> Change:
    """Compare percentile `rank` of two runs.

    Args:
        old, new: (T,) latencies in the order of the ticks, without NaN.
        machine_drift: how much the machine's own speed differed between the runs, as a ratio of 1 or more.
        seed: of the resampling; the same samples give the same answer.

    Raises:
        ValueError: a run is shorter than two blocks (2 s), too short to resample.
    """
    for name, values in (("first", old), ("second", new)):
        if len(values) < 2 * BLOCK_TICKS:
            raise ValueError(f"The {name} run has {len(values)} ticks; a comparison needs at least {2 * BLOCK_TICKS}.")
    rng = np.random.default_rng(seed)
    ratios = _resampled(new, rank, rng) / _resampled(old, rank, rng)
    low, high = np.percentile(ratios, INTERVAL)
    old_value, new_value = float(np.percentile(old, rank)), float(np.percentile(new, rank))
    return Change(
        rank=rank,
        old=old_value,
        new=new_value,
        ratio=new_value / old_value,
        low=float(low),
        high=float(high),
        machine_drift=max(machine_drift, SMALLEST_DRIFT),
    )


def drift_between(old_peaks: dict[str, float], new_peaks: dict[str, float]) -> float:
    """The largest ratio, 1 or more, between two runs' measured machine peaks; 1 where they have none in common."""
    ratios = [
        max(new_peaks[name] / old_peaks[name], old_peaks[name] / new_peaks[name])
        for name in old_peaks.keys() & new_peaks.keys()
        if old_peaks[name] > 0 and new_peaks[name] > 0
    ]
    return max(ratios, default=1.0)


def _resampled(values: np.ndarray, rank: float, rng: np.random.Generator) -> np.ndarray:
    """(RESAMPLES,) percentiles of runs glued together from random blocks of the real one."""
    count = len(values)
    blocks = -(-count // BLOCK_TICKS)
    offsets = np.arange(BLOCK_TICKS)
    found = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        starts = rng.integers(0, count - BLOCK_TICKS + 1, blocks)
        sample = values[(starts[:, None] + offsets).ravel()[:count]]
        found[index] = np.percentile(sample, rank)
    return found
