"""What the compressor passes to the network for one tick: `CompressedTick`.

Static shapes: N = 8 cameras, K = patches of the budget, 112 memory slots, whatever the cameras show.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from fsd.data.frames import GRID_COLUMNS, GRID_ROWS

META_SIZE = 8
"""Per token: camera index, ray x y z (unit, ego frame), angular width rad, angular height rad, age s, filled 0/1."""

AGE, FILLED = 6, 7
"""Columns of such a row that change from tick to tick; the others come from `token_rays.py`."""

SURPRISE, FOVEATED_META_SIZE = 8, 9
"""Rows of patches have one more column in foveated budgets: the surprise of the block (see `ResidualDetector`), as
sqrt(surprise / 4096), 0 … 1. Four usual deviations above its noise are 0.125."""

QUARTER_ROWS, QUARTER_COLUMNS = 2 * GRID_ROWS, 2 * GRID_COLUMNS
"""A fine patch is 32x32 samples of a quarter of a block; a camera has 30 x 40 quarters."""

RETINA_TOKENS = 12
"""Tokens per camera that the base image gives: 3 rows x 4 columns."""

TIME_SLOTS, NEAR_SLOTS, FAR_SLOTS, EVENT_SLOTS = 32, 32, 32, 16
MEMORY_SLOTS = TIME_SLOTS + NEAR_SLOTS + FAR_SLOTS + EVENT_SLOTS
"""112: a time queue, two distance queues (1 m and 4 m), and an event reservoir, in this order."""

MEMORY_POSE_SIZE = 6
"""Per slot: x m, y m, sin yaw, cos yaw of the ego at the commit in the present ego frame, age s, queue (0-3)."""

MAX_COMMITS = 4
"""One commit per queue and tick at most."""


@dataclass(frozen=True, slots=True)
class CompressedTick:
    """One tick, compressed.

    The arrays belong to the compressor: they are valid until its next `step` or `reset`, which writes into the same
    memory. `copy` what has to live longer.

    Attributes:
        retina: (8, 6, base_h/2, base_w/2) uint8; YUV 4:2:0 packed space-to-depth, channels Y00 Y01 Y10 Y11 U V.
            Missing cameras are filled with mid grey (128).
        retina_meta: (8, 12, 8) float32, one row of `META_SIZE` per retina token.
        patches: (K, 6, 16, 16) uint8, same packing. Unused patches are mid grey and have `filled` 0.
        patch_meta: (K, 8) float32.
        patch_camera, patch_block: (K,) int16, rising; block = row * 20 + column; -1 where unused.
        camera_valid: (8,) float32, 1 or 0.
        camera_age_s: (8,) float32, 0 where invalid.
        memory_pose: (112, 6) float32.
        memory_valid: (112,) float32, 1 or 0: slots that the network may attend to at this tick.
        commit_slots: (4,) int16, the slots that this tick's `new_k`, `new_v` go into after inference; -1 unused.
        is_keyframe: (8,) bool, cameras with a keyframe at this tick: they get more patches and, where a surprise is
            the reason, a slot of the event reservoir.

    Foveated budgets (`Budget.fovea`): `retina` has the first cameras only, `retina_outer` (n, 6, h/2, w/2) the others;
    `patch_meta` is (K, 9); K is `Budget.patch_slots`. Patches of whole blocks come first, then the fine ones, both
    rising, then unused ones, whose camera in `patch_meta` is -1. `patch_quarter` (K,) int16 is row * 2 + column of the
    quarter of the block that a fine patch shows, -1 for whole blocks. Both are None in other budgets.
    """

    tick: int
    timestamp_ns: int
    retina: np.ndarray
    retina_meta: np.ndarray
    patches: np.ndarray
    patch_meta: np.ndarray
    patch_camera: np.ndarray
    patch_block: np.ndarray
    camera_valid: np.ndarray
    camera_age_s: np.ndarray
    memory_pose: np.ndarray
    memory_valid: np.ndarray
    commit_slots: np.ndarray
    is_keyframe: np.ndarray
    retina_outer: np.ndarray | None = None
    patch_quarter: np.ndarray | None = None

    @property
    def of_fovea(self) -> tuple[np.ndarray, ...]:
        """`retina_outer` and `patch_quarter`; nothing in budgets without a fovea."""
        return tuple(array for array in (self.retina_outer, self.patch_quarter) if array is not None)

    def base_image(self, camera: int) -> np.ndarray:
        """(6, base_h/2, base_w/2) uint8 of one camera."""
        inner = len(self.retina)
        if self.retina_outer is None or camera < inner:
            image: np.ndarray = self.retina[camera]
        else:
            image = self.retina_outer[camera - inner]
        return image

    def patch_boxes(self, camera: int) -> np.ndarray:
        """(n, 3) float: what the patches of a camera show, as left column, top row and side in blocks.

        The side is 1, or 0.5 for fine patches.
        """
        is_own = self.patch_camera == camera
        rows, columns = np.divmod(self.patch_block[is_own].astype(np.float64), GRID_COLUMNS)
        quarter = np.full(len(rows), -1) if self.patch_quarter is None else self.patch_quarter[is_own]
        is_fine = quarter >= 0
        down, right = np.divmod(np.where(is_fine, quarter, 0) / 2, 1)
        return np.stack([columns + right, rows + down / 2, np.where(is_fine, 0.5, 1.0)], axis=1)

    def copy(self) -> "CompressedTick":
        """The same tick with arrays of its own."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        copies: dict[str, Any] = {name: value.copy() for name, value in values.items() if isinstance(value, np.ndarray)}
        return replace(self, **copies)
