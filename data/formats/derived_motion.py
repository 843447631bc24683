"""Motion that a recording does not state, from what it states: rates of angles, and local frames of global positions.

Everything is causal: a row depends on rows up to its own time, so that it may be an input of a network.
"""

import numpy as np

from fsd.data.ego import STALE_NS

_SEMI_MAJOR_AXIS_M, _ECCENTRICITY_2 = 6_378_137.0, 6.694_379_990_141e-3  # WGS 84


def backward_rate(timestamp_ns: np.ndarray, values: np.ndarray, over_ns: int) -> np.ndarray:
    """Change per second of `values` (n,) since the newest row that is at least `over_ns` older.

    NaN where there is no such row, or where it is older than 0.5 s more than that.
    """
    timestamp_ns, values = np.asarray(timestamp_ns, np.int64), np.asarray(values, np.float64)
    before = np.searchsorted(timestamp_ns, timestamp_ns - over_ns, side="right") - 1
    step_ns = timestamp_ns - timestamp_ns[np.maximum(before, 0)]
    is_known = (before >= 0) & (step_ns > 0) & (step_ns <= over_ns + STALE_NS)
    rate = np.full(len(values), np.nan)
    rate[is_known] = (values[is_known] - values[before[is_known]]) / (step_ns[is_known] * 1e-9)
    return rate


def newest_values(timestamp_ns: np.ndarray, values: np.ndarray, at_ns: np.ndarray) -> np.ndarray:
    """The newest of `values` (n,) not later than each of `at_ns` (m,); NaN if there is none or it is over 0.5 s old."""
    row = np.searchsorted(timestamp_ns, at_ns, side="right") - 1
    newest = np.asarray(values, np.float64)[np.maximum(row, 0)].copy()
    newest[(row < 0) | (at_ns - timestamp_ns[np.maximum(row, 0)] > STALE_NS)] = np.nan
    return newest


def enu_from_ecef(position_m: np.ndarray) -> np.ndarray:
    """(3, 3) rotation of earth-centred, earth-fixed vectors to east, north, up at a position (3,) in metres."""
    x, y, z = position_m
    latitude, longitude = np.arctan2(z, np.hypot(x, y) * (1 - _ECCENTRICITY_2)), np.arctan2(y, x)
    for _ in range(5):  # converges to under a micrometre near the ground
        normal_m = _SEMI_MAJOR_AXIS_M / np.sqrt(1 - _ECCENTRICITY_2 * np.sin(latitude) ** 2)
        latitude = np.arctan2(z + _ECCENTRICITY_2 * normal_m * np.sin(latitude), np.hypot(x, y))
    sin_lat, cos_lat, sin_lon, cos_lon = np.sin(latitude), np.cos(latitude), np.sin(longitude), np.cos(longitude)
    return np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )
