"""A pinhole camera at the real one's place: which point of the picture each of its pixels shows, and the warp.

A pure rotation about the optical centre, so no depth is needed. Bilinear without a low-pass filter, as openpilot's
model frames: a picture that becomes much smaller shows aliasing.
"""

import numpy as np

from fsd.data.camera_model import project
from fsd.data.kernel import kernel
from fsd.data.rig import Camera
from fsd.third_party.input_fields import VirtualCamera

_EGO_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Axes of a level camera that looks straight ahead: x right, y down, z forward -> x forward, y left, z up."""


def intrinsics_of(virtual: VirtualCamera) -> np.ndarray:
    """(3, 3) float64 K."""
    return np.array([[virtual.fx_px, 0.0, virtual.cx_px], [0.0, virtual.fy_px, virtual.cy_px], [0.0, 0.0, 1.0]])


def ego_from_virtual(virtual: VirtualCamera, camera: Camera) -> np.ndarray:
    """(4, 4) float64 pose of the virtual camera: at the real one, yaw, then pitch, then roll about its own axes."""
    pose = np.eye(4)
    pose[:3, :3] = (
        _about(2, virtual.yaw_rad) @ _about(1, virtual.pitch_rad) @ _about(0, virtual.roll_rad) @ _EGO_FROM_OPTICAL
    )
    pose[:3, 3] = camera.ego_from_camera.translation_m
    return pose


def _about(axis: int, angle_rad: float) -> np.ndarray:
    """Rotation about x, y or z (0, 1, 2) by the right-hand rule."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[first, first] = rotation[second, second] = np.cos(angle_rad)
    rotation[second, first], rotation[first, second] = np.sin(angle_rad), -np.sin(angle_rad)
    return rotation


def picture_points(virtual: VirtualCamera, camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """(…, 2) float64 pixels of the camera's picture that pixels (…, 2) of the virtual image show; NaN outside it."""
    ones = np.ones((*pixels.shape[:-1], 1))
    rays = np.concatenate([pixels, ones], axis=-1) @ np.linalg.inv(intrinsics_of(virtual)).T
    rotation = camera.ego_from_camera.matrix()[:3, :3].T @ ego_from_virtual(virtual, camera)[:3, :3]
    points, is_inside = project(camera, rays @ rotation.T)
    return np.where(is_inside[..., None], points, np.nan)


class WarpTable:
    """For every pixel of a plane of the virtual image, the place in a plane of the picture; computed once."""

    def __init__(self, points: np.ndarray, is_chroma: bool, plane_shape: tuple[int, ...]) -> None:
        """Make the table.

        Args:
            points: (h, w, 2) luma pixels of the picture; NaN outside it.
            is_chroma: whether the plane has half the size; a chroma sample lies amid its four luma pixels.
            plane_shape: (rows, columns) of the picture's plane.
        """
        places = (points - 0.5) / 2 if is_chroma else points
        limits = np.array(plane_shape[::-1]) - 1.0
        self.places = np.ascontiguousarray(np.clip(places, 0.0, limits).astype(np.float32))
        self.is_outside = np.isnan(points[..., 0])

    def warp(self, plane: np.ndarray, fill: int, target: np.ndarray) -> None:
        """Write the (h, w) uint8 image of a picture's plane; pixels outside the picture become `fill`."""
        _warp(plane, self.places, fill, target)


@kernel
def _warp(plane: np.ndarray, places: np.ndarray, fill: int, target: np.ndarray) -> None:
    last_row, last_column = plane.shape[0] - 1, plane.shape[1] - 1
    for row in range(target.shape[0]):
        for column in range(target.shape[1]):
            x, y = places[row, column, 0], places[row, column, 1]
            if x != x:  # NaN
                target[row, column] = fill
                continue
            left, top = int(x), int(y)
            right, bottom = min(left + 1, last_column), min(top + 1, last_row)
            across, down = x - np.float32(left), y - np.float32(top)
            above = plane[top, left] + across * (np.float32(plane[top, right]) - np.float32(plane[top, left]))
            below = plane[bottom, left] + across * (np.float32(plane[bottom, right]) - np.float32(plane[bottom, left]))
            target[row, column] = np.uint8(above + down * (below - above) + np.float32(0.5))
