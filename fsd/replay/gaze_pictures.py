"""Charts of gaze and keyframes per camera; shared by the pages of `fsd replay` and `fsd compress`."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.html.bars import heat_picture, strips
from fsd.html.page import data_uri
from fsd.html.parts import HeatCell, heats

GAZE_RGB, KEYFRAME_RGB = (255, 176, 32), (56, 132, 255)
CAMERA_LABELS = {name: name.replace("_", " ") for name in CAMERAS}


def count_reads(camera: np.ndarray, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(8, 15, 20) reads of each block, and (T, 8) patches per tick and camera, from (T, K) columns; -1 is no patch."""
    blocks = GRID_ROWS * GRID_COLUMNS
    is_used = camera >= 0
    flat = camera[is_used].astype(np.int64) * blocks + block[is_used]
    reads = np.bincount(flat, minlength=len(CAMERAS) * blocks).reshape(len(CAMERAS), GRID_ROWS, GRID_COLUMNS)
    return reads, np.stack([(camera == index).sum(axis=1) for index in range(len(CAMERAS))], axis=1)


def gaze_heats(seen: Sequence[int], reads: np.ndarray, thumbnails: Mapping[str, bytes]) -> Markup:
    """How often each block was read, over an image of its camera.

    Args:
        seen: indices of the cameras to show; reads: (8, 15, 20); thumbnails: camera -> JPEG.
    """
    heat = np.sqrt(reads)  # so that a block that only the sweep reads differs visibly from one that is never read
    top = float(np.percentile(heat[seen], 99.5)) or 1.0
    whole = max(1, int(reads.sum()))
    cells = []
    for index in seen:
        name, unread = CAMERAS[index], int((reads[index] == 0).sum())
        caption = f"{reads[index].sum() / whole:.0%} of gaze{f' · {unread} blocks never read' if unread else ''}"
        under = data_uri(thumbnails[name], "jpeg") if name in thumbnails else ""
        cells.append(HeatCell(CAMERA_LABELS[name], heat_picture(heat[index], GAZE_RGB, top), caption, under))
    return heats(cells)


def gaze_strips(seen: Sequence[int], patches: np.ndarray, duration_s: float) -> Markup:
    """(T, 8) patches per tick over time."""
    rows = [(CAMERA_LABELS[CAMERAS[index]], patches[:, index]) for index in seen]
    return strips(rows, GAZE_RGB, duration_s, lambda top: f"full colour: {top:.0f} patches per tick")


def keyframe_strips(seen: Sequence[int], is_keyframe: np.ndarray, duration_s: float) -> Markup:
    """(T, 8) keyframes over time."""
    rows = [(CAMERA_LABELS[CAMERAS[index]], is_keyframe[:, index]) for index in seen]
    return strips(rows, KEYFRAME_RGB, duration_s, lambda top: f"full colour: {top:.0%} of ticks")
