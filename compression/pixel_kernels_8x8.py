"""Reading whole pictures of 1280x960, the size this system is built for: cells are 8 x 8 pixels.

Faster, with the same results as `pixel_kernels.py`, which handles any size and defines cells.

Sums are made of whole rows, in the order of memory. Views of the sums as larger words are made once per strip: once per
row, they cost more than the arithmetic.
"""

import numpy as np

from fsd.compression.byte_sums import make_byte_sum
from fsd.data.kernel import kernel

_STRIP = 24
"""Rows of cells that are summed before they are used."""

_EVEN_PAIRS = np.uint64(0x0000FFFF0000FFFF)
_PAIR = np.uint64(0xFFFF)
_6, _8, _10, _16, _32, _40 = (np.uint64(bits) for bits in (6, 8, 10, 16, 32, 40))

_sum_luma, _sum_chroma = make_byte_sum(words=160), make_byte_sum(words=80)


@kernel
def _luma_sums(plane: np.ndarray, out: np.ndarray) -> None:
    """Sums of 8 x 8 pixels: (8 h, 1280) uint8 into (h, 160) uint16, at most 64 * 255."""
    for y in range(out.shape[0]):
        _sum_luma(plane, np.uint64(y), out)


@kernel
def _chroma_sums(plane: np.ndarray, out: np.ndarray) -> None:
    """The same of (8 h, 640) uint8 into (h, 80)."""
    for y in range(out.shape[0]):
        _sum_chroma(plane, np.uint64(y), out)


@kernel
def _means(sums: np.ndarray, out: np.ndarray) -> None:
    """Rounded means of 8 x 8 cells, one target pixel each."""
    for y in range(out.shape[0]):
        line, cells = out[y], sums[y]
        for x in range(line.shape[0]):
            line[x] = np.uint8((cells[x] + np.uint32(32)) >> np.uint32(6))


