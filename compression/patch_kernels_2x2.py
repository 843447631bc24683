"""Reading patches from pictures of 1280x960: a block is 64 x 64 pixels, a patch pixel the mean of 2 x 2.

Faster, with the same results as `pixel_kernels.py`, which handles any size and defines cells. Planes are words of eight
pixels; the arithmetic is on bytes in the lanes of a word.
"""

import numpy as np

from fsd.data.frames import GRID_COLUMNS
from fsd.data.kernel import kernel

_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
_EVEN_PAIRS = np.uint64(0x0000FFFF0000FFFF)
_8, _16 = np.uint64(8), np.uint64(16)


@kernel
def _fetch_block(y_words: np.ndarray, u_words: np.ndarray, v_words: np.ndarray, row: int, column: int) -> int:
    """Touch every cache line of a block, so that the cache misses overlap instead of following each other.

    The sum only keeps the loads from being optimised away.
    """
    touched = np.uint64(0)
    for y in range(64):
        touched += y_words[64 * row + y, 8 * column]
    for y in range(32):
        touched += u_words[32 * row + y, 4 * column] + v_words[32 * row + y, 4 * column]
    return int(touched)


@kernel
def _quads_2x2(a: np.uint64, b: np.uint64) -> np.uint64:
    """Means of 2 x 2 pixels of two words, one above the other: four bytes, each in a lane of 16 bits."""
    total = (a & _EVEN_BYTES) + ((a >> _8) & _EVEN_BYTES) + (b & _EVEN_BYTES) + ((b >> _8) & _EVEN_BYTES)
    return ((total + np.uint64(0x0002000200020002)) >> np.uint64(2)) & _EVEN_BYTES


@kernel
def _pack_block(words: np.ndarray, top: int, left: int, pairs: np.ndarray) -> None:
    """Luma of a patch: means of 2 x 2 pixels, space-to-depth in the same pass.

    Args:
        words: (960, 160) uint64, the plane.
        top, left: of the block, in rows and words.
        pairs: (6, 16, 8) uint16, the patch as pairs of pixels; channels 0-3 are written.
    """
    for y in range(32):
        upper, lower = words[top + 2 * y, left : left + 8], words[top + 2 * y + 1, left : left + 8]
        even, odd = pairs[2 * (y % 2), y // 2], pairs[2 * (y % 2) + 1, y // 2]
        for x in range(even.shape[0]):
            quads = _quads_2x2(upper[x], lower[x])
            joined = (quads | (quads >> np.uint64(24))) & np.uint64(0xFFFFFFFF)  # bytes: even, even, odd, odd
            even[x] = np.uint16(joined)
            odd[x] = np.uint16(joined >> _16)


@kernel
def _shrink_block(words: np.ndarray, top: int, left: int, fours: np.ndarray) -> None:
    """Chroma of a patch: means of 2 x 2 pixels of (480, 80) uint64 words into (16, 4) uint32, four pixels each."""
    for y in range(16):
        upper, lower = words[top + 2 * y, left : left + 4], words[top + 2 * y + 1, left : left + 4]
        line = fours[y]
        for x in range(line.shape[0]):
            quads = _quads_2x2(upper[x], lower[x])
            halves = (quads | (quads >> _8)) & _EVEN_PAIRS
            line[x] = np.uint32(halves | (halves >> _16))


@kernel
def read_patches(
    y_words: np.ndarray,
    u_words: np.ndarray,
    v_words: np.ndarray,
    blocks: np.ndarray,
    first: int,
    last: int,
    pairs: np.ndarray,
    fours: np.ndarray,
) -> int:
    """Means of 2 x 2 pixels of blocks[first:last] (row * 20 + column) of one camera into patches[first:last].

    Args:
        y_words, u_words, v_words: (960, 160), (480, 80), (480, 80) uint64, the planes as words of eight pixels.
        blocks: (K,) int16.
        pairs, fours: (K, 6, 16, 8) uint16 and (K, 6, 16, 4) uint32, two views of the patches; written.
    """
    touched = np.uint64(0)
    for i in range(first, last):
        row, column = blocks[i] // GRID_COLUMNS, blocks[i] % GRID_COLUMNS
        if i == first:
            touched += _fetch_block(y_words, u_words, v_words, row, column)
        if i + 1 < last:  # the next block's misses run while this one is computed
            following = blocks[i + 1]
            touched += _fetch_block(y_words, u_words, v_words, following // GRID_COLUMNS, following % GRID_COLUMNS)
        _pack_block(y_words, 64 * row, 8 * column, pairs[i])
        _shrink_block(u_words, 32 * row, 4 * column, fours[i, 4])
        _shrink_block(v_words, 32 * row, 4 * column, fours[i, 5])
    return int(touched)


@kernel
def read_all_patches(
    y_words: tuple[np.ndarray, ...],
    u_words: tuple[np.ndarray, ...],
    v_words: tuple[np.ndarray, ...],
    cameras: np.ndarray,
    blocks: np.ndarray,
    ends: np.ndarray,
    pairs: np.ndarray,
    fours: np.ndarray,
) -> int:
    """`read_patches` for some of eight cameras; `ends` (8,) int64 says where each camera's patches end."""
    touched = 0
    for i in range(cameras.shape[0]):
        c = cameras[i]
        first = ends[c - 1] if c > 0 else 0
        touched += read_patches(y_words[c], u_words[c], v_words[c], blocks, first, ends[c], pairs, fours)
    return touched
