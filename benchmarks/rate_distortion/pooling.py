"""Token pooling at equal bytes: similar neighbouring blocks share a patch, and every block of every camera is in one.

Each camera's 15 x 20 blocks are cut into rectangles, each time where the cut removes most of the variance, until there
are as many rectangles as the budget has patches. Area means turn a rectangle into one 32x32 patch: a single block keeps
the resolution of a gaze patch, a uniform area of twenty blocks is pooled. There is no prior, no motion, and no history
of reads.

Sources: D. Marin et al., Token Pooling in Vision Transformers, 2021 (similar tokens are replaced by their mean);
T. Ronen et al., Vision Transformers with Mixed-Resolution Tokenization, 2023 (rectangles of several sizes become tokens
of one size, cut according to the image). Both choose by features of a network that has read all pixels. Here bytes into
the network are compared, so the choice is made from the pixels.
"""

from dataclasses import replace

import numpy as np
from numba import njit

from fsd.compression.budget import PATCH_PX, Budget
from fsd.compression.compressor import Compressor
from fsd.compression.gaze_baselines import DownscaleOnly
from fsd.compression.picture_reader import GREY
from fsd.compression.tick import AGE, FILLED, META_SIZE, CompressedTick
from fsd.compression.token_rays import ego_rays
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, Frame, FrameSet
from fsd.data.rig import Camera, Rig

Rectangle = tuple[int, int, int, int]
"""First and last block row, first and last block column; the last ones are excluded."""