@kernel
def _pack_means(pairs: np.ndarray, packed: np.ndarray) -> None:
    """Means of single cells, space-to-depth. `pairs` is uint32: two cells of 16 bits, an even and an odd pixel."""
    for y in range(2 * packed.shape[1]):
        even, odd = packed[2 * (y % 2), y // 2], packed[2 * (y % 2) + 1, y // 2]
        cells = pairs[y]
        for x in range(even.shape[0]):
            even[x] = np.uint8((np.uint64(cells[x] & _PAIR) + np.uint64(32)) >> _6)
            odd[x] = np.uint8(((np.uint64(cells[x]) >> _16) + np.uint64(32)) >> _6)


@kernel
def _means_of_4(pairs: np.ndarray, out: np.ndarray) -> None:
    """Means of 2 x 2 cells. `pairs` is uint32: two cells of 16 bits side by side."""
    for y in range(out.shape[0]):
        a, b, line = pairs[2 * y], pairs[2 * y + 1], out[y]
        for x in range(line.shape[0]):
            lanes = np.uint64(a[x]) + np.uint64(b[x])
            line[x] = np.uint8(((lanes & _PAIR) + (lanes >> _16) + np.uint64(128)) >> _8)


@kernel
def _pack_means_of_4(quads: np.ndarray, packed: np.ndarray) -> None:
    """Means of 2 x 2 cells, space-to-depth. `quads` is uint64: four cells of 16 bits, an even and an odd pixel."""
    for y in range(2 * packed.shape[1]):
        even, odd = packed[2 * (y % 2), y // 2], packed[2 * (y % 2) + 1, y // 2]
        a, b = quads[2 * y], quads[2 * y + 1]
        for x in range(even.shape[0]):
            lanes = a[x] + b[x]
            both = (lanes & _EVEN_PAIRS) + ((lanes >> _16) & _EVEN_PAIRS) + np.uint64(0x0000008000000080)
            even[x] = np.uint8(both >> _8)
            odd[x] = np.uint8(both >> _40)


@kernel
def _mean_of_16(a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64) -> np.uint8:
    lanes = a + b + c + d  # 4 * 64 * 255 still fits 16 bits
    both = (lanes & _EVEN_PAIRS) + ((lanes >> _16) & _EVEN_PAIRS)
    return np.uint8(((both & np.uint64(0xFFFFFFFF)) + (both >> _32) + np.uint64(512)) >> _10)


@kernel
def _means_of_16(quads: np.ndarray, out: np.ndarray) -> None:
    """Means of 4 x 4 cells. `quads` is uint64: four cells of 16 bits side by side."""
    for y in range(out.shape[0]):
        a, b, c, d, line = quads[4 * y], quads[4 * y + 1], quads[4 * y + 2], quads[4 * y + 3], out[y]
        for x in range(line.shape[0]):
            line[x] = _mean_of_16(a[x], b[x], c[x], d[x])


@kernel
def _pack_means_of_16(quads: np.ndarray, packed: np.ndarray) -> None:
    """Means of 4 x 4 cells, space-to-depth."""
    for y in range(2 * packed.shape[1]):
        even, odd = packed[2 * (y % 2), y // 2], packed[2 * (y % 2) + 1, y // 2]
        a, b, c, d = quads[4 * y], quads[4 * y + 1], quads[4 * y + 2], quads[4 * y + 3]
        for x in range(even.shape[0]):
            even[x] = _mean_of_16(a[2 * x], b[2 * x], c[2 * x], d[2 * x])
            odd[x] = _mean_of_16(a[2 * x + 1], b[2 * x + 1], c[2 * x + 1], d[2 * x + 1])


@kernel
def read_picture(
    y_plane: np.ndarray, u_plane: np.ndarray, v_plane: np.ndarray, group: int, analysis: np.ndarray, packed: np.ndarray
) -> None:
    """Analysis image and packed base image of one picture.

    Args:
        y_plane, u_plane, v_plane: (960, 1280), (480, 640), (480, 640) uint8 with pixels side by side.
        group: cells across one base pixel: 1, 2 or 4.
        analysis: (120, 160) uint8, written.
        packed: (6, 60 / group, 80 / group) uint8, written.
    """
    # Strip by strip, so that the sums are still in the first-level cache when they are used.
    sums = np.empty((_STRIP, 160), np.uint16)
    pairs, quads = sums.view(np.uint32), sums.view(np.uint64)
    rows = _STRIP // group // 2
    for strip in range(120 // _STRIP):
        first = strip * _STRIP
        _luma_sums(y_plane[8 * first : 8 * (first + _STRIP)], sums)
        _means(sums, analysis[first : first + _STRIP])
        part = packed[:, strip * rows : (strip + 1) * rows]
        if group == 1:
            _pack_means(pairs, part)
        elif group == 2:
            _pack_means_of_4(quads, part)
        else:
            _pack_means_of_16(quads, part)
    _read_chroma(u_plane, group, packed[4])
    _read_chroma(v_plane, group, packed[5])


@kernel
def read_pictures(
    y_planes: tuple[np.ndarray, ...],
    u_planes: tuple[np.ndarray, ...],
    v_planes: tuple[np.ndarray, ...],
    cameras: np.ndarray,
    group: int,
    analysis: np.ndarray,
    packed: np.ndarray,
) -> None:
    """`read_picture` for some of eight cameras, one after the other.

    Args:
        y_planes, u_planes, v_planes: eight planes each, all of one memory layout.
        cameras: (n,) int64, whose to read.
        group: cells across one base pixel.
        analysis, packed: (8, 120, 160) and (8, 6, 60 / group, 80 / group) uint8, written for these cameras.
    """
    for i in range(cameras.shape[0]):
        c = cameras[i]
        read_picture(y_planes[c], u_planes[c], v_planes[c], group, analysis[c], packed[c])


@kernel
def _read_chroma(plane: np.ndarray, group: int, out: np.ndarray) -> None:
    sums = np.empty((60, 80), np.uint16)
    _chroma_sums(plane, sums)
    if group == 1:
        _means(sums, out)
    elif group == 2:
        _means_of_4(sums.view(np.uint32), out)
    else:
        _means_of_16(sums.view(np.uint64), out)
