"""How much brighter or darker one camera's picture became as a whole, from the sums of its blocks."""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def fit_exposure(now: np.ndarray, before: np.ndarray) -> tuple[int, int]:
    """Gain and offset (1/256) that turn the earlier block sums into the present ones.

    The ratio of the spreads, not a regression of one on the other: that would read motion as a loss of contrast.
    Blocks that do not fit are left out of a second pass, so that a new object does not pass for a new exposure. Every
    second block is enough.
    """
    n = now.shape[0]
    gain, offset = 1.0, 0.0
    limit = np.inf
    for _ in range(3):
        count, sum_now, sum_before = 0, 0.0, 0.0
        for i in range(0, n, 2):
            if abs(now[i] - gain * before[i] - offset) <= limit:
                count += 1
                sum_now += now[i]
                sum_before += before[i]
        if count < n // 16:
            break
        mean_now, mean_before = sum_now / count, sum_before / count
        spread_now, spread_before = 0.0, 0.0
        for i in range(0, n, 2):
            if abs(now[i] - gain * before[i] - offset) <= limit:
                spread_now += abs(now[i] - mean_now)
                spread_before += abs(before[i] - mean_before)
        # A flat picture (fog, a wall, the cover on) has no contrast to measure a gain by: then only an offset.
        gain = 1.0 if spread_before < count * 64 or spread_now < count * 64 else spread_now / spread_before
        gain = min(max(gain, 0.25), 4.0)
        offset = mean_now - gain * mean_before
        total = 0.0
        for i in range(0, n, 2):
            total += abs(now[i] - gain * before[i] - offset)
        limit = 4.0 * total / n + 64.0
    return round(256 * gain), round(4 * offset)
