"""Area means straight from strided YUV planes, in whole numbers: the only code that touches full-resolution pixels.

Knows pixels and cells; it does not know which block is worth reading. A cell is the source interval that one target
pixel covers; cells are given by their bounds, (2, n) int32: first source pixel, and one past the last. Every mean is
(sum + area // 2) // area, exactly, so results do not depend on machine, compiler or thread count.
"""

import numpy as np
from numba import njit, uint8, uint16, uint32, uint64

_kernel = njit(nogil=True, cache=True, error_model="numpy")
_inlined = njit(nogil=True, cache=True, error_model="numpy", inline="always")

MAX_CELL_ROWS = 257
"""A cell's column sum must fit 16 bits: 257 rows of 255."""

MAX_CELL_AREA = 65_535
"""Up to this area the division by multiplication in `_mean` is exact."""

_SHIFT = 40


@_kernel
def _add_rows(plane: np.ndarray, first: int, last: int, left: int, sums: np.ndarray) -> None:
    """Column sums of rows first … last - 1, of as many columns from `left` as `sums` (uint16) has."""
    n = sums.shape[0]
    for x in range(n):
        sums[x] = uint16(0)
    y = first
    # Eight rows at a time: one pass over the accumulator for 8 rows; LLVM turns the inner loop into wide adds.
    while y + 8 <= last:
        a, b, c, d = plane[y], plane[y + 1], plane[y + 2], plane[y + 3]
        e, f, g, h = plane[y + 4], plane[y + 5], plane[y + 6], plane[y + 7]
        for x in range(n):
            i = left + x
            upper = uint16(a[i]) + uint16(b[i]) + uint16(c[i]) + uint16(d[i])
            lower = uint16(e[i]) + uint16(f[i]) + uint16(g[i]) + uint16(h[i])
            sums[x] += upper + lower
        y += 8
    while y + 2 <= last:
        a, b = plane[y], plane[y + 1]
        for x in range(n):
            sums[x] += uint16(a[left + x]) + uint16(b[left + x])
        y += 2
    if y < last:
        a = plane[y]
        for x in range(n):
            sums[x] += uint16(a[left + x])


@_inlined
def _fold(sums: np.ndarray, width: int, out: np.ndarray) -> None:
    """Add up neighbouring groups of `width`; a literal width lets the compiler unroll and vectorise."""
    for x in range(out.shape[0]):
        total = uint32(0)
        for k in range(width):
            total += uint32(sums[x * width + k])
        out[x] = total


@_kernel
def _fold_columns(sums: np.ndarray, columns: np.ndarray, width: int, left: int, out: np.ndarray) -> None:
    """Column sums to cell sums. `width` is the cells' common width, or 0 where they differ."""
    if width == 8:
        _fold(sums, 8, out)
    elif width == 12:
        _fold(sums, 12, out)
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
    else:
        for x in range(out.shape[0]):
            total = uint32(0)
            for k in range(columns[0, x] - left, columns[1, x] - left):
                total += uint32(sums[k])
            out[x] = total


@_kernel
def common_width(cells: np.ndarray) -> int:
    """The width that all cells share when they tile the source without gap or overlap; 0 otherwise."""
    width = cells[1, 0] - cells[0, 0]
    for i in range(cells.shape[1]):
        if cells[0, i] != cells[0, 0] + i * width or cells[1, i] - cells[0, i] != width:
            return 0
    return width


@_inlined
def _reciprocal(area: uint64) -> uint64:
    return (uint64(1) << uint64(_SHIFT)) // uint64(area) + uint64(1)


@_kernel
def _mean(sums: np.ndarray, height: int, columns: np.ndarray, group: int, out: np.ndarray) -> None:
    """Rounded means of one row of cell sums; a target pixel spans `group` cells and `height` source rows.

    Exact: with r = 2^40 // area + 1, (s * r) >> 40 equals s // area as long as s * area < 2^40.
    """
    n = out.shape[0]
    widest = columns[1, group - 1] - columns[0, 0]
    narrowest = widest
    for x in range(1, n):
        width = columns[1, group * x + group - 1] - columns[0, group * x]
        widest = max(widest, width)
        narrowest = min(narrowest, width)
    area = uint64(height * widest)
    by_wide = _reciprocal(area)
    if widest == narrowest:
        for x in range(n):
            out[x] = uint8(((uint64(sums[x]) + (area >> uint64(1))) * by_wide) >> uint64(_SHIFT))
        return
    small = uint64(height * narrowest)
    by_narrow = _reciprocal(small)
    for x in range(n):  # integer cell bounds differ by at most one pixel, so there are two widths
        if columns[1, group * x + group - 1] - columns[0, group * x] == widest:
            out[x] = uint8(((uint64(sums[x]) + (area >> uint64(1))) * by_wide) >> uint64(_SHIFT))
        else:
            out[x] = uint8(((uint64(sums[x]) + (small >> uint64(1))) * by_narrow) >> uint64(_SHIFT))


