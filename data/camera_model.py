"""The geometry of the three lens models: points to pixels, pixels to rays.

Works on arrays; knows no files, no time and no pose of a camera. Points and rays are in the camera frame,
OpenCV optical: x right, y down, z forward. Every lens has a reach, the angle up to which its polynomial rises;
beyond it the model is ambiguous, and points there are reported as outside the picture.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fsd.data.rig import Camera, Fisheye, FTheta, Pinhole

_SAMPLES = 4096
_NEWTON_STEPS = 8
_MAX_TAN = 50.0  # a pinhole sees at most atan(50) = 88.9 degrees from its axis


class _Curve(NamedTuple):
    """The rising part of a lens's radial curve: `distance` against `radius`, both from 0."""

    distance: np.ndarray
    radius: np.ndarray


def project(camera: Camera, points_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project points into the picture.

    Args:
        camera: its lens and size.
        points_camera: (…, 3) points in the camera frame, any unit.

    Returns:
        (…, 2) float64 pixels (whole numbers are pixel centres; NaN where the lens cannot see the point at all), and
        (…) bool, whether the point falls inside the picture.
    """
    x, y, z = np.moveaxis(np.asarray(points_camera, np.float64), -1, 0)
    lens = camera.intrinsics
    if isinstance(lens, Pinhole):
        pixels, in_reach = _project_pinhole(lens, x, y, z)
    else:
        pixels, in_reach = _project_by_angle(lens, x, y, z)
    u, v = pixels[..., 0], pixels[..., 1]
    with np.errstate(invalid="ignore"):
        inside = (u >= -0.5) & (u < camera.width_px - 0.5) & (v >= -0.5) & (v < camera.height_px - 0.5)
    return pixels, inside & in_reach


def rays(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """The directions of pixels.

    Args:
        camera: its lens.
        pixels: (…, 2) pixel coordinates, whole numbers are pixel centres.

    Returns:
        (…, 3) float64 unit vectors in the camera frame. A pixel beyond the reach of the lens gets the ray at the
        edge of the reach, so the result is always finite.
    """
    pixels = np.asarray(pixels, np.float64)
    lens = camera.intrinsics
    if isinstance(lens, Pinhole):
        return _pinhole_rays(lens, pixels)
    scale_x, scale_y = (lens.fx_px, lens.fy_px) if isinstance(lens, Fisheye) else (1.0, 1.0)
    x = (pixels[..., 0] - lens.cx_px) / scale_x
    y = (pixels[..., 1] - lens.cy_px) / scale_y
    radius = np.hypot(x, y)
    angle = _invert(lens, radius)
    with np.errstate(invalid="ignore", divide="ignore"):
        sideways = np.where(radius > 0, np.sin(angle) / radius, 0.0)
    return np.stack([x * sideways, y * sideways, np.cos(angle)], axis=-1)


def pixels_per_degree(camera: Camera) -> float | None:
    """Pixels per degree along the row at the picture's centre; None where the lens does not reach the centre."""
    x, y = (camera.width_px - 1) / 2, (camera.height_px - 1) / 2
    left, right = rays(camera, np.array([[x - 0.5, y], [x + 0.5, y]]))
    angle_rad = 2 * np.arcsin(min(1.0, float(np.linalg.norm(right - left)) / 2))
    return float(1 / np.degrees(angle_rad)) if angle_rad > 0 else None


def _radius(lens: Pinhole | Fisheye | FTheta, distance: np.ndarray) -> np.ndarray:
    """The lens's radial curve. `distance` is the tangent of the angle for a pinhole, the angle itself otherwise."""
    if isinstance(lens, FTheta):
        return np.polynomial.polynomial.polyval(distance, np.asarray(lens.angle_to_radius_px))
    squared = distance * distance
    if isinstance(lens, Fisheye):
        return distance * np.polynomial.polynomial.polyval(squared, np.asarray((1.0, *lens.distortion)))
    return distance * _radial_factor(lens, squared)


def _radial_factor(lens: Pinhole, squared: np.ndarray) -> np.ndarray:
    k1, k2, _, _, k3, k4, k5, k6 = _eight(lens)
    above = 1 + squared * (k1 + squared * (k2 + squared * k3))
    below = 1 + squared * (k4 + squared * (k5 + squared * k6))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _eight(lens: Pinhole) -> tuple[float, ...]:
    return (*lens.distortion, *(0.0,) * (8 - len(lens.distortion)))


@lru_cache(maxsize=64)
def _curve(lens: Pinhole | Fisheye | FTheta) -> _Curve:
    distance = np.linspace(0.0, _MAX_TAN if isinstance(lens, Pinhole) else np.pi, _SAMPLES)
    if isinstance(lens, Pinhole):
        distance = distance**2 / _MAX_TAN  # dense near the axis, where pictures are
    radius = _radius(lens, distance)
    rising = np.diff(radius) > 0  # False at NaN too
    end = len(rising) if rising.all() else int(np.argmin(rising))
    end = max(end, 1)
    return _Curve(distance[: end + 1], radius[: end + 1])


def _invert(lens: Pinhole | Fisheye | FTheta, radius: np.ndarray) -> np.ndarray:
    """The distance of a radius, by a table and Newton steps; limited to the lens's reach."""
    curve = _curve(lens)
    radius = np.minimum(radius, curve.radius[-1])
    distance = np.interp(radius, curve.radius, curve.distance)
    step = 1e-6
    for _ in range(3):
        slope = (_radius(lens, distance + step) - _radius(lens, distance - step)) / (2 * step)
        with np.errstate(divide="ignore", invalid="ignore"):
            better = distance - (_radius(lens, distance) - radius) / slope
        distance = np.where((better >= 0) & (better <= curve.distance[-1]), better, distance)
    return distance


def _project_by_angle(
    lens: Fisheye | FTheta, x: np.ndarray, y: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    sideways = np.hypot(x, y)
    angle = np.arctan2(sideways, z)
    in_reach = angle <= _curve(lens).distance[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(sideways > 0, _radius(lens, angle) / sideways, 0.0)
    scale = np.where(in_reach, scale, np.nan)
    focal_x, focal_y = (lens.fx_px, lens.fy_px) if isinstance(lens, Fisheye) else (1.0, 1.0)
    return np.stack([focal_x * x * scale + lens.cx_px, focal_y * y * scale + lens.cy_px], axis=-1), in_reach


def _project_pinhole(lens: Pinhole, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = np.where(z > 0, x / z, np.nan), np.where(z > 0, y / z, np.nan)
        in_reach = np.hypot(a, b) <= _curve(lens).distance[-1]
    a, b = np.where(in_reach, a, np.nan), np.where(in_reach, b, np.nan)
    a, b = _distort(lens, a, b)
    return np.stack([lens.fx_px * a + lens.cx_px, lens.fy_px * b + lens.cy_px], axis=-1), in_reach


def _distort(lens: Pinhole, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """OpenCV's distortion of normalised image coordinates: radial, then tangential."""
    if not lens.distortion:
        return a, b
    _, _, p1, p2, *_ = _eight(lens)
    squared = a * a + b * b
    factor = _radial_factor(lens, squared)
    return (
        a * factor + 2 * p1 * a * b + p2 * (squared + 2 * a * a),
        b * factor + p1 * (squared + 2 * b * b) + 2 * p2 * a * b,
    )


def _pinhole_rays(lens: Pinhole, pixels: np.ndarray) -> np.ndarray:
    goal_a = (pixels[..., 0] - lens.cx_px) / lens.fx_px
    goal_b = (pixels[..., 1] - lens.cy_px) / lens.fy_px
    a, b = goal_a, goal_b
    if lens.distortion:
        a, b = _undistort(lens, goal_a, goal_b)
    directions = np.stack([a, b, np.ones_like(a)], axis=-1)
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def _undistort(lens: Pinhole, goal_a: np.ndarray, goal_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Invert `_distort`: the radial part by table, then Newton on both coordinates for the tangential part."""
    goal_radius = np.hypot(goal_a, goal_b)
    limit = _curve(lens).distance[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        shrink = np.where(goal_radius > 0, _invert(lens, goal_radius) / goal_radius, 1.0)
    a, b = goal_a * shrink, goal_b * shrink
    step = 1e-6
    for _ in range(_NEWTON_STEPS):
        now_a, now_b = _distort(lens, a, b)
        right, down = _distort(lens, a + step, b), _distort(lens, a, b + step)
        aa, ba = (right[0] - now_a) / step, (right[1] - now_b) / step
        ab, bb = (down[0] - now_a) / step, (down[1] - now_b) / step
        determinant = aa * bb - ab * ba
        error_a, error_b = goal_a - now_a, goal_b - now_b
        with np.errstate(divide="ignore", invalid="ignore"):
            better_a = a + (bb * error_a - ab * error_b) / determinant
            better_b = b + (aa * error_b - ba * error_a) / determinant
            usable = (determinant > 0.01) & (np.hypot(better_a, better_b) <= limit)
        a, b = np.where(usable, better_a, a), np.where(usable, better_b, b)
    return a, b
