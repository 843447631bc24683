"""What is new in an image: blocks that no motion explains, found by exhaustive search.

Independent of the gaze that it judges: no ego motion, no depth prior, no noise floors.
"""

import math

import numpy as np
from numba import njit

from fsd.compression import pixel_kernels
from fsd.compression.history import MIN_AGE
from fsd.compression.sampling import ANALYSIS_COLUMNS, ANALYSIS_ROWS
from fsd.data.frames import BLOCKS, CAMERAS, FrameSet

NOVELTY_GREY_LEVELS = 14.0
"""A block is novel if its best match four ticks ago leaves at least this mean absolute difference per pixel."""

BOUND_TICKS = 9
"""A novel block should be shown within this many ticks."""

_REACH_X, _REACH_Y = 8, 5
"""Range of the search in pixels of the 160x120 analysis image; a block is 8 of them wide."""


class NoveltyRecall:
    """Counts, for several policies, how many novel blocks a patch shows, and how soon. Knows only blocks and ticks."""

    def __init__(self, policies: int, blocks: int = len(CAMERAS) * BLOCKS) -> None:
        self.novel_blocks = 0
        self._since = np.full((policies, blocks), -1, np.int64)
        self._last_new = np.full(blocks, -BOUND_TICKS - 1, np.int64)
        self._same_tick, self._in_time = np.zeros(policies, np.int64), np.zeros(policies, np.int64)

    def step(self, tick: int, is_novel: np.ndarray, shown: np.ndarray) -> None:
        """Add a tick.

        Args:
            tick: rises from call to call.
            is_novel: (blocks,) bool.
            shown: (policies, blocks) tick at which the image in the block's patch was taken, -1 for none.
        """
        is_event = is_novel & (tick - self._last_new > BOUND_TICKS)
        self._last_new[is_novel] = tick
        self.novel_blocks += int(is_event.sum())
        self._since[:, is_event] = tick
        is_recalled = (self._since >= 0) & (shown >= self._since)
        self._same_tick += (is_recalled & is_event).sum(axis=1)
        self._in_time += is_recalled.sum(axis=1)
        self._since[is_recalled | (tick - self._since >= BOUND_TICKS)] = -1

    def metrics(self, policy: int) -> dict[str, float]:
        """Shares of the novel blocks that the policy showed; NaN if there were none."""
        count = self.novel_blocks or math.nan
        return {
            "novelty_recall_same_tick": float(self._same_tick[policy] / count),
            "novelty_recall": float(self._in_time[policy] / count),
        }


class NoveltyDetector:
    """Finds blocks that no motion explains."""

    def __init__(self) -> None:
        self._past: list[tuple[np.ndarray, np.ndarray]] = []

    def find(self, frame_set: FrameSet) -> np.ndarray:
        """(8 * 300,) bool: novel blocks of this tick."""
        images = np.zeros((len(CAMERAS), ANALYSIS_ROWS, ANALYSIS_COLUMNS), np.uint8)
        is_there = np.zeros(len(CAMERAS), bool)
        for camera, frame in enumerate(frame_set.frames):
            if frame is not None and frame_set.is_valid[camera]:
                images[camera] = area_mean(frame.y_plane, ANALYSIS_ROWS, ANALYSIS_COLUMNS)
                is_there[camera] = True
        self._past.append((images, is_there))
        is_novel = np.zeros((len(CAMERAS), BLOCKS), bool)
        if len(self._past) > MIN_AGE:
            before, was_there = self._past.pop(0)
            for camera in np.flatnonzero(is_there & was_there).tolist():
                residual = unexplained(images[camera], before[camera], _REACH_X, _REACH_Y)
                is_novel[camera] = residual >= NOVELTY_GREY_LEVELS
        return is_novel.reshape(-1)


@njit(cache=True)
def unexplained(image: np.ndarray, before: np.ndarray, reach_x: int, reach_y: int) -> np.ndarray:
    """(300,) mean absolute difference between every 8x8 block and its best match in the earlier image.

    The difference in mean brightness is removed first, so that a change of exposure is not novel.
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
