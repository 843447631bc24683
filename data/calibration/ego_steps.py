"""How the car moved between the two images of a pair: distance along its path and change of heading."""

from dataclasses import dataclass

import numpy as np

from fsd.data.ego import EgoTrack

ASSUMED_SPEED_MPS = 12.0
"""Without a recorded speed; matters only for how far a turn moves a camera sideways."""

HEADING_SIGMA_RAD = np.radians(0.05)
FREE_HEADING_SIGMA_RAD = np.radians(3.0)
BODY_SIGMA_RAD = np.radians(0.25)
"""Pitch and roll of the body on its springs, between two images."""


@dataclass(frozen=True)
class EgoSteps:
    """One row per pair.

    Attributes:
        distance_m: (K,) along the path, forward positive.
        heading_rad: (K,) change of heading, left positive.
        heading_sigma_rad: (K,) its standard deviation.
        is_known: whether speed and yaw rate were recorded.
    """

    distance_m: np.ndarray
    heading_rad: np.ndarray
    heading_sigma_rad: np.ndarray
    is_known: bool


def ego_steps(ego: EgoTrack | None, start_ns: np.ndarray, end_ns: np.ndarray) -> EgoSteps:
    """The motion between two times (K,) each, from speed and yaw rate; NaN where the track does not cover them.

    Without a track, the distance is that of an assumed speed and the heading is free.
    """
    if ego is None or not _has_motion(ego):
        duration_s = (end_ns - start_ns) * 1e-9
        return EgoSteps(
            ASSUMED_SPEED_MPS * duration_s,
            np.zeros(len(start_ns)),
            np.full(len(start_ns), FREE_HEADING_SIGMA_RAD),
            False,
        )
    distance_m = _integral(ego.timestamp_ns, ego.speed_mps, start_ns, end_ns)
    heading_rad = _integral(ego.timestamp_ns, ego.yaw_rate_rps, start_ns, end_ns)
    return EgoSteps(distance_m, heading_rad, np.full(len(start_ns), HEADING_SIGMA_RAD), True)


def _has_motion(ego: EgoTrack) -> bool:
    usable = np.isfinite(ego.speed_mps) & np.isfinite(ego.yaw_rate_rps)
    return len(usable) > 1 and float(usable.mean()) > 0.2


def _integral(rows_ns: np.ndarray, values: np.ndarray, start_ns: np.ndarray, end_ns: np.ndarray) -> np.ndarray:
    """Of a sampled rate between times, by trapezoids; NaN beyond the samples or over unknown ones."""
    origin_ns = int(rows_ns[0])
    rows_s = (rows_ns - origin_ns) * 1e-9
    known = np.isfinite(values)
    filled = np.interp(rows_s, rows_s[known], values[known])
    summed = np.concatenate([[0.0], np.cumsum(0.5 * (filled[1:] + filled[:-1]) * np.diff(rows_s))])
    unknown = np.concatenate([[0], np.cumsum(~known)])

    def at(times_ns: np.ndarray) -> np.ndarray:
        times_s = (times_ns - origin_ns) * 1e-9
        row = np.clip(np.searchsorted(rows_s, times_s, side="right") - 1, 0, len(rows_s) - 2)
        into_s = times_s - rows_s[row]
        slope = (filled[row + 1] - filled[row]) / (rows_s[row + 1] - rows_s[row])
        return np.asarray(summed[row] + into_s * (filled[row] + 0.5 * slope * into_s))

    first = np.searchsorted(rows_ns, start_ns, side="right") - 1
    last = np.minimum(np.searchsorted(rows_ns, end_ns, side="left"), len(rows_ns) - 1)
    is_covered = (first >= 0) & (end_ns <= rows_ns[-1]) & (unknown[last + 1] == unknown[np.maximum(first, 0)])
    return np.where(is_covered, at(end_ns) - at(start_ns), np.nan)
