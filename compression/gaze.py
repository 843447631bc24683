"""Which blocks are read at full resolution: the interface of all gaze policies, and the oldest-first sweep.

Knows block indices and ages; what makes a block interesting is the policy's own business. A block index here runs over
all cameras: camera * 300 + row * 20 + column.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numba import njit

from fsd.compression.budget import Budget
from fsd.compression.token_geometry import BLOCKS
from fsd.data.frames import CAMERAS

ALL_BLOCKS = len(CAMERAS) * BLOCKS


@dataclass(frozen=True, slots=True)
class Scene:
    """What a policy may look at: this tick, and nothing later.

    `analysis` (8, 120, 160) uint8 luma of every camera; `is_valid` (8,) bool; `last_read` (2400,) int64, the tick count
    at which every block was last read, negative before; `count` is this tick's; `saliency` (8, 15, 20) or None.
    """

    count: int
    analysis: np.ndarray
    is_valid: np.ndarray
    last_read: np.ndarray
    saliency: np.ndarray | None


class GazePolicy(Protocol):
    """Chooses blocks. One object serves one drive and may keep state; `reset` forgets it.

    `uses_sweep`: keep part of the budget for the oldest blocks, so that none is ever forgotten.
    """

    name: str
    uses_sweep: bool

    def reset(self) -> None:
        """Forget the drive."""
        ...

    def score(self, scene: Scene, out: np.ndarray) -> None:
        """Write how much every block is wanted, (2400,) int64; the highest are read, negative ones never."""
        ...


def spread_order() -> np.ndarray:
    """(2400,) int64, a fixed permutation: ties are broken by it, so that they fall all over all cameras.

    A multiplicative walk (1427 is coprime to 2400) instead of a random generator: the same on every numpy.
    """
    return (np.arange(ALL_BLOCKS, dtype=np.int64) * 1427) % ALL_BLOCKS


@njit(nogil=True, cache=True)
def _take_best(keys: np.ndarray, count: int, taken: np.ndarray) -> int:
    """Mark the `count` largest keys that are not below 0 and not yet taken. Keys are unique, so there is one answer."""
    best = np.empty(count, np.int64)
    held = 0
    for i in range(keys.shape[0]):
        key = keys[i]
        if key < 0 or taken[i] or (held == count and (count == 0 or key < best[held - 1])):
            continue
        place = held if held < count else count - 1
        while place > 0 and best[place - 1] < key:
            best[place] = best[place - 1]
            place -= 1
        best[place] = key
        held = min(held + 1, count)
    if held == 0:
        return 0
    threshold = best[held - 1]
    for i in range(keys.shape[0]):
        if keys[i] >= threshold and not taken[i]:
            taken[i] = True
    return held


@njit(nogil=True, cache=True)
def _choose(
    scores: np.ndarray,
    last_read: np.ndarray,
    order: np.ndarray,
    is_valid: np.ndarray,
    patch_count: int,
    sweep_count: int,
    keys: np.ndarray,
    taken: np.ndarray,
    picked: np.ndarray,
) -> int:
    blocks = scores.shape[0] // is_valid.shape[0]
    for i in range(scores.shape[0]):
        taken[i] = False
        seen = is_valid[i // blocks]
        keys[i] = scores[i] * scores.shape[0] + order[i] if seen and scores[i] >= 0 else -1
    _take_best(keys, patch_count - sweep_count, taken)
    if sweep_count > 0:
        newest = last_read.max()
        for i in range(scores.shape[0]):
            keys[i] = (newest - last_read[i]) * scores.shape[0] + order[i] if is_valid[i // blocks] else -1
        _take_best(keys, sweep_count, taken)
    count = 0
    for i in range(scores.shape[0]):
        if taken[i]:
            picked[count] = i
            count += 1
    return count


class Gaze:
    """Spends a budget: a policy's best blocks, then the oldest ones.

    Args:
        budget: `patch_count` patches, of which `sweep_patches` go to the blocks that were not read for longest.
        policy: says what is wanted.
        camera_count: how many cameras the rig has.

    The sweep's bound: a valid block waits behind every other block at most once, so with S sweep patches a tick it is
    read within ceil(blocks / S) ticks in which its camera is valid, whatever the policy does.

    Attributes:
        last_read: (2400,) int64 tick count of the last read; -1 before the first.
        picked: (K,) int64 the blocks of the last `choose`, rising; only the first `count` entries count.
    """

    def __init__(self, budget: Budget, policy: GazePolicy, camera_count: int) -> None:
        self.policy = policy
        self.patch_count = budget.patch_count
        self.sweep_count = min(-(-camera_count * BLOCKS // budget.sweep_ticks), budget.patch_count)
        if not policy.uses_sweep:
            self.sweep_count = 0
        self.last_read = np.empty(ALL_BLOCKS, np.int64)
        self.picked = np.empty(budget.patch_count, np.int64)
        self.count = 0
        self._scores = np.empty(ALL_BLOCKS, np.int64)
        self._keys = np.empty(ALL_BLOCKS, np.int64)
        self._taken = np.empty(ALL_BLOCKS, bool)
        self._order = spread_order()
        self.reset()

    def reset(self) -> None:
        """Forget what was read."""
        self.last_read[:] = -1
        self.count = 0
        self.policy.reset()

    def choose(self, scene: Scene) -> np.ndarray:
        """(n,) int64 rising block indices to read at this tick, n <= K."""
        self.policy.score(scene, self._scores)
        self.count = _choose(
            self._scores,
            self.last_read,
            self._order,
            scene.is_valid,
            self.patch_count,
            self.sweep_count,
            self._keys,
            self._taken,
            self.picked,
        )
        chosen = self.picked[: self.count]
        self.last_read[chosen] = scene.count
        return chosen
