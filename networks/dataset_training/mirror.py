"""Mirror recorded rows left to right: pictures, their geometry, memory poses, ego motion, commands and labels.

Left and right cameras change places. Applied twice, every array is as before. NumPy only; exact, without resampling.
"""

from collections.abc import Mapping

import numpy as np

from fsd.compression.tick import RETINA_TOKENS
from fsd.data.ego import COMMANDS
from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS
from fsd.networks.contract import OCCUPANCY_COLUMNS

_SIDES = {"left": "right", "right": "left"}


def _other_side(name: str) -> str:
    return "_".join(_SIDES.get(word, word) for word in name.split("_"))


OTHER_CAMERA = np.array([CAMERAS.index(_other_side(name)) for name in CAMERAS])
OTHER_COMMAND = np.array([COMMANDS.index(_other_side(name)) for name in COMMANDS])

_OTHER_PIXEL = np.array([1, 0, 3, 2, 4, 5])
"""Channels Y00 Y01 Y10 Y11 U V of 2 x 2 pixels."""

_TOKEN_COLUMNS = 4
_OTHER_TOKEN = np.arange(RETINA_TOKENS).reshape(-1, _TOKEN_COLUMNS)[:, ::-1].reshape(-1)
_CAMERA, _RAY_Y = 0, 2
_POSE_SIGNS = np.array([1, -1, -1, 1, 1, 1], np.float32)
_WAYPOINT_SIGNS = np.array([1, -1, -1, 1], np.float32)
_EGO_SIGNS = np.array([1, -1], np.float32)


def mirrored(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same rows in a mirrored world: arrays of an episode by name, (n, …) each; others stay as they are."""
    found = dict(rows)
    inner = rows["retina"].shape[1]
    found["retina"] = _pictures(rows["retina"])[:, _order(0, inner)]
    if "retina_outer" in rows:
        found["retina_outer"] = _pictures(rows["retina_outer"])[:, _order(inner, len(CAMERAS))]
    found["patches"] = _pictures(rows["patches"])
    meta = rows["retina_meta"][:, OTHER_CAMERA][:, :, _OTHER_TOKEN]
    found["retina_meta"], found["patch_meta"] = _geometry(meta), _geometry(rows["patch_meta"])
    for name in ("camera_valid", "camera_age_s"):
        found[name] = rows[name][:, OTHER_CAMERA]
    found["memory_pose"] = rows["memory_pose"] * _POSE_SIGNS
    found["ego"] = rows["ego"] * _EGO_SIGNS
    found["command"] = rows["command"][:, OTHER_COMMAND]
    found["trajectory"] = rows["trajectory"] * _WAYPOINT_SIGNS
    found["curvature"] = -rows["curvature"]
    if "patch_cell" in rows:
        found["patch_cell"] = _cells(rows["patch_cell"])
    if "occupancy" in rows:
        assert rows["occupancy"].shape[-1] == OCCUPANCY_COLUMNS
        found["occupancy"] = rows["occupancy"][..., ::-1]
    for name in ("saliency", "semantic", "depth"):
        if name in rows:
            found[name] = rows[name][:, OTHER_CAMERA][..., ::-1]
    return {name: np.ascontiguousarray(values) for name, values in found.items()}


def _order(begin: int, end: int) -> np.ndarray:
    """Which of the cameras `begin` to `end` each of them shows when mirrored, from 0."""
    order = OTHER_CAMERA[begin:end] - begin
    # Both of a pair have base images of one size in every budget.
    assert order.min() >= 0
    assert order.max() < end - begin
    return order


def _pictures(images: np.ndarray) -> np.ndarray:
    """(…, 6, h, w) packed pictures, mirrored."""
    return images[..., _OTHER_PIXEL, :, ::-1]


def _geometry(meta: np.ndarray) -> np.ndarray:
    """(…, columns) rows of metadata: the camera, and its ray, on the other side."""
    meta = meta.copy()
    camera = meta[..., _CAMERA].astype(np.int64)
    meta[..., _CAMERA] = np.where(camera >= 0, OTHER_CAMERA[np.maximum(camera, 0)], meta[..., _CAMERA])
    meta[..., _RAY_Y] *= -1
    return meta


def _cells(cell: np.ndarray) -> np.ndarray:
    """Camera * 300 + row * 20 + column, -1 for none."""
    camera, block = np.divmod(np.maximum(cell, 0).astype(np.int64), BLOCKS)
    row, column = np.divmod(block, GRID_COLUMNS)
    other = OTHER_CAMERA[camera] * BLOCKS + row * GRID_COLUMNS + GRID_COLUMNS - 1 - column
    return np.where(cell >= 0, other, cell).astype(cell.dtype)
