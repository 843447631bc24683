"""How many pixels enter the network per tick, and the compression ratio that follows.

Knows sizes only; which pixels are chosen is decided elsewhere.
"""

from dataclasses import dataclass

from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS, GRID_ROWS

PATCH_PX = 32
"""A gaze patch is 32x32 luma samples, area means of one block of its camera."""

PATCH_GRID_PX = (GRID_COLUMNS * PATCH_PX, GRID_ROWS * PATCH_PX)
"""Width and height of a whole picture in patch samples, 640x480, whatever the size of the picture.

A sample is the mean of 2x2 pixels where pictures have 1280x960, and one pixel where they have 640x480.
"""

ALL_BLOCKS = len(CAMERAS) * BLOCKS
"""Blocks of all cameras: camera * 300 + row * 20 + column."""

SWEEP_TICKS = 240
"""Every block is read again as a patch within this many ticks (see `Budget.sweep_ticks`)."""

MAX_BASE_PX = (1280, 960)
"""Width and height of a whole picture of the reference rig."""

REFERENCE_PIXELS = 8 * 1280 * 960
"""Raw luma pixels of one tick of the reference rig; the ratios are against these."""


@dataclass(frozen=True)
class Budget:
    """A fixed cost per tick: a base image of every camera and `patch_count` patches anywhere.

    `base_height_px` x `base_width_px` is the retina's luma size; both are even.
    """

    name: str
    base_height_px: int
    base_width_px: int
    patch_count: int

    def __post_init__(self) -> None:
        if self.base_height_px % 2 or self.base_width_px % 2 or self.base_height_px < 8 or self.base_width_px < 8:
            raise ValueError(
                "The base image needs an even size of at least 8 pixels, "
                f"got {self.base_width_px}x{self.base_height_px}."
            )
        if self.base_height_px > MAX_BASE_PX[1] or self.base_width_px > MAX_BASE_PX[0]:
            raise ValueError(
                f"The base image is at most {MAX_BASE_PX[0]}x{MAX_BASE_PX[1]} pixels, a whole picture of the reference "
                f"rig, got {self.base_width_px}x{self.base_height_px}."
            )
        if self.patch_count > ALL_BLOCKS:
            raise ValueError(f"A budget has at most {ALL_BLOCKS} patches per tick, got {self.patch_count}.")
        if self.patch_count < 1:
            raise ValueError(f"A budget needs at least one patch per tick, got {self.patch_count}.")

    @property
    def pixels(self) -> int:
        """Luma pixels that enter the network in one tick."""
        return len(CAMERAS) * self.base_height_px * self.base_width_px + self.patch_count * PATCH_PX * PATCH_PX

    @property
    def sweep_ticks(self) -> int:
        """Ticks within which every block of eight cameras is read again as a patch.

        240, or more where the sweep would take more than half of a small budget: the sweep of eight cameras in 240
        ticks takes all 10 patches of B200.
        """
        return max(SWEEP_TICKS, -(-ALL_BLOCKS // max(1, self.patch_count // 2)))

    @property
    def sweep_patches(self) -> int:
        """Patches per tick for the blocks that were not read for the longest time, for any number of cameras."""
        return -(-ALL_BLOCKS // self.sweep_ticks)

    def sweep_bound_ticks(self, cameras: int) -> int:
        """`sweep_ticks` for a number of cameras: with fewer, blocks are read again sooner."""
        return -(-cameras * BLOCKS // self.sweep_patches)

    @property
    def r_px(self) -> float:
        """Raw pixels of the reference rig over pixels into the network."""
        return REFERENCE_PIXELS / self.pixels

    @property
    def input_bytes(self) -> int:
        """Bytes of YUV 4:2:0 that enter the network in one tick."""
        return self.pixels * 3 // 2


BUDGETS = {
    budget.name: budget
    for budget in (
        Budget("B25", 120, 160, 234),
        Budget("B50", 120, 160, 42),
        Budget("B100", 60, 80, 58),
        Budget("B200", 60, 80, 10),
        Budget("B400", 30, 40, 14),
    )
}
