"""Yaw, yaw rate and path of the car in a local metric frame, from speed, heading, steering and GPS.

Frame: x east, y north, z up, origin at the first row; yaw is left positive and 90 degrees minus heading.
"""

from dataclasses import dataclass

import numpy as np

from fsd.data.clock import SECOND_NS
from fsd.data.formats.local_frame import LocalFrame

HOLE_NS = 2 * SECOND_NS
"""Over a longer hole in the telemetry there is no pose."""

WINDOW_NS = SECOND_NS * 3 // 10
"""Heading differences are taken over this time."""

MIN_BASELINE_NS = SECOND_NS // 10
MIN_HEADING_SPEED_MPS = 1.0
"""Below, the yaw rate comes from the steering wheel."""

STANDSTILL_MPS = 0.05
MAX_YAW_RATE_RPS = 2.5
MAX_WINDOW_NS = SECOND_NS
MIN_CHECKED_M = 20.0


def yaw_of_heading(heading_deg: np.ndarray) -> np.ndarray:
    """Yaw in rad, left positive from east, of a heading clockwise from north."""
    return np.radians(90.0 - heading_deg)


def heading_window_ns(timestamp_ns: np.ndarray, speed_mps: np.ndarray, heading_deg: np.ndarray) -> int:
    """The time over which heading differences are taken: longer where heading is renewed more seldom than pictures."""
    with np.errstate(invalid="ignore"):
        changes_ns = timestamp_ns[1:][(np.diff(heading_deg) != 0) & (np.abs(speed_mps[1:]) >= MIN_HEADING_SPEED_MPS)]
    steps_ns = np.diff(changes_ns)
    steps_ns = steps_ns[steps_ns < HOLE_NS]
    interval_ns = int(np.median(steps_ns)) if len(steps_ns) else 0
    return WINDOW_NS if interval_ns < MIN_BASELINE_NS else min(max(WINDOW_NS, 2 * interval_ns), MAX_WINDOW_NS)


def causal_yaw_rate(
    timestamp_ns: np.ndarray,
    speed_mps: np.ndarray,
    yaw_rad: np.ndarray,
    steering_curvature: np.ndarray,
    window_ns: int = WINDOW_NS,
) -> np.ndarray:
    """(n,) yaw rate in rad/s, left positive, from each row and earlier ones alone; NaN where nothing tells it.

    Args:
        timestamp_ns, speed_mps, yaw_rad: (n,); yaw needs no unwrapping and is NaN where heading is unknown.
        steering_curvature: (n,) 1/m, left positive, used below 1 m/s and where heading does not tell.
        window_ns: heading differences are taken over at most this time.
    """
    # The first row within the window; half a picture of tolerance, so that jitter does not shorten it by a row.
    first = np.searchsorted(timestamp_ns, timestamp_ns - window_ns - MIN_BASELINE_NS // 8)
    baseline_s = (timestamp_ns - timestamp_ns[first]) * 1e-9
    turned_rad = np.mod(yaw_rad - yaw_rad[first] + np.pi, 2 * np.pi) - np.pi
    from_steering = speed_mps * steering_curvature
    with np.errstate(invalid="ignore", divide="ignore"):
        from_heading = np.where(baseline_s >= 1e-9 * MIN_BASELINE_NS, turned_rad / baseline_s, np.nan)
        from_heading[np.abs(from_heading) > MAX_YAW_RATE_RPS] = np.nan
        is_slow = np.abs(speed_mps) < MIN_HEADING_SPEED_MPS
    use_steering = np.isfinite(from_steering) & (is_slow | ~np.isfinite(from_heading))
    yaw_rate = np.where(use_steering, from_steering, from_heading)
    return np.where(np.abs(speed_mps) < STANDSTILL_MPS, 0.0, yaw_rate)


def filled_yaw(
    timestamp_ns: np.ndarray, speed_mps: np.ndarray, yaw_rad: np.ndarray, steering_curvature: np.ndarray
) -> np.ndarray:
    """(n,) continuous yaw: of heading where it is known and the car moves, else steering integrated in between.

    For poses only: it interpolates between earlier and later rows.
    """
    rate = np.nan_to_num(speed_mps) * np.nan_to_num(steering_curvature)
    steps_s = np.diff(timestamp_ns) * 1e-9
    steered = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.where(steps_s > 2, 0.0, steps_s))])
    with np.errstate(invalid="ignore"):
        is_known = np.isfinite(yaw_rad) & ~(np.abs(speed_mps) < STANDSTILL_MPS)
    if not is_known.any():
        is_known = np.isfinite(yaw_rad)
    if not is_known.any():
        return steered
    residual = np.unwrap((yaw_rad - steered)[is_known])
    at_s = (timestamp_ns - timestamp_ns[0]) * 1e-9
    return np.asarray(steered + np.interp(at_s, at_s[is_known], residual))


