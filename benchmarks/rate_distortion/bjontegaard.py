"""BD-rate: how many bytes one curve saves against another at equal error, on average. Pure arithmetic.

Sources: G. Bjøntegaard, Calculation of average PSNR differences between RD-curves, VCEG-M33, 2001, with the piecewise
cubic (PCHIP) interpolation of JCTVC-L1100 instead of one cubic through all points, as C. Herglotz et al., The
Bjøntegaard Bible, IEEE Trans. Image Processing 33 (2024), advise; for the slopes F. N. Fritsch and J. Butland, A method
for constructing local monotone piecewise cubic interpolants, SIAM J. Sci. Stat. Comput. 5 (1984).
"""

from dataclasses import dataclass

import numpy as np

_SAMPLES = 1000


@dataclass(frozen=True)
class BdRate:
    """A saving, as a share of the other curve's bytes: -0.5 is half of them.

    `kind` is `overlap` where the curves share a range of errors, which then is `shared` of the union of both; `at_most`
    or `at_least` where they share none: one is better with its fewest bytes than the other with its most, and the
    saving is at most (at least) this number.
    """

    rate: float
    kind: str
    shared: float


def bd_rate(rates: np.ndarray, errors: np.ndarray, other_rates: np.ndarray, other_errors: np.ndarray) -> BdRate:
    """Mean difference in rate of a curve against another's, over the errors that both reach.

    Args:
        rates, errors: (n,) bytes and errors of the curve that is judged, n >= 2.
        other_rates, other_errors: of the other.

    Rates rise; errors should fall, and where noise lets them rise the curve is replaced by its closest falling one.
    """
    error, log_rate = _as_curve(rates, errors)
    other_error, other_log_rate = _as_curve(other_rates, other_errors)
    low, high = max(error[0], other_error[0]), min(error[-1], other_error[-1])
    widest = max(error[-1], other_error[-1]) - min(error[0], other_error[0])
    if high > low:
        at = np.linspace(low, high, _SAMPLES)
        difference = pchip(error, log_rate, at) - pchip(other_error, other_log_rate, at)
        mean = float(((difference[1:] + difference[:-1]) / 2).mean())
        return BdRate(float(np.expm1(mean)), "overlap", float((high - low) / widest) if widest > 0 else 1.0)
    if error[-1] <= other_error[0]:  # all of this curve is better
        return BdRate(float(np.exp(log_rate[-1] - other_log_rate[0]) - 1.0), "at_most", 0.0)
    return BdRate(float(np.exp(log_rate[0] - other_log_rate[-1]) - 1.0), "at_least", 0.0)


def _as_curve(rates: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rising errors and the log of the least rate that reaches each; one point or more."""
    order = np.argsort(rates)
    error = falling(np.asarray(errors, np.float64)[order])[::-1]
    log_rate = np.log(np.asarray(rates, np.float64)[order])[::-1]
    # Equal errors: the fewest bytes that reach them are what counts.
    is_last = np.append(error[1:] > error[:-1] + 1e-12, True)
    return error[is_last], log_rate[is_last]


def falling(values: np.ndarray) -> np.ndarray:
    """The closest sequence (least squares) that never rises.

    Pool adjacent violators: R. E. Barlow et al., Statistical Inference under Order Restrictions, 1972.
    """
    means: list[float] = []
    counts: list[int] = []
    for value in values:
        means.append(float(value))
        counts.append(1)
        while len(means) > 1 and means[-1] > means[-2]:
            count = counts[-2] + counts[-1]
            means[-2:] = [(means[-2] * counts[-2] + means[-1] * counts[-1]) / count]
            counts[-2:] = [count]
    return np.repeat(means, counts)


def pchip(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Monotone piecewise cubic through (x, y) at points inside; x rises strictly. One point is a constant."""
    if len(x) == 1:
        return np.full(at.shape, y[0])
    step, slope = np.diff(x), np.diff(y) / np.diff(x)
    tangent = np.empty(len(x))
    tangent[0], tangent[-1] = _end_tangent(step, slope), _end_tangent(step[::-1], slope[::-1])
    for i in range(1, len(x) - 1):
        if slope[i - 1] * slope[i] <= 0:
            tangent[i] = 0.0
        else:
            before, after = 2 * step[i] + step[i - 1], step[i] + 2 * step[i - 1]
            tangent[i] = (before + after) / (before / slope[i - 1] + after / slope[i])
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    width = step[piece]
    part = (at - x[piece]) / width
    value = (1 + 2 * part) * (1 - part) ** 2 * y[piece] + part**2 * (3 - 2 * part) * y[piece + 1]
    return value + width * part * (1 - part) * ((1 - part) * tangent[piece] - part * tangent[piece + 1])


def _end_tangent(step: np.ndarray, slope: np.ndarray) -> float:
    """One-sided three-point tangent, kept from overshooting."""
    if len(slope) == 1:
        return float(slope[0])
    tangent = ((2 * step[0] + step[1]) * slope[0] - step[0] * slope[1]) / (step[0] + step[1])
    if tangent * slope[0] <= 0:
        return 0.0
    if slope[0] * slope[1] < 0 and abs(tangent) > 3 * abs(slope[0]):
        return float(3 * slope[0])
    return float(tangent)
