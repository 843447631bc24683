"""How many pixels enter the network per tick, and the compression ratio that follows.

Knows sizes only; which pixels are chosen is decided elsewhere.
"""

from dataclasses import dataclass, replace

from fsd.compression.tick import FOVEATED_META_SIZE, META_SIZE
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


FEW_PATCHES = 30
"""A foveated budget with fewer patches per tick leaves nearly all of them to the best blocks, whichever camera's."""

FEW_SWEEP_SHARE = 10


@dataclass(frozen=True)
class Fovea:
    """Unequal resolution: a smaller base image for the outer cameras, and some patches at twice the resolution.

    A budget with a fovea also chooses patches by `ClockedGaze`, and its patch rows tell how surprising a block is.

    Attributes:
        outer_cameras: how many cameras, the last ones of `CAMERAS`, are outer ones: 3 are both repeaters and the rear
            camera, 5 the pillars too.
        outer_height_px, outer_width_px: luma size of their base images; even.
        fine_patches: at most this many of the patches of a tick are fine.
        patch_count_max: patch slots of the network, filled or not; 0 for as many as there are patches.
    """

    outer_cameras: int
    outer_height_px: int
    outer_width_px: int
    fine_patches: int
    patch_count_max: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.outer_cameras < len(CAMERAS):
            raise ValueError(f"A fovea has 1 to {len(CAMERAS) - 1} outer cameras, got {self.outer_cameras}.")


@dataclass(frozen=True)
class Budget:
    """A fixed cost per tick: a base image of every camera and `patch_count` patches anywhere.

    `base_height_px` x `base_width_px` is the retina's luma size; both are even. With `fovea`, the last cameras have a
    smaller one, and some patches may be finer.
    """

    name: str
    base_height_px: int
    base_width_px: int
    patch_count: int
    fovea: Fovea | None = None

    def __post_init__(self) -> None:
        for height_px, width_px in (self.base_px(0), self.base_px(-1)):
            if height_px % 2 or width_px % 2 or height_px < 8 or width_px < 8:
                raise ValueError(f"The base image needs an even size of at least 8 pixels, got {width_px}x{height_px}.")
            if height_px > MAX_BASE_PX[1] or width_px > MAX_BASE_PX[0]:
                raise ValueError(
                    f"The base image is at most {MAX_BASE_PX[0]}x{MAX_BASE_PX[1]} pixels, a whole picture of the "
                    f"reference rig, got {width_px}x{height_px}."
                )
        if self.patch_count > ALL_BLOCKS:
            raise ValueError(f"A budget has at most {ALL_BLOCKS} patches per tick, got {self.patch_count}.")
        if self.patch_count < 1:
            raise ValueError(f"A budget needs at least one patch per tick, got {self.patch_count}.")
        most = self.patch_count - self.sweep_patches
        if self.fovea is not None and not 0 <= self.fovea.fine_patches <= most:
            raise ValueError(
                f"A budget of {self.patch_count} patches has 0 to {most} fine ones, got {self.fovea.fine_patches}."
            )
        if self.patch_slots < self.patch_count:
            raise ValueError(f"patch_count_max must be at least {self.patch_count}, got {self.patch_slots}.")

    @property
    def outer_cameras(self) -> int:
        """How many of the cameras, the last ones, have the smaller base image of the fovea."""
        return self.fovea.outer_cameras if self.fovea is not None else 0

    def base_px(self, camera: int) -> tuple[int, int]:
        """Height and width of the base image of a camera, by its index in `CAMERAS`."""
        if self.fovea is not None and camera % len(CAMERAS) >= len(CAMERAS) - self.outer_cameras:
            return self.fovea.outer_height_px, self.fovea.outer_width_px
        return self.base_height_px, self.base_width_px

    @property
    def patch_slots(self) -> int:
        """Rows of the patch arrays: `patch_count`, or more where one network serves several budgets."""
        return (self.fovea.patch_count_max if self.fovea is not None else 0) or self.patch_count

    def with_patches(self, patch_count: int) -> "Budget":
        """This foveated budget with at most as many patches per tick, the same share of them fine, in the same arrays.

        So that one network is trained with, and serves, any number of patches.
        """
        if self.fovea is None:
            raise ValueError(f"The arrays of {self.name} have no room for unused patches; use a foveated budget.")
        fine = self.fovea.fine_patches * patch_count // self.patch_count
        fovea = replace(self.fovea, fine_patches=fine, patch_count_max=self.patch_slots)
        return replace(self, name=f"{self.name}+{patch_count}", patch_count=patch_count, fovea=fovea)

    @property
    def patch_meta_size(self) -> int:
        """Columns of `patch_meta`."""
        return META_SIZE if self.fovea is None else FOVEATED_META_SIZE

    @property
    def pixels(self) -> int:
        """Luma pixels that enter the network in one tick; empty patch slots hold none."""
        base = sum(height_px * width_px for height_px, width_px in map(self.base_px, range(len(CAMERAS))))
        return base + self.patch_count * PATCH_PX * PATCH_PX

    @property
    def sweep_ticks(self) -> int:
        """Ticks within which every block of eight cameras is read again as a patch.

        240, or more where the sweep would take more than half of a small budget: the sweep of eight cameras in 240
        ticks takes all 10 patches of B200. A foveated budget of fewer than `FEW_PATCHES` spends a tenth of them.
        """
        share = FEW_SWEEP_SHARE if self.fovea is not None and self.patch_count < FEW_PATCHES else 2
        return max(SWEEP_TICKS, -(-ALL_BLOCKS // max(1, self.patch_count // share)))

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
"""Budgets that give all cameras the same resolution."""

_FOVEATED = (("F50", 165, 24), ("F100", 69, 12), ("F200", 21, 4))

FOVEATED_BUDGETS = {
    name: Budget(name, 60, 80, patches, Fovea(3, 30, 40, fine_patches)) for name, patches, fine_patches in _FOVEATED
}
"""Budgets with a fovea: the base images of both repeaters and of the rear camera are 40x30, of the others 80x60."""

ALL_BUDGETS = BUDGETS | FOVEATED_BUDGETS

DEFAULT_BUDGET = "F100"
"""Of the packaged network, and of everything that names no other."""
