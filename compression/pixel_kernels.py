"""Area means straight from strided YUV planes, in whole numbers: the only code that touches full-resolution pixels.

Knows pixels and cells; it does not know which block is worth reading. A cell is the source interval that one target
pixel covers; cells are given by their bounds, (2, n) int32: first source pixel, and one past the last. Every mean is
(sum + area // 2) // area, exactly, so results do not depend on machine, compiler or thread count. This is the
general case; whole pictures of 1280x960 take the faster way of `pixel_kernels_8x8.py`.
"""

import numpy as np
from numba import njit

_kernel = njit(nogil=True, cache=True, error_model="numpy")
_inlined = njit(nogil=True, cache=True, error_model="numpy", inline="always")

MAX_CELL_ROWS = 257
"""A cell's column sum must fit 16 bits: 257 rows of 255."""

MAX_CELL_AREA = 65_535
"""Up to this area the division by multiplication in `_mean` is exact."""

_40 = np.uint64(40)


@_kernel
def _add_rows(plane: np.ndarray, first: int, last: int, left: int, sums: np.ndarray) -> None:
    """Column sums of rows first … last - 1, of as many columns from `left` as `sums` (uint16) has."""
    n = sums.shape[0]
    right = left + n
    sums[:] = 0
    y = first
    while y + 4 <= last:
        a, b = plane[y, left:right], plane[y + 1, left:right]
        c, d = plane[y + 2, left:right], plane[y + 3, left:right]
        for x in range(n):
            sums[x] += np.uint16(a[x]) + np.uint16(b[x]) + np.uint16(c[x]) + np.uint16(d[x])
        y += 4
    while y < last:
        a = plane[y, left:right]
        for x in range(n):
            sums[x] += np.uint16(a[x])
        y += 1


@_inlined
def _fold(sums: np.ndarray, width: int, out: np.ndarray) -> None:
    """Add up neighbouring groups of `width`; a literal width lets the compiler unroll and vectorise."""
    for x in range(out.shape[0]):
        total = np.uint32(0)
        for k in range(width):
            total += np.uint32(sums[x * width + k])
        out[x] = total


@_kernel
def _fold_columns(sums: np.ndarray, columns: np.ndarray, width: int, out: np.ndarray) -> None:
    """Column sums, from the first cell on, to cell sums. `width` is the cells' common width, or 0 where they differ."""
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
    else:
        left = columns[0, 0]
        for x in range(out.shape[0]):
            total = np.uint32(0)
            for k in range(columns[0, x] - left, columns[1, x] - left):
                total += np.uint32(sums[k])
            out[x] = total


@_kernel
def common_width(cells: np.ndarray) -> int:
    """The width that all cells share when they tile the source without gap or overlap; 0 otherwise."""
    width = cells[1, 0] - cells[0, 0]
    for i in range(cells.shape[1]):
        if cells[0, i] != cells[0, 0] + i * width or cells[1, i] - cells[0, i] != width:
            return 0
    return width


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
        widest, narrowest = max(widest, width), min(narrowest, width)
    area = height * widest
    if widest == narrowest and area & (area - 1) == 0:
        half, shift = np.uint32(area >> 1), np.uint32(0)
        while (1 << shift) < area:
            shift += np.uint32(1)
        for x in range(n):
            out[x] = np.uint8((sums[x] + half) >> shift)
        return
    small = height * narrowest
    by_area = (np.uint64(1) << _40) // np.uint64(area) + np.uint64(1)
    by_small = (np.uint64(1) << _40) // np.uint64(small) + np.uint64(1)
    for x in range(n):  # integer cell bounds differ by at most one pixel, so there are two widths
        if columns[1, group * x + group - 1] - columns[0, group * x] == widest:
            out[x] = np.uint8(((np.uint64(sums[x]) + np.uint64(area >> 1)) * by_area) >> _40)
        else:
            out[x] = np.uint8(((np.uint64(sums[x]) + np.uint64(small >> 1)) * by_small) >> _40)


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
        _fold_columns(scratch, columns, width, out[y])


@_kernel
def cell_means(sums: np.ndarray, rows: np.ndarray, columns: np.ndarray, group: int, out: np.ndarray) -> None:
    """Rounded mean of every group x group cells: (h, w) uint32 sums -> (h / group, w / group) uint8."""
    h, w = out.shape
    line = np.empty(w, np.uint32)
    for y in range(h):
        height = rows[1, group * y + group - 1] - rows[0, group * y]
        if group == 1:
            line[:] = sums[y]
        elif group == 2:
            upper, lower = sums[2 * y], sums[2 * y + 1]
            for x in range(w):
                line[x] = upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]
        else:
            for x in range(w):
                line[x] = sums[group * y : group * y + group, group * x : group * x + group].sum()
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
def pack_base(
    luma_sums: np.ndarray,
    luma_rows: np.ndarray,
    luma_columns: np.ndarray,
    u_sums: np.ndarray,
    v_sums: np.ndarray,
    chroma_rows: np.ndarray,
    chroma_columns: np.ndarray,
    group: int,
    luma: np.ndarray,
    packed: np.ndarray,
) -> None:
    """Cell sums of a picture to its packed base image (6, h, w) uint8; `luma` (2h, 2w) uint8 is scratch."""
    cell_means(luma_sums, luma_rows, luma_columns, group, luma)
    pack_luma(luma, packed)
    cell_means(u_sums, chroma_rows, chroma_columns, group, packed[4])
    cell_means(v_sums, chroma_rows, chroma_columns, group, packed[5])


