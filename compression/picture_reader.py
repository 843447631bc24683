"""Read the pictures of all cameras of a tick: analysis images, base images, and patches.

Knows frames and sizes; which camera is valid and which block becomes a patch is decided elsewhere. Pictures of the
reference size of all cameras go through one kernel call: between one call per camera, 1.8 MB of pixels would evict the
interpreter's own data from the cache.
"""

from collections.abc import Sequence

import numpy as np

from fsd.compression import patch_kernels_2x2, pixel_kernels_8x8
from fsd.compression.budget import Budget
from fsd.compression.sampling import PictureSampler
from fsd.data.errors import ClipError
from fsd.data.frames import CAMERAS, Frame

GREY = 128
"""What missing pictures and unused patches are filled with."""

Planes = tuple[np.ndarray, ...]
"""The same plane of eight cameras."""


class PictureReader:
    """Reads the cameras of one drive, tick by tick, for one budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._samplers: list[PictureSampler | None] = [None] * len(CAMERAS)
        self.reset()

    def reset(self) -> None:
        """Forget the drive; the next pictures are new ones."""
        self._shown: list[Frame | None] = [None] * len(CAMERAS)

    def read(
        self,
        frames: Sequence[Frame | None],
        is_valid: np.ndarray,
        analysis: np.ndarray,
        before: np.ndarray,
        retina: np.ndarray,
        retina_outer: np.ndarray | None = None,
    ) -> None:
        """Read every pixel of the new pictures once.

        A picture that the last tick showed too is not read again: its results are still there.

        Args:
            frames: one per camera; is_valid: (8,) bool, whose to read.
            analysis: (8, 120, 160) uint8, written for valid cameras: area mean of the luma.
            before: the same of the last tick.
            retina: (8, 6, base_h / 2, base_w / 2) uint8 of the last tick; written: the base images, packed, and grey
                for cameras that are not valid.
            retina_outer: the same of the outer cameras, in foveated budgets; `retina` has the others only.

        Raises:
            ClipError: a picture is too large, or the sizes of its planes do not match.
        """
        images = [*retina, *(() if retina_outer is None else retina_outer)]
        at_reference_size: list[int] = []
        for index, (frame, is_shown) in enumerate(zip(frames, is_valid.tolist(), strict=True)):
            if frame is None or not is_shown:
                self._shown[index] = None
                images[index][:] = GREY
            elif frame is self._shown[index]:
                analysis[index] = before[index]
            else:
                sampler = self._sampler(index, frame)
                self._shown[index] = frame
                if sampler.is_reference_size:
                    at_reference_size.append(index)
                else:
                    sampler.read_whole(frame, analysis[index], images[index])
        inner = len(retina)
        self._read_at_reference_size([index for index in at_reference_size if index < inner], 0, analysis, retina)
        if retina_outer is not None:
            outer = [index for index in at_reference_size if index >= inner]
            self._read_at_reference_size(outer, inner, analysis, retina_outer)

    def _read_at_reference_size(self, cameras: list[int], first: int, analysis: np.ndarray, retina: np.ndarray) -> None:
        """Read pictures of 1280x960 whose base images have one size; `retina` begins with camera `first`."""
        if not cameras:
            return
        planes = self._common_planes(cameras)
        group = self._samplers[cameras[0]].group  # type: ignore[union-attr]
        if planes is not None:
            y, u, v = (plane[first:] + plane[:first] for plane in planes)
            pixel_kernels_8x8.read_pictures(y, u, v, np.array(cameras) - first, group, analysis[first:], retina)
            return
        for index in cameras:
            pixel_kernels_8x8.read_picture(*self._planes(index), group, analysis[index], retina[index - first])

    def read_blocks(self, patch_block: np.ndarray, ends: np.ndarray, patches: np.ndarray) -> None:
        """Resample blocks of the pictures that were read last.

        Args:
            patch_block: (K,) int16, row * 20 + column, the first camera's first.
            ends: (8,) int64, where each camera's patches end.
            patches: (K, 6, 16, 16) uint8, written.
        """
        at_reference_size: list[int] = []
        first = 0
        for index, last in enumerate(ends.tolist()):
            frame, sampler = self._shown[index], self._samplers[index]
            if last > first and frame is not None and sampler is not None:
                if sampler.is_reference_size:
                    at_reference_size.append(index)
                else:
                    sampler.read_blocks(frame, patch_block, first, last, patches)
            first = last
        if not at_reference_size:
            return
        planes = self._common_planes(at_reference_size)
        if planes is not None:
            patch_kernels_2x2.read_all_patches(*planes, np.array(at_reference_size), patch_block, ends, patches)
            return
        for index in at_reference_size:
            begin = int(ends[index - 1]) if index else 0
            patch_kernels_2x2.read_patches(*self._planes(index), patch_block, begin, int(ends[index]), patches)

    def read_quarters(
        self, patch_block: np.ndarray, patch_quarter: np.ndarray, first: int, ends: np.ndarray, patches: np.ndarray
    ) -> None:
        """Resample quarters of blocks of the pictures that were read last, from row `first` on.

        Args:
            patch_block, patch_quarter: (K,) int16, row * 20 + column of the block, row * 2 + column of its quarter.
            first: row of the first camera's first quarter; ends: (8,) int64, where each camera's quarters end.
            patches: (K, 6, 16, 16) uint8, written.
        """
        for index, last in enumerate(ends.tolist()):
            frame, sampler = self._shown[index], self._samplers[index]
            if last > first and frame is not None and sampler is not None:
                sampler.read_quarters(frame, patch_block, patch_quarter, first, last, patches)
            first = last

    def _sampler(self, index: int, frame: Frame) -> PictureSampler:
        sampler = self._samplers[index]
        if sampler is None or not sampler.fits(frame):
            _check_planes(CAMERAS[index], frame)
            height_px, width_px = frame.y_plane.shape
            sampler = self._samplers[index] = PictureSampler(height_px, width_px, self._budget, index)
        return sampler

    def _planes(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        frame = self._shown[index]
        assert frame is not None
        return frame.y_plane, frame.u_plane, frame.v_plane

    def _common_planes(self, cameras: Sequence[int]) -> tuple[Planes, Planes, Planes] | None:
        """All luma planes, all u, all v, eight of each; None where cameras differ in memory layout.

        Kernels are compiled for a memory layout; entries of other cameras repeat the first one's planes, so that there
        are always eight.
        """
        filled = [self._planes(cameras[0])] * len(CAMERAS)
        y, u, v = filled[0]
        layout = y.flags.num, u.flags.num, v.flags.num  # padding between rows, alignment, read-only or not
        for index in cameras[1:]:
            y, u, v = filled[index] = self._planes(index)
            if (y.flags.num, u.flags.num, v.flags.num) != layout:
                return None
        y_planes, u_planes, v_planes = zip(*filled, strict=True)
        return y_planes, u_planes, v_planes


def _check_planes(name: str, frame: Frame) -> None:
    height, width = frame.y_plane.shape
    chroma = ((height + 1) // 2, (width + 1) // 2)
    for plane_name, plane, shape in (
        ("y_plane", frame.y_plane, (height, width)),
        ("u_plane", frame.u_plane, chroma),
        ("v_plane", frame.v_plane, chroma),
    ):
        if plane.dtype != np.uint8 or plane.shape != shape or plane.strides[1] != 1:
            raise ClipError(
                f"{name}: `{plane_name}` is {plane.shape} {plane.dtype}, expected {shape} uint8 with pixels side by "
                "side (planar YUV 4:2:0, 8 bit). Decode to yuv420p."
            )
