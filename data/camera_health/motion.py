"""How far the picture of each camera has changed: from frame to frame, and over a quarter of a second.

Only pixels with texture tell whether a picture moves: a clear sky, fog and darkness look the same wherever the car is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fsd.data.camera_health.picture_sample import SAMPLE_COLUMNS, SAMPLE_ROWS, PictureSample
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.kernel import kernel

WINDOW_FRAMES = 9
"""New frames over which a picture is compared with itself: a quarter of a second at 36 Hz."""

TEXTURE_LUMA, MOVED_LUMA = 8, 6
"""A pixel of a sample has texture if its neighbour differs by the first, and has moved if it changed by the second."""

OUTDATED_TICKS = 18
"""Without a new picture for this long, it is not known whether a camera sees motion."""

MIN_TEXTURE = 96
"""Fewer pixels with texture than these 2% do not tell whether a picture moves."""


class PictureMotion:
    """The samples of all cameras and their changes, updated at every tick.

    Attributes:
        is_new: (8,) bool the camera has a new picture at this tick.
        luma: (8, 60, 80) uint8 newest sample of each camera.
        change: (8,) float32 mean absolute difference from the sample before, in steps of luma; NaN unless the picture
            is new and not the first.
        moved: (8,) float32 share of the pixels with texture that differ from those `WINDOW_FRAMES` new frames before;
            NaN until there are as many, and where there is too little texture.
        window_ticks: (8,) int64 ticks since the oldest picture of the window.
        block_luma: (8, 15, 20) float32 mean luma of every block of the newest sample.
        block_jump: the same less that of the sample before; 0 of a first picture. Of the newest picture.
        block_moved: the same shape, mean absolute difference of the pixels of a block from those of the oldest picture
            of the window; 0 until there is one.
    """

    def __init__(self) -> None:
        cameras = len(CAMERAS)
        self.is_new = np.zeros(cameras, np.bool_)
        self.luma = np.zeros((cameras, SAMPLE_ROWS, SAMPLE_COLUMNS), np.uint8)
        self.change = np.full(cameras, np.nan, np.float32)
        self.moved = np.full(cameras, np.nan, np.float32)
        self.window_ticks = np.zeros(cameras, np.int64)
        shape = (cameras, GRID_ROWS, GRID_COLUMNS)
        self.block_luma, self.block_jump, self.block_moved = (np.zeros(shape, np.float32) for _ in range(3))
        self._ring = np.zeros((cameras, WINDOW_FRAMES, SAMPLE_ROWS, SAMPLE_COLUMNS), np.uint8)
        self._ring_tick = np.zeros((cameras, WINDOW_FRAMES), np.int64)
        self._count = np.zeros(cameras, np.int64)

    def step(self, tick: int, samples: Sequence[PictureSample | None]) -> None:
        """Take the samples of the new pictures of a tick; None where a camera has no new one."""
        for camera, sample in enumerate(samples):
            self.is_new[camera] = sample is not None
            if sample is not None:
                self.luma[camera] = sample.luma
        self.moved[tick - self._ring_tick.max(axis=1) > OUTDATED_TICKS] = np.nan
        _compare(
            tick,
            self.is_new,
            self.luma,
            self._ring,
            self._ring_tick,
            self._count,
            self.change,
            self.moved,
            self.window_ticks,
            self.block_luma,
            self.block_jump,
            self.block_moved,
        )


@kernel
def _compare(
    tick: int,
    is_new: np.ndarray,
    luma: np.ndarray,
    ring: np.ndarray,
    ring_tick: np.ndarray,
    count: np.ndarray,
    change: np.ndarray,
    moved: np.ndarray,
    window_ticks: np.ndarray,
    block_luma: np.ndarray,
    block_jump: np.ndarray,
    block_moved: np.ndarray,
) -> None:
    """Compare the new samples with the last one and with the oldest of the ring, whose place they take."""
    rows, columns = luma.shape[1:]
    grid_rows, grid_columns = block_luma.shape[1:]
    height, width = rows // grid_rows, columns // grid_columns
    sums, moves = np.empty(columns, np.int32), np.empty(columns, np.int32)
    for camera in range(len(luma)):
        change[camera] = np.nan
        if not is_new[camera]:
            continue
        now, place = luma[camera], count[camera] % WINDOW_FRAMES
        before, oldest = ring[camera, (place - 1) % WINDOW_FRAMES], ring[camera, place]
        difference: Any = 0
        texture: Any = 0
        changed: Any = 0
        for r in range(grid_rows):
            sums[:] = 0
            moves[:] = 0
            for i in range(r * height, (r + 1) * height):
                for j in range(columns):
                    value = np.int32(now[i, j])
                    moved_luma = abs(value - np.int32(oldest[i, j]))
                    sums[j] += value
                    moves[j] += moved_luma
                    difference += abs(value - np.int32(before[i, j]))
                    if j < columns - 1:
                        has_texture = abs(value - np.int32(now[i, j + 1])) >= TEXTURE_LUMA
                        texture += has_texture
                        changed += has_texture & (moved_luma >= MOVED_LUMA)
            for c in range(grid_columns):
                total = moves_total = 0
                for j in range(c * width, (c + 1) * width):
                    total += sums[j]
                    moves_total += moves[j]
                mean = np.float32(total / (height * width))
                block_jump[camera, r, c] = mean - block_luma[camera, r, c] if count[camera] > 0 else 0.0
                block_luma[camera, r, c] = mean
                block_moved[camera, r, c] = moves_total / (height * width) if count[camera] >= WINDOW_FRAMES else 0.0
        if count[camera] > 0:
            change[camera] = difference / (rows * columns)
        is_known = count[camera] >= WINDOW_FRAMES and texture >= MIN_TEXTURE
        moved[camera] = changed / texture if is_known else np.nan
        window_ticks[camera] = tick - ring_tick[camera, place]
        for i in range(rows):
            for j in range(columns):
                oldest[i, j] = now[i, j]
        ring_tick[camera, place] = tick
        count[camera] += 1