def integrated_path(
    timestamp_ns: np.ndarray, speed_mps: np.ndarray, yaw_rad: np.ndarray, gps_m: np.ndarray
) -> np.ndarray:
    """(n, 2) x, y from the first row on, of speed along yaw; across a hole of over 2 s by GPS where both ends have it.

    Args:
        speed_mps: (n,), negative in reverse, NaN where unknown (interpolated).
        yaw_rad: (n,), continuous.
        gps_m: (n, 2) x east, y north around any origin; NaN without a fix.
    """
    at_s = (timestamp_ns - timestamp_ns[0]) * 1e-9
    is_known = np.isfinite(speed_mps)
    speed = np.interp(at_s, at_s[is_known], speed_mps[is_known]) if is_known.any() else np.zeros(len(at_s))
    turned = np.diff(yaw_rad)
    chord_m = 0.5 * (speed[1:] + speed[:-1]) * np.diff(at_s) * np.sinc(turned / (2 * np.pi))
    middle = yaw_rad[:-1] + 0.5 * turned
    steps_m = chord_m[:, None] * np.stack([np.cos(middle), np.sin(middle)], axis=-1)
    gps_steps_m = np.diff(gps_m, axis=0)
    by_gps = (np.diff(timestamp_ns) > HOLE_NS) & np.isfinite(gps_steps_m).all(axis=-1)
    steps_m[by_gps] = gps_steps_m[by_gps]
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps_m, axis=0)])


@dataclass(frozen=True)
class GpsCheck:
    """The path against GPS: RMS distance after a rigid alignment, its rotation (left positive), fixes left out."""

    rms_m: float
    rotation_rad: float
    length_m: float
    outliers: int


def gps_metres(latitude_deg: np.ndarray, longitude_deg: np.ndarray) -> np.ndarray:
    """(n, 2) x east and y north around the first fix; NaN without a fix."""
    is_fix = np.isfinite(latitude_deg) & np.isfinite(longitude_deg)
    if not is_fix.any():
        return np.full((len(latitude_deg), 2), np.nan)
    first = int(np.argmax(is_fix))
    return LocalFrame(float(latitude_deg[first]), float(longitude_deg[first])).metres(latitude_deg, longitude_deg)


def check_with_gps(path_m: np.ndarray, gps_m: np.ndarray) -> GpsCheck | None:
    """Align the path to GPS and measure; None where there are too few fixes or the car hardly moved."""
    is_fix = np.isfinite(gps_m).all(axis=-1)
    path, gps = path_m[is_fix], gps_m[is_fix]
    if len(gps) < 3:
        return None
    is_new = np.concatenate([[True], (np.diff(gps, axis=0) != 0).any(axis=-1)])  # positions may be renewed seldom
    path, gps = path[is_new], gps[is_new]
    if len(gps) < 3 or np.linalg.norm(np.ptp(gps, axis=0)) < MIN_CHECKED_M:
        return None
    near = np.linalg.norm(gps - np.median(gps, axis=0), axis=-1)
    is_used = near <= np.linalg.norm(np.ptp(path, axis=0)) + 100.0  # no fix is farther away than the car drove
    if is_used.sum() < 3:
        return None
    rotation, distance_m = _aligned(path, gps, is_used)
    is_used &= distance_m <= max(5 * float(np.median(distance_m[is_used])), 10.0)
    if is_used.sum() < 3:
        return None
    rotation, distance_m = _aligned(path, gps, is_used)
    return GpsCheck(
        rms_m=float(np.sqrt(np.mean(distance_m[is_used] ** 2))),
        rotation_rad=rotation,
        length_m=float(np.linalg.norm(np.diff(path_m, axis=0), axis=-1).sum()),
        outliers=int((~is_used).sum()),
    )


def _aligned(path: np.ndarray, gps: np.ndarray, is_used: np.ndarray) -> tuple[float, np.ndarray]:
    """Rotation in rad and (n,) distances after the least-squares rigid motion of the used points.

    Source: S. Umeyama, Least-squares estimation of transformation parameters, PAMI 13(4), 1991, in the plane.
    """
    from_centre = path - path[is_used].mean(axis=0)
    wanted = gps - gps[is_used].mean(axis=0)
    a, b = from_centre[is_used] @ [1, 1j], wanted[is_used] @ [1, 1j]
    rotation = float(np.angle(np.vdot(a, b)))
    turned = (from_centre @ [1, 1j]) * np.exp(1j * rotation)
    return rotation, np.abs(turned - wanted @ [1, 1j])
