"""Where every block's content was some ticks ago: shifts predicted from ego motion, calibration and a depth prior.

Knows the rig; it sees no pixels. The depth prior is a street: the ground plane, and walls at both sides. Shifts are
tabulated once per rig through the calibrated camera models, so that a tick only interpolates.
"""

from typing import NamedTuple

import numpy as np

from fsd.compression.history import MAX_AGE, MIN_AGE
from fsd.compression.sampling import ANALYSIS_COLUMNS, ANALYSIS_ROWS
from fsd.compression.token_rays import cell_pixels, ego_rays
from fsd.data.camera_model import project
from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.kernel import kernel
from fsd.data.rig import Camera, Rig
from fsd.data.street_depth import FAR_M, prior_depth

FORWARD_NODES_M = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0])
"""Forward motions that shifts are tabulated for; between them they are interpolated, beyond the last held."""

MAX_FLOW_PX = 6.0
"""The reference is as old as it can be while the median block has moved less than this, in analysis pixels."""

_TURN_RAD, _SIDE_M = 0.02, 0.05


class Motion(NamedTuple):
    """A motion of the ego in its own frame: metres forward, metres to the left, radians of left turn."""

    forward_m: float
    side_m: float
    turn_rad: float


def _moved_pixels(camera: Camera, points: np.ndarray, motion: Motion) -> np.ndarray:
    """Pixels at which (n, 3) points, given in the present ego frame, were seen before a motion of the ego."""
    cos, sin = np.cos(motion.turn_rad), np.sin(motion.turn_rad)
    turned = points @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    moved = turned + np.array([motion.forward_m, motion.side_m, 0.0])
    mount = camera.ego_from_camera.matrix()
    pixels, _ = project(camera, (moved - mount[:3, 3]) @ mount[:3, :3])
    return pixels


