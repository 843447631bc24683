"""How the blocks of a camera's picture move with the car: where it is mounted right, turned, or another camera's.

Knows the rig and the street model; no pictures.
"""

from dataclasses import dataclass

import numpy as np

from fsd.data.camera_health.mounting.block_motion import BLOCK_PX, COLUMNS, ROWS
from fsd.data.camera_model import project, rays
from fsd.data.frames import CAMERAS
from fsd.data.rig import Camera, Rig
from fsd.data.street_depth import prior_depth

QUARTER_TURNS = 4
"""The first hypotheses of every camera: its picture turned by 0 to 3 quarter turns counterclockwise."""

HYPOTHESES = QUARTER_TURNS + len(CAMERAS)
"""Hypothesis 4 + k: the picture is that of camera k."""

_STEP_M, _STEP_RAD = 0.02, 0.02
_QUARTER = np.array([[0.0, 1.0], [-1.0, 0.0]])
"""Turns x (right) and y (down) of a picture by 90 degrees counterclockwise."""


@dataclass(frozen=True)
class ExpectedMotion:
    """Of a rig.

    Attributes:
        forward_px: (8, 12, 48, 2) float64 camera, hypothesis, block, x and y: pixels of the small picture per metre
            forward; turn_px: the same per radian of left turn.
        is_known: (8, 12) bool, whether the rig has the camera, and the one of the hypothesis.
    """

    forward_px: np.ndarray
    turn_px: np.ndarray
    is_known: np.ndarray


def expected_motion(rig: Rig) -> ExpectedMotion:
    """The tables of a rig."""
    shape = (len(CAMERAS), HYPOTHESES, *_places().shape)
    forward_px, turn_px, is_known = np.zeros(shape), np.zeros(shape), np.zeros(shape[:2], np.bool_)
    cameras = [rig.camera(name) for name in CAMERAS]
    upright = [None if camera is None else _camera_motion(camera, 0) for camera in cameras]
    for index, camera in enumerate(cameras):
        if camera is None:
            continue
        turned = [_camera_motion(camera, quarters) for quarters in range(QUARTER_TURNS)]
        for hypothesis, motion in enumerate([*turned, *upright]):
            if motion is not None and hypothesis != QUARTER_TURNS + index:
                forward_px[index, hypothesis], turn_px[index, hypothesis] = motion
                is_known[index, hypothesis] = True
    return ExpectedMotion(forward_px, turn_px, is_known)


def _places() -> np.ndarray:
    """(48, 2) middles of the blocks as shares of width and height, from -0.5 to 0.5."""
    x = (np.arange(COLUMNS // BLOCK_PX) + 0.5) * BLOCK_PX / COLUMNS - 0.5
    y = (np.arange(ROWS // BLOCK_PX) + 0.5) * BLOCK_PX / ROWS - 0.5
    return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1).reshape(-1, 2)


def _camera_motion(camera: Camera, quarter_turns: int) -> tuple[np.ndarray, np.ndarray]:
    """(48, 2) pixels of the small picture per metre forward and per radian left, of the picture turned."""
    turn = np.linalg.matrix_power(_QUARTER, quarter_turns)
    size_px = np.array([camera.width_px, camera.height_px])
    pixels = (_places() @ turn + 0.5) * size_px - 0.5  # what a turned picture shows at a place is seen from here
    mount = camera.ego_from_camera.matrix()
    position, directions = mount[:3, 3], rays(camera, pixels) @ mount[:3, :3].T
    points = position + directions * prior_depth(directions, position)[:, None]

    def moved(points_ego: np.ndarray) -> np.ndarray:
        after, _ = project(camera, (points_ego - position) @ mount[:3, :3])
        return np.nan_to_num((after - pixels) / size_px) @ turn.T * np.array([COLUMNS, ROWS])

    cos, sin = np.cos(_STEP_RAD), np.sin(_STEP_RAD)
    turned_points = points @ np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return moved(points - [_STEP_M, 0, 0]) / _STEP_M, moved(turned_points) / _STEP_RAD
