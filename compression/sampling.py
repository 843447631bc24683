"""Which source pixels every retina pixel, analysis pixel and patch pixel covers, for pictures of any size.

Knows sizes and cell bounds; the arithmetic on pixels is in `pixel_kernels.py`.

One pass over a picture gives the sums of a fine grid (160x120 luma, 80x60 chroma). The retina and the analysis image
that gaze is chosen from are both exact means of groups of those sums, because integer cell bounds nest: cell i of w
starts where cell 2i of 2w starts. A base size that does not divide the fine grid costs a second pass.
"""

from dataclasses import dataclass

import numpy as np

from fsd.compression import pixel_kernels, pixel_kernels_8x8
from fsd.compression.budget import GRID_COLUMNS, GRID_ROWS, PATCH_PX, Budget
from fsd.data.errors import ClipError
from fsd.data.frames import Frame

ANALYSIS_ROWS, ANALYSIS_COLUMNS = 120, 160
"""The luma image that gaze is chosen from: 8 x 8 of its pixels are one block."""


def cell_bounds(source: int, cells: int) -> np.ndarray:
    """(2, cells) int32: first source pixel of every cell, and one past its last.

    Cell i covers floor(i * source / cells) … floor((i + 1) * source / cells) - 1, at least one pixel: a source smaller
    than the target is sampled by its nearest pixel to the left or above.
    """
    index = np.arange(cells, dtype=np.int64)
    first = index * source // cells
    return np.stack([first, np.maximum(first + 1, (index + 1) * source // cells)]).astype(np.int32)


@dataclass(frozen=True)
class _Grid:
    """Cell bounds of one target size in one source plane."""

    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, source: tuple[int, int], height: int, width: int) -> "_Grid":
        return cls(cell_bounds(source[0], height), cell_bounds(source[1], width))


class PictureSampler:
    """Reads pictures of one size: first the whole picture, then some of its blocks.

    Args:
        height_px, width_px: luma size of the pictures.
        budget: for the size of the base image.

    Raises:
        ClipError: the picture is too large for exact 16-bit column sums.
    """

    def __init__(self, height_px: int, width_px: int, budget: Budget) -> None:
        self.luma_shape = (height_px, width_px)
        self.chroma_shape = ((height_px + 1) // 2, (width_px + 1) // 2)
        base = budget.base_height_px, budget.base_width_px
        cell_area = -(-height_px // base[0]) * -(-width_px // base[1])
        cell_rows = max(-(-height_px // base[0]), -(-height_px // ANALYSIS_ROWS))
        if cell_rows > pixel_kernels.MAX_CELL_ROWS or cell_area > pixel_kernels.MAX_CELL_AREA:
            raise ClipError(
                f"A picture of {width_px}x{height_px} pixels is too large for a base image of {base[1]}x{base[0]}. "
                "Scale the video down, or use a budget with a larger base image."
            )
        fine_luma = _Grid.of(self.luma_shape, ANALYSIS_ROWS, ANALYSIS_COLUMNS)
        fine_chroma = _Grid.of(self.chroma_shape, ANALYSIS_ROWS // 2, ANALYSIS_COLUMNS // 2)
        self._group = self._nested_group(base)
        self._fine_luma = fine_luma
        self._is_reference_size = self._group in (1, 2, 4) and self.luma_shape == (960, 1280)
        if self._group:
            self._base_luma, self._base_chroma = fine_luma, fine_chroma
        else:
            self._base_luma = _Grid.of(self.luma_shape, *base)
            self._base_chroma = _Grid.of(self.chroma_shape, base[0] // 2, base[1] // 2)
        self._patch_luma = _Grid.of(self.luma_shape, GRID_ROWS * PATCH_PX, GRID_COLUMNS * PATCH_PX)
        self._patch_chroma = _Grid.of(self.chroma_shape, GRID_ROWS * PATCH_PX // 2, GRID_COLUMNS * PATCH_PX // 2)
        self._scratch = np.empty(width_px, np.uint16)
        self._luma_sums = np.empty((ANALYSIS_ROWS, ANALYSIS_COLUMNS), np.uint32)
        self._base_sums = self._luma_sums if self._group else np.empty(base, np.uint32)
        chroma = self._base_chroma
        self._chroma_sums = np.empty((2, chroma.rows.shape[1], chroma.columns.shape[1]), np.uint32)
        self._narrow_luma_sums = np.empty(self._luma_sums.shape, np.uint16)
        self._narrow_chroma_sums = np.empty((2, ANALYSIS_ROWS // 2, ANALYSIS_COLUMNS // 2), np.uint16)
        self._base_image = np.empty(base, np.uint8)

    def _nested_group(self, base: tuple[int, int]) -> int:
        """How many fine cells across make one base pixel; 0 where the grids do not nest."""
        group = ANALYSIS_ROWS // base[0]
        is_divisor = group > 0 and group * base[0] == ANALYSIS_ROWS and group * base[1] == ANALYSIS_COLUMNS
        is_finer_than_grid = (
            self.chroma_shape[0] >= ANALYSIS_ROWS // 2
            and self.chroma_shape[1] >= ANALYSIS_COLUMNS // 2
            and self.luma_shape[0] >= ANALYSIS_ROWS
            and self.luma_shape[1] >= ANALYSIS_COLUMNS
        )
        return group if is_divisor and is_finer_than_grid else 0

    def fits(self, frame: Frame) -> bool:
        """Whether all planes have the size and type that the cell bounds were made for."""
        y, u, v = frame.y_plane, frame.u_plane, frame.v_plane
        return (
            y.shape == self.luma_shape
            and u.shape == v.shape == self.chroma_shape
            and y.dtype == u.dtype == v.dtype == np.uint8
        )

    def read_whole(self, frame: Frame, analysis: np.ndarray, retina: np.ndarray) -> None:
        """Read every pixel once.

        Args:
            frame: a picture of this sampler's size.
            analysis: (120, 160) uint8, written: area mean of the luma.
            retina: (6, base_h / 2, base_w / 2) uint8, written: the base image, packed.
        """
        if self._is_reference_size:
            pixel_kernels_8x8.read_picture(
                frame.y_plane.view(np.uint64),
                frame.u_plane.view(np.uint64),
                frame.v_plane.view(np.uint64),
                self._narrow_luma_sums,
                self._narrow_chroma_sums,
                self._group,
                analysis,
                retina,
            )
            return
        fine, base, chroma = self._fine_luma, self._base_luma, self._base_chroma
        u_sums, v_sums = self._chroma_sums
        pixel_kernels.cell_sums(frame.y_plane, fine.rows, fine.columns, self._scratch, self._luma_sums)
        pixel_kernels.cell_means(self._luma_sums, fine.rows, fine.columns, 1, analysis)
        if not self._group:
            pixel_kernels.cell_sums(frame.y_plane, base.rows, base.columns, self._scratch, self._base_sums)
        pixel_kernels.cell_sums(frame.u_plane, chroma.rows, chroma.columns, self._scratch, u_sums)
        pixel_kernels.cell_sums(frame.v_plane, chroma.rows, chroma.columns, self._scratch, v_sums)
        pixel_kernels.pack_base(
            self._base_sums,
            base.rows,
            base.columns,
            u_sums,
            v_sums,
            chroma.rows,
            chroma.columns,
            self._group or 1,
            self._base_image,
            retina,
        )

    def read_blocks(self, frame: Frame, blocks: np.ndarray, first: int, last: int, patches: np.ndarray) -> None:
        """Resample blocks[first:last] of a picture to 32x32 patches[first:last].

        Args:
            frame: a picture of this sampler's size.
            blocks: (K,) int16, row * 20 + column.
            patches: (K, 6, 16, 16) uint8, written.
        """
        luma, chroma = self._patch_luma, self._patch_chroma
        pixel_kernels.read_patches(
            frame.y_plane,
            frame.u_plane,
            frame.v_plane,
            luma.rows,
            luma.columns,
            chroma.rows,
            chroma.columns,
            blocks,
            first,
            last,
            patches,
        )