def _camera_tables(camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shifts in analysis pixels: (8, 2, 300) by forward node, (2, 300) per metre to the left and per radian left."""
    pixels = cell_pixels(camera, GRID_ROWS, GRID_COLUMNS)
    directions = ego_rays(camera, pixels)
    position = camera.ego_from_camera.matrix()[:3, 3]
    points = position + directions * prior_depth(directions, position)[:, None]
    scale = np.array([ANALYSIS_COLUMNS / camera.width_px, ANALYSIS_ROWS / camera.height_px])

    def shift(forward_m: float = 0.0, side_m: float = 0.0, turn_rad: float = 0.0) -> np.ndarray:
        moved = _moved_pixels(camera, points, Motion(forward_m, side_m, turn_rad))
        shifts: np.ndarray = ((moved - pixels) * scale).T
        return shifts

    forward = np.stack([shift(forward_m=node) for node in FORWARD_NODES_M])
    for node in range(1, len(FORWARD_NODES_M)):  # behind the lens now: hold the last shift that exists
        forward[node] = np.where(np.isfinite(forward[node]), forward[node], forward[node - 1])
    still = np.nan_to_num(shift())
    side, turn = (shift(side_m=_SIDE_M) - still) / _SIDE_M, (shift(turn_rad=_TURN_RAD) - still) / _TURN_RAD
    return np.nan_to_num(forward), np.nan_to_num(side), np.nan_to_num(turn)


class EgoWarp:
    """Tables of a rig.

    Attributes:
        forward: (8, 8, 2, 300) float32, camera, node of `FORWARD_NODES_M`, x and y in analysis pixels, block.
        side, turn: (8, 2, 300) float32, per metre to the left and per radian of left turn.
        is_ground, is_far: (8, 300) bool, whether the prior takes a block for ground, or for as far as it goes.
        pixels_per_m, pixels_per_rad: (8,) float64, median speed of the picture, to choose the reference by.
    """

    def __init__(self, rig: Rig) -> None:
        cameras = len(CAMERAS)
        self.forward = np.zeros((cameras, len(FORWARD_NODES_M), 2, BLOCKS), np.float32)
        self.side = np.zeros((cameras, 2, BLOCKS), np.float32)
        self.turn = np.zeros((cameras, 2, BLOCKS), np.float32)
        self.is_ground = np.zeros((cameras, BLOCKS), bool)
        self.is_far = np.zeros((cameras, BLOCKS), bool)
        for index, name in enumerate(CAMERAS):
            camera = rig.camera(name)
            if camera is not None:
                self.forward[index], self.side[index], self.turn[index] = _camera_tables(camera)
                directions = ego_rays(camera, cell_pixels(camera, GRID_ROWS, GRID_COLUMNS))
                height_m = camera.ego_from_camera.matrix()[2, 3]
                depth = prior_depth(directions, camera.ego_from_camera.matrix()[:3, 3])
                self.is_ground[index] = np.abs(height_m + depth * directions[:, 2]) < 1e-6
                self.is_far[index] = depth == FAR_M
        self.pixels_per_m = np.median(np.linalg.norm(self.forward[:, 3].astype(np.float64), axis=1), axis=-1)
        self.pixels_per_rad = np.median(np.linalg.norm(self.turn.astype(np.float64), axis=1), axis=-1)


@kernel
def motion_between(earlier: np.ndarray, later: np.ndarray) -> Motion:
    """The motion from one pose (x, y, yaw) to another, in the frame of the earlier."""
    dx, dy, turn_rad = later[0] - earlier[0], later[1] - earlier[1], later[2] - earlier[2]
    cos, sin = np.cos(earlier[2]), np.sin(earlier[2])
    turn_rad -= 2 * np.pi * np.floor(turn_rad / (2 * np.pi) + 0.5)
    return Motion(dx * cos + dy * sin, dy * cos - dx * sin, turn_rad)


@kernel
def _reference_age(flow_px: float, is_valid: np.ndarray, slot: int, camera: int) -> int:
    """Ticks back to the best reference that this camera has, given how far its picture moves in a tick; 0 for none."""
    wanted = MAX_AGE if flow_px * MAX_AGE <= MAX_FLOW_PX else max(MIN_AGE, int(MAX_FLOW_PX / flow_px))
    length = is_valid.shape[0]
    for age in range(wanted, MIN_AGE - 1, -1):
        if is_valid[(slot - age) % length, camera]:
            return age
    for age in range(wanted + 1, MAX_AGE + 1):
        if is_valid[(slot - age) % length, camera]:
            return age
    return 0


@kernel
def _forward_place(nodes_m: np.ndarray, forward_m: float) -> tuple[int, float]:
    """Which two nodes a distance lies between, and how far from the first (0 … 1)."""
    distance = min(abs(forward_m), nodes_m[-1])
    node = 0
    while node < nodes_m.shape[0] - 2 and nodes_m[node + 1] < distance:
        node += 1
    return node, (distance - nodes_m[node]) / (nodes_m[node + 1] - nodes_m[node])


@kernel
def _camera_shifts(
    forward: np.ndarray, side: np.ndarray, turn: np.ndarray, nodes_m: np.ndarray, motion: Motion, shifts: np.ndarray
) -> None:
    """Whole-pixel shifts of a camera's blocks, (2, 300) int16: content at p now was at p + shift before the motion."""
    node, part = _forward_place(nodes_m, motion.forward_m)
    sign = -1.0 if motion.forward_m < 0 else 1.0  # backwards is taken as mirrored
    by_near, by_far = np.float32(sign * (1 - part)), np.float32(sign * part)
    by_side, by_turn = np.float32(motion.side_m), np.float32(motion.turn_rad)
    for axis in range(2):
        near, far = forward[node, axis], forward[node + 1, axis]
        left, around, out = side[axis], turn[axis], shifts[axis]
        for block in range(out.shape[0]):
            moved = by_near * near[block] + by_far * far[block] + by_side * left[block] + by_turn * around[block]
            moved = min(max(moved, np.float32(-200)), np.float32(200))
            out[block] = np.int16(np.floor(moved + np.float32(0.5)))


@kernel
def reference_shifts(
    is_valid: np.ndarray,
    poses: np.ndarray,
    slot: int,
    forward: np.ndarray,
    side: np.ndarray,
    turn: np.ndarray,
    nodes_m: np.ndarray,
    pixels_per_m: np.ndarray,
    pixels_per_rad: np.ndarray,
    ages: np.ndarray,
    turns_rad: np.ndarray,
    shifts: np.ndarray,
) -> None:
    """For every camera its reference and the shifts to it.

    Args:
        is_valid, poses, slot: of `History`.
        forward, side, turn, pixels_per_m, pixels_per_rad: of `EgoWarp`; nodes_m: `FORWARD_NODES_M`.
        ages: (8,) int64, written: age of the reference in ticks, 0 where there is none.
        turns_rad: (8,) float64, written: left turn of the ego since the reference.
        shifts: (8, 2, 300) int16, written where there is a reference.
    """
    length = is_valid.shape[0]
    step = motion_between(poses[(slot - 1) % length], poses[slot])
    for camera in range(ages.shape[0]):
        flow_px = abs(step.forward_m) * pixels_per_m[camera] + abs(step.turn_rad) * pixels_per_rad[camera]
        ages[camera] = _reference_age(flow_px, is_valid, slot, camera) if is_valid[slot, camera] else 0
        if ages[camera] > 0:
            motion = motion_between(poses[(slot - ages[camera]) % length], poses[slot])
            turns_rad[camera] = motion.turn_rad
            _camera_shifts(forward[camera], side[camera], turn[camera], nodes_m, motion, shifts[camera])


@kernel
def motion_shifts(
    forward: np.ndarray,
    side: np.ndarray,
    turn: np.ndarray,
    nodes_m: np.ndarray,
    forward_m: float,
    turn_rad: float,
    shifts: np.ndarray,
) -> None:
    """Shifts of all blocks of all cameras, (8, 2, 300) int16, under a motion along an arc."""
    motion = Motion(forward_m, forward_m * turn_rad / 2, turn_rad)
    for camera in range(shifts.shape[0]):
        _camera_shifts(forward[camera], side[camera], turn[camera], nodes_m, motion, shifts[camera])
