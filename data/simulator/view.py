"""From a pinhole camera to the matrices that OpenGL draws with."""

import math

import numpy as np

from fsd.data.rig import Pinhole

NEAR_M, FAR_M = 0.2, 1800.0


def projection(lens: Pinhole, width_px: int, height_px: int) -> np.ndarray:
    """(4, 4) clip from optical camera frame. Row 0 of the picture is drawn at the bottom, where read-back begins."""
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[0, 2] = 2 * lens.fx_px / width_px, 2 * (lens.cx_px + 0.5) / width_px - 1
    matrix[1, 1], matrix[1, 2] = 2 * lens.fy_px / height_px, 2 * (lens.cy_px + 0.5) / height_px - 1
    matrix[2, 2], matrix[2, 3] = (FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    matrix[3, 2] = 1.0
    return matrix


def half_view(lens: Pinhole, width_px: int) -> float:
    """Half the widest horizontal angle of view, with room for the camera's pitch."""
    return math.atan(0.5 * width_px / lens.fx_px) + 0.08


def pose_matrix(x_m: float, y_m: float, heading_rad: float) -> np.ndarray:
    """(4, 4) world from ego."""
    cos, sin = math.cos(heading_rad), math.sin(heading_rad)
    return np.array([[cos, -sin, 0, x_m], [sin, cos, 0, y_m], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=np.float64)