class PoolingCompressor:
    """Has the interface of a `Compressor`, which also provides the base image, memory and keyframes.

    `rectangles` holds (camera, rectangle) of the last tick in the order of its patches. `patch_block` of a tick is set
    only for patches that are a single block.
    """

    def __init__(self, rig: Rig, budget: Budget) -> None:
        self.budget = budget
        self.rectangles: list[tuple[int, Rectangle]] = []
        self._rig = rig
        self._inner = Compressor(rig, budget, DownscaleOnly())
        self._meta: dict[tuple[int, Rectangle], np.ndarray] = {}

    def step(self, frame_set: FrameSet, ego: EgoSample | None, saliency: np.ndarray | None) -> CompressedTick:
        """As `Compressor.step`; `saliency` is ignored."""
        tick = self._inner.step(frame_set, ego, None)
        count = self.budget.patch_count
        patches = np.full((count, 6, PATCH_PX // 2, PATCH_PX // 2), GREY, np.uint8)
        meta = np.zeros((count, META_SIZE), np.float32)
        cameras, blocks = np.full(count, -1, np.int16), np.full(count, -1, np.int16)
        self.rectangles.clear()
        for index, (camera, rectangle) in enumerate(self._cut(frame_set, tick.camera_valid > 0)):
            frame = frame_set.frames[camera]
            assert frame is not None
            _read(frame, rectangle, patches[index])
            meta[index] = self._meta_row(camera, rectangle)
            meta[index, AGE], meta[index, FILLED] = tick.camera_age_s[camera], 1.0
            cameras[index] = camera
            if rectangle[1] - rectangle[0] == rectangle[3] - rectangle[2] == 1:  # a gaze patch
                blocks[index] = rectangle[0] * GRID_COLUMNS + rectangle[2]
            self.rectangles.append((camera, rectangle))
        return replace(tick, patches=patches, patch_meta=meta, patch_camera=cameras, patch_block=blocks)

    def reset(self) -> None:
        """Forget the drive."""
        self._inner.reset()

    def _cut(self, frame_set: FrameSet, is_valid: np.ndarray) -> list[tuple[int, Rectangle]]:
        valid = np.flatnonzero(is_valid)
        if not len(valid):
            return []
        sums = np.zeros((len(valid), 2, GRID_ROWS + 1, GRID_COLUMNS + 1))
        for place, camera in enumerate(valid):
            frame = frame_set.frames[camera]
            assert frame is not None
            sums[place] = _integrals(frame.y_plane)
        cut = _cut_into(sums, self.budget.patch_count)
        return [(int(valid[row[0]]), (int(row[1]), int(row[2]), int(row[3]), int(row[4]))) for row in cut]

    def _meta_row(self, camera: int, rectangle: Rectangle) -> np.ndarray:
        key = (camera, rectangle)
        if key not in self._meta:
            found = self._rig.camera(CAMERAS[camera])
            assert found is not None
            self._meta[key] = rectangle_meta(found, camera, rectangle)
        return self._meta[key]


def rectangle_meta(camera: Camera, index: int, rectangle: Rectangle) -> np.ndarray:
    """(8,) meta row of a rectangle of blocks: camera, ray of its centre, and its angular width and height."""
    top, bottom, left, right = rectangle
    x = np.array([(left + right) / 2, left, right, (left + right) / 2, (left + right) / 2])
    y = np.array([(top + bottom) / 2, (top + bottom) / 2, (top + bottom) / 2, top, bottom])
    pixels = np.stack([x * camera.width_px / GRID_COLUMNS, y * camera.height_px / GRID_ROWS], axis=1) - 0.5
    middle, west, east, north, south = ego_rays(camera, pixels)

    def angle(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other))

    return np.array([index, *middle, angle(west, east), angle(north, south), 0.0, 0.0], np.float32)


def _integrals(luma: np.ndarray) -> np.ndarray:
    """(2, 16, 21) sums of the luma and of its square over the blocks above and to the left."""
    height, width = luma.shape
    pixels = luma[: height // GRID_ROWS * GRID_ROWS, : width // GRID_COLUMNS * GRID_COLUMNS]
    pixels = pixels[:: max(1, height // 120), :: max(1, width // 160)].astype(np.float32)
    rows, columns = pixels.shape[0] // GRID_ROWS, pixels.shape[1] // GRID_COLUMNS
    blocks = pixels[: rows * GRID_ROWS, : columns * GRID_COLUMNS].reshape(GRID_ROWS, rows, GRID_COLUMNS, columns)
    sums = np.zeros((2, GRID_ROWS + 1, GRID_COLUMNS + 1))
    sums[0, 1:, 1:] = blocks.mean(axis=(1, 3)).cumsum(0).cumsum(1)
    sums[1, 1:, 1:] = (blocks**2).mean(axis=(1, 3)).cumsum(0).cumsum(1)
    return sums


@njit(cache=True)
def _squared_deviation(sums: np.ndarray, top: int, bottom: int, left: int, right: int) -> float:
    """Sum of squared differences from the mean over a rectangle; a block has weight 1."""
    total = sums[:, bottom, right] - sums[:, top, right] - sums[:, bottom, left] + sums[:, top, left]
    return max(total[1] - total[0] * total[0] / ((bottom - top) * (right - left)), 0.0)


@njit(cache=True)
def _best_cut(sums: np.ndarray, top: int, bottom: int, left: int, right: int) -> tuple[float, int, int]:
    """The better of the two cuts through the middle: deviation removed, axis (0 rows, 1 columns), and position."""
    whole = _squared_deviation(sums, top, bottom, left, right)
    best, axis, at = -1.0, 0, 0
    if bottom - top > 1:
        middle = (top + bottom) // 2
        gain = (
            whole
            - _squared_deviation(sums, top, middle, left, right)
            - _squared_deviation(sums, middle, bottom, left, right)
        )
        if gain > best:
            best, axis, at = gain, 0, middle
    if right - left > 1:
        middle = (left + right) // 2
        gain = (
            whole
            - _squared_deviation(sums, top, bottom, left, middle)
            - _squared_deviation(sums, top, bottom, middle, right)
        )
        if gain > best:
            best, axis, at = gain, 1, middle
    return best, axis, at


@njit(cache=True)
def _cut_into(sums: np.ndarray, count: int) -> np.ndarray:
    """(n, 5) image, first and last row, first and last column; n is `count`, or the number of blocks if that is less.

    Starts with one rectangle per image, so with fewer patches than images the last images have none.
    """
    cut = np.zeros((count, 5), np.int64)
    gain, axis, at = np.full(count, -1.0), np.zeros(count, np.int64), np.zeros(count, np.int64)
    held = min(sums.shape[0], count)
    for i in range(held):
        cut[i] = (i, 0, sums.shape[2] - 1, 0, sums.shape[3] - 1)
        gain[i], axis[i], at[i] = _best_cut(sums[i], cut[i, 1], cut[i, 2], cut[i, 3], cut[i, 4])
    while held < count:
        worst = int(gain[:held].argmax())
        if gain[worst] < 0:  # only single blocks are left
            break
        cut[held] = cut[worst]
        if axis[worst] == 0:
            cut[worst, 2], cut[held, 1] = at[worst], at[worst]
        else:
            cut[worst, 4], cut[held, 3] = at[worst], at[worst]
        for i in (worst, held):
            gain[i], axis[i], at[i] = _best_cut(sums[cut[i, 0]], cut[i, 1], cut[i, 2], cut[i, 3], cut[i, 4])
        held += 1
    return cut[:held]


@njit(cache=True)
def _area_means(plane: np.ndarray, top: int, bottom: int, left: int, right: int, out: np.ndarray) -> None:
    """Rounded means over the cells of part of a plane; pixels are repeated if the part is smaller than `out`."""
    height, width = out.shape
    for y in range(height):
        y0 = top + y * (bottom - top) // height
        y1 = max(y0 + 1, top + (y + 1) * (bottom - top) // height)
        for x in range(width):
            x0 = left + x * (right - left) // width
            x1 = max(x0 + 1, left + (x + 1) * (right - left) // width)
            total = 0
            for i in range(y0, y1):
                for j in range(x0, x1):
                    total += plane[i, j]
            area = (y1 - y0) * (x1 - x0)
            out[y, x] = (total + area // 2) // area


def _read(frame: Frame, rectangle: Rectangle, patch: np.ndarray) -> None:
    """Area means of a rectangle of blocks into a packed patch (6, 16, 16)."""
    half = PATCH_PX // 2
    luma = np.empty((PATCH_PX, PATCH_PX), np.uint8)
    for plane, out in ((frame.y_plane, luma), (frame.u_plane, patch[4]), (frame.v_plane, patch[5])):
        height, width = plane.shape
        rows = [edge * height // GRID_ROWS for edge in rectangle[:2]]
        columns = [edge * width // GRID_COLUMNS for edge in rectangle[2:]]
        _area_means(plane, rows[0], rows[1], columns[0], columns[1], out)
    patch[:4] = luma.reshape(half, 2, half, 2).transpose(1, 3, 0, 2).reshape(4, half, half)
