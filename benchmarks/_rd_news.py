"""What is new in a picture, whatever moved: blocks that no motion explains, found by exhaustive search.

Shares neither ego motion, nor depth prior, nor noise floors with the gaze that is judged by it.
"""

import math

import numpy as np
from numba import njit

from fsd.compression import pixel_kernels
from fsd.compression.history import MIN_AGE
from fsd.compression.sampling import ANALYSIS_COLUMNS, ANALYSIS_ROWS
from fsd.data.frames import BLOCKS, CAMERAS, FrameSet

NEWS_GREY_LEVELS = 14.0
"""More than this is left of a pixel, on average over a block, after its best match four ticks ago."""

BOUND_TICKS = 9
"""A new block should be shown this soon."""

_REACH_X, _REACH_Y = 8, 5
"""Matches are searched this far, in analysis pixels of 160x120: an eighth of a block's width is one of them."""


class NewsWatch:
    """Counts, for several policies, which new blocks a patch shows, and how soon. Knows blocks and ticks only."""

    def __init__(self, policies: int, blocks: int = len(CAMERAS) * BLOCKS) -> None:
        self.news = 0
        self._since = np.full((policies, blocks), -1, np.int64)
        self._last_new = np.full(blocks, -BOUND_TICKS - 1, np.int64)
        self._same_tick, self._in_time = np.zeros(policies, np.int64), np.zeros(policies, np.int64)

    def step(self, tick: int, is_news: np.ndarray, shown: np.ndarray) -> None:
        """Add a tick.

        Args:
            tick: rising.
            is_news: (blocks,) bool.
            shown: (policies, blocks) tick at which the picture was taken that a patch of the block shows, -1 for none.
        """
        is_event = is_news & (tick - self._last_new > BOUND_TICKS)
        self._last_new[is_news] = tick
        self.news += int(is_event.sum())
        self._since[:, is_event] = tick
        is_answered = (self._since >= 0) & (shown >= self._since)
        self._same_tick += (is_answered & is_event).sum(axis=1)
        self._in_time += is_answered.sum(axis=1)
        self._since[is_answered | (tick - self._since >= BOUND_TICKS)] = -1

    def figures(self, policy: int) -> dict[str, float]:
        """Shares of the new blocks; NaN where nothing was new."""
        count = self.news or math.nan
        return {
            "news_recall_same_tick": float(self._same_tick[policy] / count),
            "news_recall": float(self._in_time[policy] / count),
        }


class NewsDetector:
    """Finds what no motion explains."""

    def __init__(self) -> None:
        self._past: list[tuple[np.ndarray, np.ndarray]] = []

    def find(self, frame_set: FrameSet) -> np.ndarray:
        """(8 * 300,) bool: new blocks of this tick."""
        images = np.zeros((len(CAMERAS), ANALYSIS_ROWS, ANALYSIS_COLUMNS), np.uint8)
        is_there = np.zeros(len(CAMERAS), bool)
        for camera, frame in enumerate(frame_set.frames):
            if frame is not None and frame_set.is_valid[camera]:
                images[camera] = area_mean(frame.y_plane, ANALYSIS_ROWS, ANALYSIS_COLUMNS)
                is_there[camera] = True
        self._past.append((images, is_there))
        is_news = np.zeros((len(CAMERAS), BLOCKS), bool)
        if len(self._past) > MIN_AGE:
            before, was_there = self._past.pop(0)
            for camera in np.flatnonzero(is_there & was_there).tolist():
                residual = unexplained(images[camera], before[camera], _REACH_X, _REACH_Y)
                is_news[camera] = residual >= NEWS_GREY_LEVELS
        return is_news.reshape(-1)


@njit(cache=True)
def unexplained(image: np.ndarray, before: np.ndarray, reach_x: int, reach_y: int) -> np.ndarray:
    """(300,) mean absolute difference of every 8 x 8 block to its best match in the picture before.

    Each candidate is compared with its mean brightness taken away, so that exposure explains nothing and costs nothing.
    """
    rows, columns = image.shape[0] // 8, image.shape[1] // 8
    best = np.full(rows * columns, np.inf)
    for block in range(rows * columns):
        top, left = 8 * (block // columns), 8 * (block % columns)
        for dy in range(-reach_y, reach_y + 1):
            y = min(max(top + dy, 0), image.shape[0] - 8)
            for dx in range(-reach_x, reach_x + 1):
                x = min(max(left + dx, 0), image.shape[1] - 8)
                shift = 0.0
                for i in range(8):
                    for j in range(8):
                        shift += np.float64(image[top + i, left + j]) - np.float64(before[y + i, x + j])
                shift /= 64.0
                total = 0.0
                for i in range(8):
                    for j in range(8):
                        total += abs(np.float64(image[top + i, left + j]) - before[y + i, x + j] - shift)
                best[block] = min(best[block], total / 64.0)
    return best


def area_mean(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(rows, columns) uint8 area means of a plane."""
    grid = pixel_kernels.make_grid(plane.shape, (rows, columns))
    sums, line = np.empty((rows, columns), np.uint32), np.empty(columns, np.uint32)
    mean = np.empty((rows, columns), np.uint8)
    pixel_kernels.cell_sums(plane, grid, np.empty(plane.shape[1], np.uint16), sums)
    pixel_kernels.group_means(sums, 1, grid, line, mean)
    return mean
