"""Where the blocks of a small picture have moved in a later one, by exhaustive search.

Knows no geometry. Pictures are area means of luma, (48, 64) uint8, whatever the size and shape of the camera's.
"""

from functools import cache

import numpy as np

from fsd.data.kernel import kernel

ROWS, COLUMNS = 48, 64
BLOCK_PX, SEARCH_PX = 8, 4
BLOCKS = (ROWS // BLOCK_PX) * (COLUMNS // BLOCK_PX)
"""Block = row * 8 + column of a grid of 6 x 8."""

MIN_VARIANCE = 20.0
"""In steps of luma squared: less is sky, tarmac or noise."""

MAX_REST = 0.3
"""Share of a block's variance that may remain as difference at the best shift."""

MAX_AMBIGUITY = 0.5
"""Difference at the best shift over that at the best shift elsewhere: more is a pattern that repeats."""

_CELL_SAMPLES = 4
_MAX_DIFFERENCE = np.float64(1e12)


def thumbnail(y_plane: np.ndarray) -> np.ndarray:
    """(48, 64) uint8 means of a luma plane (H, W) uint8; of large pictures, 16 pixels of each cell are averaged."""
    height, width = y_plane.shape
    small = np.empty((ROWS, COLUMNS), np.uint8)
    _average(y_plane, _sampled_places(height, ROWS), _sampled_places(width, COLUMNS), small)
    return small


@cache
def _sampled_places(size_px: int, cells: int) -> np.ndarray:
    """(cells, 4) uint32 rows or columns that are read for each cell."""
    places = (np.arange(cells * _CELL_SAMPLES) + 0.5) * size_px / (cells * _CELL_SAMPLES)
    return places.astype(np.uint32).reshape(cells, _CELL_SAMPLES)


@kernel
def _average(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray, small: np.ndarray) -> None:
    for row in range(ROWS):
        for column in range(COLUMNS):
            total = np.uint32(_CELL_SAMPLES * _CELL_SAMPLES // 2)
            for y in range(_CELL_SAMPLES):
                for x in range(_CELL_SAMPLES):
                    total += plane[rows[row, y], columns[column, x]]
            small[row, column] = total // np.uint32(_CELL_SAMPLES * _CELL_SAMPLES)


@kernel
def block_motion(before: np.ndarray, after: np.ndarray, moved_px: np.ndarray) -> int:
    """Find the blocks of `before` in `after`.

    Args:
        before, after: (48, 64) uint8.
        moved_px: (48, 2) float64, written: x and y of each block's motion to a fraction of a pixel; NaN where it is not
            clear.

    Returns:
        The number of blocks whose motion is clear.
    """
    side = 2 * SEARCH_PX + 1
    differences = np.empty((side, side), np.float64)
    found = 0
    for block in range(BLOCKS):
        top, left = block // (COLUMNS // BLOCK_PX) * BLOCK_PX, block % (COLUMNS // BLOCK_PX) * BLOCK_PX
        moved_px[block, 0] = moved_px[block, 1] = np.nan
        variance = _variance(before, top, left)
        if variance < MIN_VARIANCE:
            continue
        best_y, best_x = _search(before, after, top, left, differences)
        best = differences[best_y, best_x]
        if best > MAX_REST * variance or best > MAX_AMBIGUITY * _best_elsewhere(differences, best_y, best_x):
            continue
        moved_px[block, 0] = best_x - SEARCH_PX
        moved_px[block, 1] = best_y - SEARCH_PX
        if 0 < best_x < side - 1:
            moved_px[block, 0] += _vertex(differences[best_y, best_x - 1], best, differences[best_y, best_x + 1])
        if 0 < best_y < side - 1:
            moved_px[block, 1] += _vertex(differences[best_y - 1, best_x], best, differences[best_y + 1, best_x])
        found += 1
    return found


@kernel
def _variance(image: np.ndarray, top: int, left: int) -> float:
    total = squares = np.int32(0)
    for y in range(top, top + BLOCK_PX):
        for x in range(left, left + BLOCK_PX):
            value = np.int32(image[y, x])
            total += value
            squares += value * value
    pixels = BLOCK_PX * BLOCK_PX
    return squares / pixels - (total / pixels) ** 2


@kernel
def _search(before: np.ndarray, after: np.ndarray, top: int, left: int, differences: np.ndarray) -> tuple[int, int]:
    """Variance of the difference at every shift that stays inside, and the row and column of the least."""
    pixels = BLOCK_PX * BLOCK_PX
    block = np.empty((BLOCK_PX, BLOCK_PX), np.int32)
    for y in range(BLOCK_PX):
        for x in range(BLOCK_PX):
            block[y, x] = before[top + y, left + x]
    least, best_y, best_x = _MAX_DIFFERENCE, SEARCH_PX, SEARCH_PX
    for shift_y in range(2 * SEARCH_PX + 1):
        for shift_x in range(2 * SEARCH_PX + 1):
            differences[shift_y, shift_x] = _MAX_DIFFERENCE
            y0, x0 = top + shift_y - SEARCH_PX, left + shift_x - SEARCH_PX
            if y0 < 0 or x0 < 0 or y0 + BLOCK_PX > ROWS or x0 + BLOCK_PX > COLUMNS:
                continue
            total = squares = np.int32(0)
            for y in range(BLOCK_PX):
                for x in range(BLOCK_PX):
                    difference = np.int32(after[y0 + y, x0 + x]) - block[y, x]
                    total += difference
                    squares += difference * difference
            # Without the mean: a change of exposure is no motion.
            differences[shift_y, shift_x] = squares / pixels - (total / pixels) ** 2
            if differences[shift_y, shift_x] < least:
                least, best_y, best_x = differences[shift_y, shift_x], shift_y, shift_x
    return best_y, best_x


@kernel
def _best_elsewhere(differences: np.ndarray, best_y: int, best_x: int) -> float:
    least = _MAX_DIFFERENCE
    for y in range(differences.shape[0]):
        for x in range(differences.shape[1]):
            if (abs(y - best_y) > 1 or abs(x - best_x) > 1) and differences[y, x] < least:
                least = differences[y, x]
    return least


@kernel
def _vertex(before: float, middle: float, after: float) -> float:
    """Place of the minimum of a parabola through three values, from -0.5 to 0.5; 0 where one is missing."""
    bend = before - 2 * middle + after
    if before >= _MAX_DIFFERENCE or after >= _MAX_DIFFERENCE or bend < 1e-9:
        return 0.0
    return 0.5 * (before - after) / bend
