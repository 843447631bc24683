"""Read one picture of any size: the analysis image, the retina, and patches.

Knows sizes and which kernels handle them; the arithmetic on pixels is in `pixel_kernels.py`.

One pass over a picture gives the sums of a fine grid (160x120 luma, 80x60 chroma). The retina and the analysis image
that gaze is chosen from are both exact means of groups of those sums, because integer cell bounds nest: cell i of w
starts where cell 2i of 2w starts. A base size that does not divide the fine grid needs a second pass.
"""

import numpy as np

from fsd.compression import patch_kernels_2x2, pixel_kernels
from fsd.compression.budget import PATCH_GRID_PX, Budget
from fsd.compression.pixel_kernels import Grid, make_grid
from fsd.data.errors import ClipError
from fsd.data.frames import GRID_COLUMNS, Frame

ANALYSIS_ROWS, ANALYSIS_COLUMNS = 120, 160
"""The luma image that gaze is chosen from: 8 x 8 of its pixels are one block."""

_REFERENCE_SHAPE = (8 * ANALYSIS_ROWS, 8 * ANALYSIS_COLUMNS)


class PictureSampler:
    """Reads pictures of one size: first the whole picture, then some of its blocks.

    Args:
        height_px, width_px: luma size of the pictures.
        budget: for the size of the base image; of `camera`, by its index, where it has a fovea.

    `group` is how many cells of the fine grid are a base pixel across; 0 where the grids do not nest. With
    `is_reference_size`, `pixel_kernels_8x8.py` and `patch_kernels_2x2.py` read whole pictures and blocks faster.

    Raises:
        ClipError: the picture is too large for exact sums.
    """

    def __init__(self, height_px: int, width_px: int, budget: Budget, camera: int = 0) -> None:
        base = budget.base_px(camera)
        self._luma_shape = luma_shape = (height_px, width_px)
        self._chroma_shape = chroma_shape = ((height_px + 1) // 2, (width_px + 1) // 2)
        _check_size(luma_shape, base)
        self.group = group = _nested_group(luma_shape, base)
        self.is_reference_size = luma_shape == _REFERENCE_SHAPE and group in (1, 2, 4)
        fine, half_base = (ANALYSIS_ROWS, ANALYSIS_COLUMNS), (base[0] // 2, base[1] // 2)
        chroma_cells = (half_base[0] * max(group, 1), half_base[1] * max(group, 1))
        self._fine_luma, self._base_luma = make_grid(luma_shape, fine), make_grid(luma_shape, base)
        self._fine_chroma, self._base_chroma = make_grid(chroma_shape, chroma_cells), make_grid(chroma_shape, half_base)
        columns, rows = PATCH_GRID_PX
        self._patch_luma = make_grid(luma_shape, (rows, columns))
        self._patch_chroma = make_grid(chroma_shape, (rows // 2, columns // 2))
        self._half_grids: list[tuple[Grid, Grid]] = []
        self._columns = np.empty(width_px + 1, np.uint16)
        self._line = np.empty(max(ANALYSIS_COLUMNS, base[1]), np.uint32)
        self._luma_sums = np.empty(fine, np.uint32)
        self._base_sums = self._luma_sums if group else np.empty(base, np.uint32)
        self._chroma_sums = np.empty(chroma_cells, np.uint32)
        self._base_image = np.empty(base, np.uint8)

    def fits(self, frame: Frame) -> bool:
        """Whether all planes have the size and type that this sampler was made for, and pixels side by side."""
        y, u, v = frame.y_plane, frame.u_plane, frame.v_plane
        return (
            y.shape == self._luma_shape
            and u.shape == v.shape == self._chroma_shape
            and y.dtype == u.dtype == v.dtype == np.uint8
            and y.strides[1] == u.strides[1] == v.strides[1] == 1
        )

    def read_whole(self, frame: Frame, analysis: np.ndarray, retina: np.ndarray) -> None:
        """Read every pixel once, by the kernels for any size.

        Args:
            frame: a picture of this sampler's size.
            analysis: (120, 160) uint8, written: area mean of the luma.
            retina: (6, base_h / 2, base_w / 2) uint8, written: the base image, packed.
        """
        group, line = self.group or 1, self._line
        pixel_kernels.cell_sums(frame.y_plane, self._fine_luma, self._columns, self._luma_sums)
        pixel_kernels.group_means(self._luma_sums, 1, self._fine_luma, line[:ANALYSIS_COLUMNS], analysis)
        if not self.group:
            pixel_kernels.cell_sums(frame.y_plane, self._base_luma, self._columns, self._base_sums)
        base = self._base_image
        pixel_kernels.group_means(self._base_sums, group, self._base_luma, line[: base.shape[1]], base)
        pixel_kernels.pack_luma(base, retina)
        for plane, out in ((frame.u_plane, retina[4]), (frame.v_plane, retina[5])):
            pixel_kernels.cell_sums(plane, self._fine_chroma, self._columns, self._chroma_sums)
            pixel_kernels.group_means(self._chroma_sums, group, self._base_chroma, line[: out.shape[1]], out)

    def read_blocks(self, frame: Frame, blocks: np.ndarray, first: int, last: int, patches: np.ndarray) -> None:
        """Resample blocks[first:last] of a picture to 32x32 patches[first:last].

        Args:
            frame: a picture of this sampler's size.
            blocks: (K,) int16, row * 20 + column.
            patches: (K, 6, 16, 16) uint8, written.
        """
        y, u, v = frame.y_plane, frame.u_plane, frame.v_plane
        if self._luma_shape == _REFERENCE_SHAPE:
            patch_kernels_2x2.read_patches(y, u, v, blocks, first, last, patches)
        else:
            grids = self._patch_luma, self._patch_chroma
            pixel_kernels.read_patches(y, u, v, *grids, blocks, first, last, patches)

    def read_quarters(
        self, frame: Frame, blocks: np.ndarray, quarters: np.ndarray, first: int, last: int, patches: np.ndarray
    ) -> None:
        """Resample quarters[first:last] of blocks[first:last] to 32x32 patches[first:last].

        Args:
            frame: a picture of this sampler's size.
            blocks: (K,) int16, row * 20 + column; quarters: (K,) int16, row * 2 + column.
            patches: (K, 6, 16, 16) uint8, written.
        """
        y, u, v = frame.y_plane, frame.u_plane, frame.v_plane
        if self._luma_shape == _REFERENCE_SHAPE:
            patch_kernels_2x2.read_quarters(y, u, v, blocks, quarters, first, last, patches)
            return
        if not self._half_grids:
            self._half_grids = _half_grids(self._luma_shape, self._chroma_shape)
        for i in range(first, last):
            row, column = divmod(int(blocks[i]), GRID_COLUMNS)
            row, column = 2 * row + int(quarters[i]) // 2, 2 * column + int(quarters[i]) % 2
            place = np.array([row * GRID_COLUMNS + column % GRID_COLUMNS], np.int16)
            grids = self._half_grids[column // GRID_COLUMNS]
            pixel_kernels.read_patches(y, u, v, *grids, place, 0, 1, patches[i : i + 1])


def _half_grids(luma: tuple[int, int], chroma: tuple[int, int]) -> list[tuple[Grid, Grid]]:
    """Luma and chroma grids of the left and of the right half of a picture in samples of fine patches.

    A half has 30 x 20 quarters, in which the kernel that reads blocks reads quarters.
    """
    columns, rows = PATCH_GRID_PX
    return [
        (
            _part(make_grid(luma, (2 * rows, 2 * columns)), half * columns, columns),
            _part(make_grid(chroma, (rows, columns)), half * columns // 2, columns // 2),
        )
        for half in (0, 1)
    ]


def _part(grid: Grid, first: int, count: int) -> Grid:
    """Some neighbouring columns of a grid."""
    part = slice(first, first + count)
    return grid._replace(
        columns=np.ascontiguousarray(grid.columns[:, part]),
        wide_mask=grid.wide_mask[part],
        half=np.ascontiguousarray(grid.half[:, part]),
        reciprocal=np.ascontiguousarray(grid.reciprocal[:, part]),
    )


def _check_size(source: tuple[int, int], base: tuple[int, int]) -> None:
    cell_rows = -(-source[0] // min(base[0], ANALYSIS_ROWS))
    cell_area = -(-source[0] // base[0]) * -(-source[1] // base[1])
    if cell_rows > pixel_kernels.MAX_CELL_ROWS or cell_area > pixel_kernels.MAX_CELL_AREA:
        raise ClipError(
            f"A picture of {source[1]}x{source[0]} pixels is too large for a base image of {base[1]}x{base[0]}. "
            "Scale the video down, or use a budget with a larger base image."
        )


def _nested_group(source: tuple[int, int], base: tuple[int, int]) -> int:
    """How many fine cells across make one base pixel; 0 where the grids do not nest."""
    group = ANALYSIS_ROWS // base[0]
    is_divisor = group > 0 and (group * base[0], group * base[1]) == (ANALYSIS_ROWS, ANALYSIS_COLUMNS)
    # Cells of a source smaller than the grid overlap, and their sums would count pixels twice.
    is_fine_enough = source[0] >= ANALYSIS_ROWS and source[1] >= ANALYSIS_COLUMNS
    return group if is_divisor and is_fine_enough else 0
