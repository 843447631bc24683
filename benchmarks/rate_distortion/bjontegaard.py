"""BD-rate: the mean difference in bytes between two curves at equal error. Pure arithmetic.

Sources: G. Bjøntegaard, Calculation of average PSNR differences between RD-curves, VCEG-M33, 2001, with the piecewise
cubic (PCHIP) interpolation of JCTVC-L1100 instead of one cubic through all points, as C. Herglotz et al., The
Bjøntegaard Bible, IEEE Trans. Image Processing 33 (2024), recommend.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression


@dataclass(frozen=True)
class BdRate:
    """A difference in bytes, as a share of the other curve's bytes: -0.5 means half of them.

    Attributes:
        rate: the difference.
        kind: `overlap` if the curves share a range of errors. Otherwise one curve is better at its fewest bytes than
            the other at its most, and `rate` is a bound: the true value is `at_most` or `at_least` this.
        shared: length of the shared range of errors over that of the union of both ranges.
    """

    rate: float
    kind: str
    shared: float


def bd_rate(rates: np.ndarray, errors: np.ndarray, other_rates: np.ndarray, other_errors: np.ndarray) -> BdRate:
    """Mean difference in rate between two curves, over the errors that both reach.

    Args:
        rates, errors: (n,) bytes and errors of the curve that is judged, n >= 2.
        other_rates, other_errors: of the curve it is compared with.

    Errors should fall as rates rise. Where noise makes them rise, the curve is replaced by the closest falling one.
    """
    error, log_rate = _as_curve(rates, errors)
    other_error, other_log_rate = _as_curve(other_rates, other_errors)
    low, high = max(error[0], other_error[0]), min(error[-1], other_error[-1])
    if high > low:
        union = max(error[-1], other_error[-1]) - min(error[0], other_error[0])
        area = PchipInterpolator(error, log_rate).integrate(low, high)
        other_area = PchipInterpolator(other_error, other_log_rate).integrate(low, high)
        mean = (area - other_area) / (high - low)
        return BdRate(float(np.expm1(mean)), "overlap", float((high - low) / union))
    if error[-1] <= other_error[0]:  # every point of this curve is better
        return BdRate(float(np.exp(log_rate[-1] - other_log_rate[0]) - 1.0), "at_most", 0.0)
    return BdRate(float(np.exp(log_rate[0] - other_log_rate[-1]) - 1.0), "at_least", 0.0)


def _as_curve(rates: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rising errors, and the logarithm of the lowest rate that reaches each; one point or more."""
    order = np.argsort(rates)
    error = falling(np.asarray(errors, np.float64)[order])[::-1]
    log_rate = np.log(np.asarray(rates, np.float64)[order])[::-1]
    # Of equal errors, keep the one with the fewest bytes.
    is_last = np.append(error[1:] > error[:-1] + 1e-12, True)
    return error[is_last], log_rate[is_last]


def falling(values: np.ndarray) -> np.ndarray:
    """The closest sequence (least squares) that never rises."""
    return np.asarray(isotonic_regression(values, increasing=False).x)