@_kernel
def cell_sums(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray, scratch: np.ndarray, out: np.ndarray) -> None:
    """Sum of every cell of a grid; reads each pixel of `plane` once (more often only where cells overlap).

    Args:
        plane: (H, W) uint8, any row stride.
        rows, columns: (2, h) and (2, w) int32 cell bounds.
        scratch: (at least W,) uint16.
        out: (h, w) uint32.
    """
    width = common_width(columns)
    used = columns[1, columns.shape[1] - 1]
    for y in range(rows.shape[1]):
        _add_rows(plane, rows[0, y], rows[1, y], 0, scratch[:used])
        _fold_columns(scratch, columns, width, 0, out[y])


@_kernel
def cell_means(sums: np.ndarray, rows: np.ndarray, columns: np.ndarray, group: int, out: np.ndarray) -> None:
    """Rounded mean of every group x group cells: (h, w) uint32 sums -> (h / group, w / group) uint8."""
    h, w = out.shape
    line = np.empty(w, np.uint32)
    for y in range(h):
        height = rows[1, group * y + group - 1] - rows[0, group * y]
        if group == 1:
            _mean(sums[y], height, columns, 1, out[y])
            continue
        for x in range(w):
            total = uint32(0)
            for j in range(group):
                for i in range(group):
                    total += sums[group * y + j, group * x + i]
            line[x] = total
        _mean(line, height, columns, group, out[y])


@_kernel
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


@_kernel
def resample(
    plane: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    width: int,
    scratch: np.ndarray,
    sums: np.ndarray,
    out: np.ndarray,
) -> None:
    """Area means of a part of a plane, given by the bounds of its cells; `width` as in `_fold_columns`.

    `scratch` (uint16) holds the source columns of the part, `sums` (uint32) at least one target row.
    """
    h, w = out.shape
    left = columns[0, 0]
    span = columns[1, w - 1] - left
    for y in range(h):
        _add_rows(plane, rows[0, y], rows[1, y], left, scratch[:span])
        _fold_columns(scratch, columns, width, left, sums[:w])
        _mean(sums[:w], rows[1, y] - rows[0, y], columns, 1, out[y])


@_kernel
def read_patches(
    y_plane: np.ndarray,
    u_plane: np.ndarray,
    v_plane: np.ndarray,
    luma_rows: np.ndarray,
    luma_columns: np.ndarray,
    chroma_rows: np.ndarray,
    chroma_columns: np.ndarray,
    blocks: np.ndarray,
    first: int,
    last: int,
    patches: np.ndarray,
) -> None:
    """Resample blocks[first:last] (row * 20 + column) of one camera into patches[first:last].

    The bounds are those of a 640x480 grid over the picture (320x240 over the chroma planes): 32x32 cells a block.

    Args:
        y_plane, u_plane, v_plane: uint8, any row stride.
        luma_rows, luma_columns, chroma_rows, chroma_columns: (2, 480), (2, 640), (2, 240), (2, 320) int32 bounds.
        blocks: (K,) int16.
        patches: (K, 6, 16, 16) uint8.
    """
    luma = np.empty((32, 32), np.uint8)
    scratch = np.empty(y_plane.shape[1], np.uint16)
    sums = np.empty(32, np.uint32)
    for i in range(first, last):
        row, column = blocks[i] // 20, blocks[i] % 20
        rows = luma_rows[:, 32 * row : 32 * row + 32]
        columns = luma_columns[:, 32 * column : 32 * column + 32]
        resample(y_plane, rows, columns, common_width(columns), scratch, sums, luma)
        pack_luma(luma, patches[i])
        rows = chroma_rows[:, 16 * row : 16 * row + 16]
        columns = chroma_columns[:, 16 * column : 16 * column + 16]
        width = common_width(columns)
        resample(u_plane, rows, columns, width, scratch, sums, patches[i, 4])
        resample(v_plane, rows, columns, width, scratch, sums, patches[i, 5])
