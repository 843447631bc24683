"""Interpolate a path between its points, evenly spaced in time or not."""

import numpy as np

_STEEPEST = 3.0
"""A cubic does not turn back between two points if no slope is over three times the mean one (Fritsch and Carlson)."""


def interpolate(wanted_s: np.ndarray, times_s: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities, (N, 2) each, at `wanted_s` (N,), none of them before the first point.

    Cubic between two points, with the velocity at each of the parabola through it and its neighbours: exact for
    constant acceleration. It never runs back where the points do not. After the last point it goes on with the mean
    velocity of the last interval.

    Args:
        times_s: (P,) rising, P at least 2; points: (P, 2).
    """
    gaps_s = np.diff(times_s)
    rises = np.diff(points, axis=0)
    velocities = _velocities(gaps_s, rises)
    left = np.clip(np.searchsorted(times_s, wanted_s, side="right") - 1, 0, len(gaps_s) - 1)
    gap_s = gaps_s[left, None]
    u = np.minimum((wanted_s - times_s[left])[:, None] / gap_s, 1.0)
    start_rise, end_rise = velocities[left] * gap_s, velocities[left + 1] * gap_s
    share = u * u * (3 - 2 * u)  # exactly 0 or 1 at the points, which keep their bits
    position = points[left] * (1 - share) + points[left + 1] * share
    position += start_rise * (u * (1 - u) ** 2) - end_rise * (u * u * (1 - u))
    velocity = rises[left] * 6 * u * (1 - u) + start_rise * (1 - u) * (1 - 3 * u) + end_rise * u * (3 * u - 2)
    after_s = np.maximum(wanted_s - times_s[-1], 0.0)[:, None]
    last_velocity = rises[-1] / gaps_s[-1]
    return position + last_velocity * after_s, np.where(after_s > 0, last_velocity, velocity / gap_s)


def _velocities(gaps_s: np.ndarray, rises: np.ndarray) -> np.ndarray:
    """(P, 2) at each point: of the parabola through three neighbours, limited so that nothing runs back."""
    means = rises / gaps_s[:, None]
    if len(means) == 1:
        return np.repeat(means, 2, axis=0)
    bends = np.diff(means, axis=0) / (gaps_s[:-1] + gaps_s[1:])[:, None]
    first, last = means[0] - bends[0] * gaps_s[0], means[-1] + bends[-1] * gaps_s[-1]
    velocities = np.vstack([first, means[:-1] + bends * gaps_s[:-1, None], last])
    for neighbour in (np.vstack([means[:1], means]), np.vstack([means, means[-1:]])):
        speed = np.hypot(velocities[:, 0], velocities[:, 1])
        limit = _STEEPEST * np.hypot(neighbour[:, 0], neighbour[:, 1])
        is_forward = (velocities * neighbour).sum(axis=1) > 0
        velocities *= np.where(is_forward, np.minimum(limit / np.maximum(speed, 1e-12), 1.0), 0.0)[:, None]
    return velocities
