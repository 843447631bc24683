"""Area means of strided YUV planes, in whole numbers, for pictures of any size.

Knows pixels and cells; which block is read is decided elsewhere. A cell is the source interval that one target
pixel covers; cells are given by their bounds, (2, n) int32: first source pixel, and one past the last. Every mean is
(sum + area // 2) // area, exactly, so results do not depend on machine, compiler or thread count. For pictures
of 1280x960 there are faster kernels, `pixel_kernels_8x8.py` and `patch_kernels_2x2.py`.
"""

from typing import NamedTuple

import numpy as np

from fsd.data.frames import GRID_COLUMNS
from fsd.data.kernel import inlined_kernel, kernel

MAX_CELL_ROWS = 257
"""A cell's column sum must fit 16 bits: 257 rows of 255."""

MAX_CELL_AREA = 65_535
"""Up to this area the division by multiplication in `_divide` is exact."""

_SHIFT = np.uint64(40)


class Grid(NamedTuple):
    """Where the cells of one target image lie in one source plane, and how to divide by their areas.

    `rows` (2, h) and `columns` (2, w) int32 bounds; `width` the columns' common width, 0 where they differ or overlap.
    Integer bounds give rows of at most two heights: `is_tall` (h,) int64 is 1 for the higher. They give columns of at
    most two widths: the smaller is `narrow`, and `wide_mask` (w,) uint32 has all bits set for the larger. `half` and
    `reciprocal` (2, w) uint64 divide by the area of a cell in a low or a tall row.
    """

    rows: np.ndarray
    columns: np.ndarray
    width: int
    narrow: int
    wide_mask: np.ndarray
    is_tall: np.ndarray
    half: np.ndarray
    reciprocal: np.ndarray


