"""Reading patches from pictures of 1280x960: a block is 64 x 64 pixels, a patch pixel the mean of 2 x 2; of a fine
patch, which shows a quarter of a block, it is a pixel itself.

Faster, with the same results as `pixel_kernels.py`, which handles any size and defines cells. A row of a block is a
vector of words of eight pixels; the arithmetic is on bytes in the lanes of a word.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from fsd.data.frames import GRID_COLUMNS
from fsd.data.kernel import kernel
from fsd.data.vector_code import INT, LONG, SHORT, item_pointer, load, masked, prefetch, store, vector_intrinsic

_EVEN_BYTES, _EVEN_PAIRS = 0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF


def _means(builder: Any, upper: Any, lower: Any, words: int) -> Any:
    """Means of 2 x 2 pixels of two rows at these pointers: four bytes per word, each in a lane of 16 bits."""
    kind = ir.VectorType(LONG, words)
    total = ir.Constant(kind, [0x0002000200020002] * words)
    for line in (upper, lower):
        row = load(builder, line, 0, kind)
        for shift in (0, 8):
            total = builder.add(total, masked(builder, row, _EVEN_BYTES, shift))
    return masked(builder, total, _EVEN_BYTES, 2)


def _joined(builder: Any, value: Any, bits: int) -> Any:
    """Every word joined with itself, `bits` further down."""
    return builder.or_(value, builder.lshr(value, ir.Constant(value.type, [bits] * value.type.count)))


@vector_intrinsic
def _pack_luma(typing: Any, plane: Any, row: Any, column: Any, patch: Any, channel: Any, y: Any) -> Any:
    """Means of 2 x 2 pixels of 2 x 64 pixels from (row, column) on: even ones into patch[channel, y], odd ones into the
    next channel; a patch is (6, 16, 16) uint8, indices are uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        plane, row, column, patch, channel, y = arguments
        plane_type, patch_type, half = signature.args[0], signature.args[3], ir.VectorType(SHORT, 8)
        upper, lower = (
            item_pointer(context, builder, plane_type, plane, [each, column])
            for each in (row, builder.add(row, LONG(1)))
        )
        joined = _joined(builder, _means(builder, upper, lower, 8), 24)  # low bytes: even, even, odd, odd
        even = item_pointer(context, builder, patch_type, patch, [channel, y, LONG(0)])
        odd = item_pointer(context, builder, patch_type, patch, [builder.add(channel, LONG(1)), y, LONG(0)])
        store(builder, builder.trunc(joined, half), even, 0)
        store(builder, builder.trunc(masked(builder, joined, 0xFFFF, 16), half), odd, 0)
        return context.get_dummy_value()

    index = types.uint64
    return types.void(plane, index, index, patch, index, index), generate