@_kernel
def _fetch(plane: np.ndarray, top: int, left: int, height: int) -> int:
    """Touch one byte of every row of a block, so that its cache misses overlap instead of following each other.

    Halves the time to read a block that has left the cache. The sum only keeps the loads from being optimised away.
    """
    touched = 0
    for y in range(top, top + height):
        touched += plane[y, left]
    return touched


@_kernel
def _mean_2x2(plane: np.ndarray, top: int, left: int, out: np.ndarray) -> None:
    """Means of 2 x 2 pixels: chroma of the usual patch."""
    span = 2 * out.shape[1]
    for y in range(out.shape[0]):
        a, b = plane[top + 2 * y, left : left + span], plane[top + 2 * y + 1, left : left + span]
        line = out[y]
        for x in range(line.shape[0]):
            total = np.uint16(a[2 * x]) + np.uint16(a[2 * x + 1]) + np.uint16(b[2 * x]) + np.uint16(b[2 * x + 1])
            line[x] = np.uint8((total + np.uint16(2)) >> np.uint16(2))


@_kernel
def _pack_2x2(plane: np.ndarray, top: int, left: int, packed: np.ndarray) -> None:
    """Means of 2 x 2 pixels, space-to-depth in the same pass: luma of the usual patch into channels 0-3."""
    _, h, w = packed.shape
    for y in range(2 * h):
        a, b = plane[top + 2 * y, left : left + 4 * w], plane[top + 2 * y + 1, left : left + 4 * w]
        even, odd = packed[2 * (y % 2), y // 2], packed[2 * (y % 2) + 1, y // 2]
        for x in range(w):
            i = 4 * x
            first = np.uint16(a[i]) + np.uint16(a[i + 1]) + np.uint16(b[i]) + np.uint16(b[i + 1])
            second = np.uint16(a[i + 2]) + np.uint16(a[i + 3]) + np.uint16(b[i + 2]) + np.uint16(b[i + 3])
            even[x] = np.uint8((first + np.uint16(2)) >> np.uint16(2))
            odd[x] = np.uint8((second + np.uint16(2)) >> np.uint16(2))


@_kernel
def resample(
    plane: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    scratch: np.ndarray,
    sums: np.ndarray,
    out: np.ndarray,
) -> None:
    """Area means of the part of a plane that (2, h) `rows` and (2, w) `columns` bound, into (h, w) `out`.

    `scratch` (uint16) holds the source columns of the part, `sums` (w,) uint32 one target row.
    """
    left = columns[0, 0]
    width = common_width(columns)
    span = columns[1, columns.shape[1] - 1] - left
    for y in range(out.shape[0]):
        _add_rows(plane, rows[0, y], rows[1, y], left, scratch[:span])
        _fold_columns(scratch, columns, width, sums)
        _mean(sums, rows[1, y] - rows[0, y], columns, 1, out[y])


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
) -> int:
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
    is_2x2 = common_width(luma_rows) == 2 and common_width(luma_columns) == 2
    is_2x2 = is_2x2 and common_width(chroma_rows) == 2 and common_width(chroma_columns) == 2
    touched = 0
    for i in range(first, last):
        row, column = blocks[i] // 20, blocks[i] % 20
        if is_2x2:
            touched += _fetch(y_plane, 64 * row, 64 * column, 64)
            touched += _fetch(u_plane, 32 * row, 32 * column, 32) + _fetch(v_plane, 32 * row, 32 * column, 32)
            _pack_2x2(y_plane, 64 * row, 64 * column, patches[i, :4])
            _mean_2x2(u_plane, 32 * row, 32 * column, patches[i, 4])
            _mean_2x2(v_plane, 32 * row, 32 * column, patches[i, 5])
            continue
        rows = luma_rows[:, 32 * row : 32 * row + 32]
        columns = luma_columns[:, 32 * column : 32 * column + 32]
        resample(y_plane, rows, columns, scratch, sums, luma)
        pack_luma(luma, patches[i])
        rows = chroma_rows[:, 16 * row : 16 * row + 16]
        columns = chroma_columns[:, 16 * column : 16 * column + 16]
        resample(u_plane, rows, columns, scratch, sums[:16], patches[i, 4])
        resample(v_plane, rows, columns, scratch, sums[:16], patches[i, 5])
    return touched