def cell_bounds(source: int, cells: int) -> np.ndarray:
    """(2, cells) int32: first source pixel of every cell, and one past its last.

    Cell i covers floor(i * source / cells) … floor((i + 1) * source / cells) - 1, at least one pixel: a source smaller
    than the target is sampled by its nearest pixel to the left or above.
    """
    index = np.arange(cells, dtype=np.int64)
    first = index * source // cells
    return np.stack([first, np.maximum(first + 1, (index + 1) * source // cells)]).astype(np.int32)


def make_grid(source: tuple[int, int], target: tuple[int, int]) -> Grid:
    """The grid of a (height, width) target in a (height, width) source."""
    rows, columns = cell_bounds(source[0], target[0]), cell_bounds(source[1], target[1])
    heights, widths = rows[1] - rows[0], (columns[1] - columns[0]).astype(np.uint64)
    low = int(heights.min())
    area = np.stack([low * widths, (low + 1) * widths])
    tiles = np.array_equal(columns[0], np.arange(target[1]) * int(widths[0])) and len(set(widths.tolist())) == 1
    return Grid(
        rows,
        columns,
        int(widths[0]) if tiles else 0,
        int(widths.min()),
        np.where(widths > widths.min(), 0xFFFFFFFF, 0).astype(np.uint32),
        (heights - low).astype(np.int64),
        area // np.uint64(2),
        (np.uint64(1) << _SHIFT) // area + np.uint64(1),
    )


@kernel
def _add_rows(plane: np.ndarray, first: int, last: int, sums: np.ndarray) -> None:
    """Column sums of rows first … last - 1, of as many columns as `sums` (uint16) has.

    Row by row: the processor fetches ahead along a row, but follows few rows at the same time.
    """
    n = sums.shape[0]
    a = plane[first]
    for x in range(n):
        sums[x] = np.uint16(a[x])
    for y in range(first + 1, last):
        a = plane[y]
        for x in range(n):
            sums[x] += np.uint16(a[x])


@inlined_kernel
def _fold(sums: np.ndarray, width: int, out: np.ndarray) -> None:
    """Add up neighbouring groups of `width`; a literal width lets the compiler unroll and vectorise."""
    for x in range(out.shape[0]):
        total = np.uint32(0)
        for k in range(width):
            total += np.uint32(sums[x * width + k])
        out[x] = total


@inlined_kernel
def _fold_uneven(sums: np.ndarray, first: np.ndarray, wide_mask: np.ndarray, narrow: int, out: np.ndarray) -> None:
    """Add up groups of `narrow`, and of one more where the mask is set, from `first` (int32) on."""
    start = first[0]
    for x in range(out.shape[0]):
        at = np.uint64(first[x] - start)
        total = np.uint32(sums[at + np.uint64(narrow)]) & wide_mask[x]
        for k in range(narrow):
            total += np.uint32(sums[at + np.uint64(k)])
        out[x] = total


@kernel
def _fold_columns(
    sums: np.ndarray, first: np.ndarray, width: int, narrow: int, wide_mask: np.ndarray, out: np.ndarray
) -> None:
    """Column sums, from the first cell on, to cell sums; `sums` has one more entry than there are columns.

    `first` (w,) int32 columns of the cells; `width`, `narrow`, `wide_mask` as in `Grid`.
    """
    if width == 12:
        _fold(sums, 12, out)
    elif width == 8:
        _fold(sums, 8, out)
    elif width == 6:
        _fold(sums, 6, out)
    elif width == 4:
        _fold(sums, 4, out)
    elif width == 3:
        _fold(sums, 3, out)
    elif width == 2:
        _fold(sums, 2, out)
    elif width == 1:
        _fold(sums, 1, out)
    elif narrow == 2:
        _fold_uneven(sums, first, wide_mask, 2, out)
    elif narrow == 4:
        _fold_uneven(sums, first, wide_mask, 4, out)
    else:
        _fold_uneven(sums, first, wide_mask, narrow, out)


@kernel
def _divide(sums: np.ndarray, half: np.ndarray, reciprocal: np.ndarray, out: np.ndarray) -> None:
    """Rounded means of cell sums.

    Exact: with r = 2^40 // area + 1, (s * r) >> 40 equals s // area as long as s * area < 2^40.
    """
    for x in range(out.shape[0]):
        out[x] = np.uint8(((np.uint64(sums[x]) + half[x]) * reciprocal[x]) >> _SHIFT)


@kernel
def cell_sums(plane: np.ndarray, grid: Grid, scratch: np.ndarray, out: np.ndarray) -> None:
    """Sum of every cell of a grid; reads each pixel of `plane` once (more often only where cells overlap).

    Args:
        plane: (H, W) uint8, any row stride.
        grid: of an (h, w) target.
        scratch: (at least W + 1,) uint16.
        out: (h, w) uint32.
    """
    columns = grid.columns
    used = columns[1, columns.shape[1] - 1]
    for y in range(out.shape[0]):
        _add_rows(plane, grid.rows[0, y], grid.rows[1, y], scratch[:used])
        _fold_columns(scratch, columns[0], grid.width, grid.narrow, grid.wide_mask, out[y])


@kernel
def group_means(sums: np.ndarray, group: int, grid: Grid, line: np.ndarray, out: np.ndarray) -> None:
    """Rounded mean of every group x group cells.

    Args:
        sums: (group * h, group * w) uint32.
        grid: of the (h, w) target.
        line: (w,) uint32 scratch.
        out: (h, w) uint8, written.
    """
    for y in range(out.shape[0]):
        if group == 1:
            line[:] = sums[y]
        elif group == 2:
            upper, lower = sums[2 * y], sums[2 * y + 1]
            for x in range(line.shape[0]):
                line[x] = upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]
        else:
            for x in range(line.shape[0]):
                line[x] = sums[group * y : group * y + group, group * x : group * x + group].sum()
        tall = grid.is_tall[y]
        _divide(line, grid.half[tall], grid.reciprocal[tall], out[y])


@kernel
def pack_luma(luma: np.ndarray, packed: np.ndarray) -> None:
    """Space-to-depth: (2h, 2w) luma into channels 0-3 of (6, h, w): Y00 Y01 Y10 Y11."""
    _, h, w = packed.shape
    for y in range(h):
        for j in range(2):
            line = luma[2 * y + j]
            even, odd = packed[2 * j, y], packed[2 * j + 1, y]
            for x in range(w):
                even[x] = line[2 * x]
                odd[x] = line[2 * x + 1]


@kernel
def _resample(
    plane: np.ndarray, grid: Grid, top: int, left: int, scratch: np.ndarray, line: np.ndarray, out: np.ndarray
) -> None:
    """Area means of (h, w) cells of a grid from cell (top, left) on, into `out`; `line` is (w,) uint32 scratch."""
    h, w = out.shape
    rows, is_tall, wide_mask = grid.rows, grid.is_tall, grid.wide_mask[left : left + w]
    columns = grid.columns[:, left : left + w]
    half, reciprocal = grid.half[:, left : left + w], grid.reciprocal[:, left : left + w]
    start = columns[0, 0]
    part = plane[:, start : columns[1, w - 1]]
    sums = scratch[: part.shape[1]]
    for y in range(h):
        _add_rows(part, rows[0, top + y], rows[1, top + y], sums)
        _fold_columns(scratch, columns[0], grid.width, grid.narrow, wide_mask, line)
        tall = is_tall[top + y]
        for x in range(w):
            out[y, x] = np.uint8(((np.uint64(line[x]) + half[tall, x]) * reciprocal[tall, x]) >> _SHIFT)


@kernel
def read_patches(
    y_plane: np.ndarray,
    u_plane: np.ndarray,
    v_plane: np.ndarray,
    luma_grid: Grid,
    chroma_grid: Grid,
    blocks: np.ndarray,
    first: int,
    last: int,
    patches: np.ndarray,
) -> None:
    """Resample blocks[first:last] (row * 20 + column) of one camera into patches[first:last].

    Args:
        y_plane, u_plane, v_plane: uint8, any row stride.
        luma_grid, chroma_grid: of 480x640 and 240x320 targets over the whole picture: 32 x 32 cells per block.
        blocks: (K,) int16.
        patches: (K, 6, 16, 16) uint8.
    """
    luma = np.empty((32, 32), np.uint8)
    scratch = np.empty(y_plane.shape[1] + 1, np.uint16)
    line = np.empty(32, np.uint32)
    for i in range(first, last):
        row, column = blocks[i] // GRID_COLUMNS, blocks[i] % GRID_COLUMNS
        _resample(y_plane, luma_grid, 32 * row, 32 * column, scratch, line, luma)
        pack_luma(luma, patches[i])
        _resample(u_plane, chroma_grid, 16 * row, 16 * column, scratch, line[:16], patches[i, 4])
        _resample(v_plane, chroma_grid, 16 * row, 16 * column, scratch, line[:16], patches[i, 5])