@vector_intrinsic
def _shrink_chroma(typing: Any, plane: Any, row: Any, column: Any, patch: Any, channel: Any, y: Any) -> Any:
    """Means of 2 x 2 pixels of 2 x 32 pixels from (row, column) on into patch[channel, y]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        plane, row, column, patch, channel, y = arguments
        plane_type, patch_type = signature.args[0], signature.args[3]
        upper, lower = (
            item_pointer(context, builder, plane_type, plane, [each, column])
            for each in (row, builder.add(row, LONG(1)))
        )
        halves = masked(builder, _joined(builder, _means(builder, upper, lower, 4), 8), _EVEN_PAIRS)
        line = item_pointer(context, builder, patch_type, patch, [channel, y, LONG(0)])
        store(builder, builder.trunc(_joined(builder, halves, 16), ir.VectorType(INT, 4)), line, 0)
        return context.get_dummy_value()

    index = types.uint64
    return types.void(plane, index, index, patch, index, index), generate


@kernel
def _fetch_block(y_plane: np.ndarray, u_plane: np.ndarray, v_plane: np.ndarray, block: int) -> None:
    """Ask for every cache line of a block, so that the cache misses overlap instead of following each other."""
    row, column = np.uint64(block // GRID_COLUMNS), np.uint64(block % GRID_COLUMNS)
    for y in range(64):
        prefetch(y_plane, np.uint64(64) * row + np.uint64(y), np.uint64(64) * column)
    for y in range(32):
        prefetch(u_plane, np.uint64(32) * row + np.uint64(y), np.uint64(32) * column)
        prefetch(v_plane, np.uint64(32) * row + np.uint64(y), np.uint64(32) * column)


@kernel
def _read_block(y_plane: np.ndarray, u_plane: np.ndarray, v_plane: np.ndarray, block: int, patch: np.ndarray) -> None:
    """One block into a (6, 16, 16) uint8 patch."""
    row, column = np.uint64(block // GRID_COLUMNS), np.uint64(block % GRID_COLUMNS)
    two, four, odd = np.uint64(2), np.uint64(4), np.uint64(1)
    top, left = np.uint64(64) * row, np.uint64(64) * column
    chroma_top, chroma_left = np.uint64(32) * row, np.uint64(32) * column
    for i in range(16):
        y = np.uint64(i)
        _pack_luma(y_plane, top + four * y, left, patch, np.uint64(0), y)
        _pack_luma(y_plane, top + four * y + two, left, patch, two, y)
        _shrink_chroma(u_plane, chroma_top + two * y, chroma_left, patch, four, y)
        _shrink_chroma(v_plane, chroma_top + two * y, chroma_left, patch, four + odd, y)


@kernel
def read_patches(
    y_plane: np.ndarray,
    u_plane: np.ndarray,
    v_plane: np.ndarray,
    blocks: np.ndarray,
    first: int,
    last: int,
    patches: np.ndarray,
) -> None:
    """Means of 2 x 2 pixels of blocks[first:last] (row * 20 + column) of one camera into patches[first:last].

    Args:
        y_plane, u_plane, v_plane: (960, 1280), (480, 640), (480, 640) uint8 with pixels side by side.
        blocks: (K,) int16.
        patches: (K, 6, 16, 16) uint8, written.
    """
    for i in range(first, last):
        if i == first:
            _fetch_block(y_plane, u_plane, v_plane, blocks[i])
        if i + 1 < last:  # the next block's misses run while this one is computed
            _fetch_block(y_plane, u_plane, v_plane, blocks[i + 1])
        _read_block(y_plane, u_plane, v_plane, blocks[i], patches[i])


@kernel
def read_all_patches(
    y_planes: tuple[np.ndarray, ...],
    u_planes: tuple[np.ndarray, ...],
    v_planes: tuple[np.ndarray, ...],
    cameras: np.ndarray,
    blocks: np.ndarray,
    ends: np.ndarray,
    patches: np.ndarray,
) -> None:
    """`read_patches` for some of eight cameras; `ends` (8,) int64 says where each camera's patches end."""
    for i in range(cameras.shape[0]):
        c = cameras[i]
        first = ends[c - 1] if c > 0 else 0
        read_patches(y_planes[c], u_planes[c], v_planes[c], blocks, first, ends[c], patches)


@kernel
def read_quarters(
    y_plane: np.ndarray,
    u_plane: np.ndarray,
    v_plane: np.ndarray,
    blocks: np.ndarray,
    quarters: np.ndarray,
    first: int,
    last: int,
    patches: np.ndarray,
) -> None:
    """Copy quarters[first:last] (row * 2 + column) of blocks[first:last] of one camera into patches[first:last].

    Args:
        y_plane, u_plane, v_plane: (960, 1280), (480, 640), (480, 640) uint8 with pixels side by side.
        blocks, quarters: (K,) int16.
        patches: (K, 6, 16, 16) uint8, written.
    """
    for i in range(first, last):
        top = 32 * (2 * (blocks[i] // GRID_COLUMNS) + quarters[i] // 2)
        left = 32 * (2 * (blocks[i] % GRID_COLUMNS) + quarters[i] % 2)
        patch = patches[i]
        for y in range(16):
            for j in range(2):
                line = y_plane[top + 2 * y + j, left : left + 32]
                even, odd = patch[2 * j, y], patch[2 * j + 1, y]
                for x in range(16):
                    even[x], odd[x] = line[2 * x], line[2 * x + 1]
            u_line = u_plane[top // 2 + y, left // 2 : left // 2 + 16]
            v_line = v_plane[top // 2 + y, left // 2 : left // 2 + 16]
            u_out, v_out = patch[4, y], patch[5, y]
            for x in range(16):
                u_out[x], v_out[x] = u_line[x], v_line[x]
