"""How far the clock of the ego motion is from that of the video: turns in the images against turns in the telemetry.

Arrays only. Only the yaw rate is compared, so a drive without bends tells nothing.
"""

from dataclasses import dataclass

import numpy as np

from fsd.data.frames import RATE_HZ, TICK_MS, TICK_NS

MAX_SKEW_S = 45.0
"""Offsets up to this are looked for; a clip should be twice as long."""

LEAST_CORRELATION, LEAST_LEAD, MOST_UNCERTAIN_MS = 0.7, 0.1, TICK_MS
"""An offset is clear with at least this correlation, this much above that of any other, and this standard error."""

_MAX_TICKS = round(MAX_SKEW_S * RATE_HZ)
_APART_TICKS = 72
"""Peaks closer than 2 s to the best one belong to it."""

_LEAST_TICKS, _LEAST_SHARE = 180, 0.4
"""Ticks with both motions that a correlation needs, and their share of those with image motion."""

_LEAST_RPS = 0.01
"""Standard deviation of the yaw rate below which a drive is straight."""

_DEPENDENT_TICKS = 9
"""Image motions of neighbouring ticks share their references: about so many count as one."""

_SYSTEMATIC_MS = 10.0
"""What the image motion may be off by: it is the mean of some ticks, in which the turn changes."""

_EDGE = 1e-9


@dataclass(frozen=True)
class TimeSkew:
    """What was found.

    Attributes:
        offset_ms: time stamp of the ego motion minus that of the images of the same moment; uncertainty_ms: its
            standard error.
        correlation: of both yaw rates at this offset, and `other_correlation`, the best at offsets 2 s from it or more.
        gain: how many times the turns of the ego motion are those of the images, at this offset.
        is_clear: the offset may be used.
    """

    offset_ms: float
    uncertainty_ms: float
    correlation: float
    other_correlation: float
    gain: float

    @property
    def is_clear(self) -> bool:
        return (
            self.correlation >= LEAST_CORRELATION
            and self.correlation - self.other_correlation >= LEAST_LEAD
            and self.uncertainty_ms <= MOST_UNCERTAIN_MS
        )

    @property
    def is_off(self) -> bool:
        """Whether the offset is clear and larger than a tick, beyond its uncertainty."""
        return self.is_clear and abs(self.offset_ms) > TICK_MS + 2 * self.uncertainty_ms


def find_time_skew(
    image_ns: np.ndarray, image_rps: np.ndarray, ego_ns: np.ndarray, ego_rps: np.ndarray, max_gap_ns: int
) -> TimeSkew | None:
    """The offset at which two yaw rates agree best; None where a drive is too short, too straight or without data.

    Args:
        image_ns: (T,) int64 rising times; image_rps: (T,) yaw rate from the images, NaN where unknown.
        ego_ns: (n,) int64 rising times; ego_rps: (n,) yaw rate, NaN where unknown.
        max_gap_ns: nothing is interpolated over a longer gap of the ego motion.
    """
    known = np.isfinite(ego_rps)
    ego_ns, ego_rps = ego_ns[known], ego_rps[known]
    if len(ego_ns) < 2 or len(image_ns) < _LEAST_TICKS:
        return None
    slots = np.rint((image_ns - image_ns[0]) / TICK_NS).astype(np.int64)
    images = np.full(int(slots[-1]) + 1, np.nan)
    images[slots] = image_rps
    grid_ns = image_ns[0] + np.rint(np.arange(-_MAX_TICKS, len(images) + _MAX_TICKS) * TICK_NS).astype(np.int64)
    ego = _interpolated(grid_ns, ego_ns, ego_rps, max_gap_ns)
    correlation, pairs, gain = _correlations(images, ego)
    if not np.isfinite(correlation).any():
        return None
    best = int(np.nanargmax(correlation))
    others = np.abs(np.arange(len(correlation)) - best) >= _APART_TICKS
    other = float(np.nanmax(correlation[others], initial=-1.0, where=np.isfinite(correlation[others])))
    step, bend = _peak(correlation, best)
    peak = float(correlation[best])
    independent = max(1.0, pairs[best] / _DEPENDENT_TICKS)
    uncertain_ticks = np.sqrt(max(1 - peak**2, _EDGE) / (max(peak, _EDGE) * bend * independent))
    return TimeSkew(
        offset_ms=float((best + step - _MAX_TICKS) * TICK_MS),
        uncertainty_ms=float(min(np.hypot(uncertain_ticks * TICK_MS, _SYSTEMATIC_MS), 1e6)),
        correlation=peak,
        other_correlation=other,
        gain=float(gain[best]),
    )


def _interpolated(at_ns: np.ndarray, times_ns: np.ndarray, values: np.ndarray, max_gap_ns: int) -> np.ndarray:
    start_ns = int(times_ns[0])
    found: np.ndarray = np.interp(
        (at_ns - start_ns) * 1e-9, (times_ns - start_ns) * 1e-9, values, left=np.nan, right=np.nan
    )
    after = np.clip(np.searchsorted(times_ns, at_ns), 1, len(times_ns) - 1)
    found[times_ns[after] - times_ns[after - 1] > max_gap_ns] = np.nan
    return found


def _correlations(images: np.ndarray, ego: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pearson correlation of all known pairs, their number, and the ratio of the standard deviations of ego motion and
    images, at each of the 2 `_MAX_TICKS` + 1 offsets.
    """
    size = 1 << (len(ego) + len(images)).bit_length()
    is_image, is_ego = np.isfinite(images), np.isfinite(ego)
    x, y = np.where(is_image, images, 0.0), np.where(is_ego, ego, 0.0)

    def spectrum(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.fft.rfft(values, size))

    def sums(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.asarray(np.fft.irfft(np.conj(left) * right, size)[: 2 * _MAX_TICKS + 1])

    mx, my, sx, sy = (spectrum(each) for each in (is_image.astype(float), is_ego.astype(float), x, y))
    pairs = np.rint(sums(mx, my))
    n = np.maximum(pairs, 1)
    mean_x, mean_y = sums(sx, my) / n, sums(mx, sy) / n
    var_x, var_y = sums(spectrum(x * x), my) / n - mean_x**2, sums(mx, spectrum(y * y)) / n - mean_y**2
    product = sums(sx, sy) / n - mean_x * mean_y
    enough = pairs >= max(_LEAST_TICKS, _LEAST_SHARE * is_image.sum())
    enough &= (var_x > _LEAST_RPS**2) & (var_y > _LEAST_RPS**2)
    correlation, gain = np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
    correlation[enough] = product[enough] / np.sqrt(var_x[enough] * var_y[enough])
    gain[enough] = np.sqrt(var_y[enough] / var_x[enough])
    return correlation, pairs, gain


def _peak(correlation: np.ndarray, best: int) -> tuple[float, float]:
    """Where the parabola through a peak has its top, in steps from it, and its second derivative, negated."""
    if best in (0, len(correlation) - 1) or not np.isfinite(correlation[best - 1 : best + 2]).all():
        return 0.0, _EDGE
    before, here, after = correlation[best - 1 : best + 2]
    bend = float(2 * here - before - after)
    return (0.0, _EDGE) if bend <= _EDGE else (float((after - before) / (2 * bend)), bend)
