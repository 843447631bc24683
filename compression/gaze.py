"""Which blocks are read as patches: the interface of all gaze policies, and the oldest-first sweep.

Knows block indices and ages; the policy decides how much each block is wanted. A block index here runs over all
cameras: camera * 300 + row * 20 + column.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fsd.compression.budget import ALL_BLOCKS, Budget
from fsd.data.frames import CAMERAS
from fsd.data.kernel import kernel


@dataclass(frozen=True, slots=True)
class Scene:
    """What a policy sees: this tick, and nothing later.

    Attributes:
        count: ticks since the start.
        analysis: (8, 120, 160) uint8 luma of every camera.
        is_valid: (8,) bool.
        surprise: (8, 300) int64, see `ResidualDetector`.
        is_keyframe: (8,) bool.
        last_read: (2400,) int64, the count at which every block was last read, -1 before.
        yaw_rate_rps: of the ego, left positive; 0 where nothing is known.
        saliency: (8, 15, 20) float32, saliency request of the network after the last tick, or None.
    """

    count: int
    analysis: np.ndarray
    is_valid: np.ndarray
    surprise: np.ndarray
    is_keyframe: np.ndarray
    last_read: np.ndarray
    yaw_rate_rps: float
    saliency: np.ndarray | None


class GazePolicy(Protocol):
    """Scores blocks. One object serves one drive and may keep state; `reset` forgets it.

    `uses_sweep`: keep part of the budget for the oldest blocks, so that every block is read again.
    `uses_fine`: let foveated budgets take some patches from quarters of blocks.
    """

    name: str
    uses_sweep: bool
    uses_fine: bool = False

    def reset(self) -> None:
        """Forget the drive; nothing to do for a policy without state."""
        return

    def score(self, scene: Scene, scores: np.ndarray, floors: np.ndarray, caps: np.ndarray) -> None:
        """Score all blocks.

        Args:
            scene: this tick.
            scores: (2400,) int64 below 2^50, how much every block is wanted; the highest are read, negative ones not.
            floors: (8,) int64, minimum of patches per camera, if it has that many wanted blocks; 0 on entry.
            caps: (8,) int64, maximum per camera; on entry all patches except those of the sweep.
        """


def spread_order() -> np.ndarray:
    """(2400,) int64, a fixed permutation that breaks ties, so that equal blocks are spread over all cameras.

    A multiplicative walk (1427 is coprime to 2400) instead of a random generator: the same on every numpy.
    """
    return (np.arange(ALL_BLOCKS, dtype=np.int64) * 1427) % ALL_BLOCKS


@kernel
def _rank(keys: np.ndarray, best: np.ndarray) -> int:
    """The largest keys that are not below 0, falling, as many as `best` holds; returns how many there are."""
    held, room = 0, best.shape[0]
    for i in range(keys.shape[0]):
        key = keys[i]
        if key < 0 or room == 0 or (held == room and key < best[held - 1]):
            continue
        place = held if held < room else room - 1
        while place > 0 and best[place - 1] < key:
            best[place] = best[place - 1]
            place -= 1
        best[place] = key
        held = min(held + 1, room)
    return held


@kernel
def _assign(
    keys: np.ndarray,
    blocks: int,
    count: int,
    floors: np.ndarray,
    caps: np.ndarray,
    block_of_order: np.ndarray,
    taken: np.ndarray,
) -> None:
    """Give `count` patches to the best blocks: every camera its floor first, then the best of all below their caps.

    `keys` are unique (score times the number of blocks, plus order), so the result does not depend on the order
    of visits.
    """
    cameras = floors.shape[0]
    most = 0
    for camera in range(cameras):
        most = max(most, min(caps[camera], count))
    ranked = np.empty((cameras, most), np.int64)
    held, given = np.zeros(cameras, np.int64), np.zeros(cameras, np.int64)
    total = keys.shape[0]
    for camera in range(cameras):
        room = min(caps[camera], count)
        held[camera] = _rank(keys[camera * blocks : (camera + 1) * blocks], ranked[camera, :room])
    for _ in range(count):
        best_camera, best_key, best_is_floor = -1, np.int64(-1), False
        for camera in range(cameras):
            if given[camera] == held[camera]:
                continue
            key = ranked[camera, given[camera]]
            is_floor = given[camera] < floors[camera]
            if (is_floor and not best_is_floor) or (is_floor == best_is_floor and key > best_key):
                best_camera, best_key, best_is_floor = camera, key, is_floor
        if best_camera < 0:
            break
        given[best_camera] += 1
        taken[block_of_order[best_key % total]] = True


@kernel
def take_best(keys: np.ndarray, count: int, taken: np.ndarray) -> None:
    """Mark the `count` largest keys that are not below 0. Keys are unique, so the result is."""
    best = np.empty(count, np.int64)
    held = _rank(keys, best)
    if held > 0:
        threshold = best[held - 1]
        for i in range(keys.shape[0]):
            if keys[i] >= threshold:
                taken[i] = True


@kernel
def _choose(
    scores: np.ndarray,
    floors: np.ndarray,
    caps: np.ndarray,
    last_read: np.ndarray,
    order: np.ndarray,
    block_of_order: np.ndarray,
    is_valid: np.ndarray,
    patch_count: int,
    sweep_count: int,
    keys: np.ndarray,
    taken: np.ndarray,
    is_swept: np.ndarray,
    picked: np.ndarray,
) -> int:
    """Choose blocks for the budget; writes them, rising, into `picked` and returns how many there are."""
    total, cameras = scores.shape[0], is_valid.shape[0]
    blocks = total // cameras
    newest = last_read[0]
    for i in range(total):
        newest = max(newest, last_read[i])
    taken[:] = False
    is_swept[:] = False
    for i in range(total):
        keys[i] = scores[i] * total + order[i] if scores[i] >= 0 else -1
    for camera in range(cameras):
        if not is_valid[camera]:
            keys[camera * blocks : (camera + 1) * blocks] = -1
    _assign(keys, blocks, patch_count - sweep_count, floors, caps, block_of_order, taken)
    if sweep_count > 0:
        for i in range(total):
            keys[i] = -1 if taken[i] else (newest - last_read[i]) * total + order[i]
        for camera in range(cameras):
            if not is_valid[camera]:
                keys[camera * blocks : (camera + 1) * blocks] = -1
        take_best(keys, sweep_count, is_swept)
    count = 0
    for i in range(total):
        if taken[i] or is_swept[i]:
            picked[count] = i
            count += 1
    return count


class Gaze:
    """Chooses the blocks of every tick: those that the policy scores highest, then the oldest ones.

    Args:
        budget: `patch_count` patches, of which `sweep_count` go to the blocks that were not read for the longest time.
        policy: scores the blocks.

    The sweep's bound: a valid block waits behind every other block at most once, so with S sweep patches per tick it is
    read within ceil(blocks / S) ticks in which its camera is valid, whatever the policy does. S is made for eight
    cameras; fewer are read again sooner.

    Attributes:
        last_read: (2400,) int64 tick count of the last read; -1 before the first.
        scores: (2400,) int64 of the last `choose`.
        is_swept: (2400,) bool, blocks that the last `choose` read for their age.
        picked: (K,) int64 the blocks of the last `choose`, rising; only the first `count` entries count.
    """

    def __init__(self, budget: Budget, policy: GazePolicy) -> None:
        self.policy = policy
        self.patch_count = budget.patch_count
        self.sweep_count = budget.sweep_patches if policy.uses_sweep else 0
        self.last_read = np.empty(ALL_BLOCKS, np.int64)
        self.picked = np.empty(budget.patch_count, np.int64)
        self.count = 0
        self.scores = np.zeros(ALL_BLOCKS, np.int64)
        self.is_swept = np.zeros(ALL_BLOCKS, bool)
        self._floors = np.zeros(len(CAMERAS), np.int64)
        self._caps = np.zeros(len(CAMERAS), np.int64)
        self._keys = np.empty(ALL_BLOCKS, np.int64)
        self._taken = np.empty(ALL_BLOCKS, bool)
        self._order = spread_order()
        self._block_of_order = np.argsort(self._order)
        self.reset()

    def reset(self) -> None:
        """Forget what was read."""
        self.last_read[:] = -1
        self.count = 0
        self.policy.reset()

    def choose(self, scene: Scene, reserved: int = 0) -> np.ndarray:
        """(n,) int64 rising block indices to read at this tick, n <= K - `reserved`, which are used otherwise."""
        self._floors[:] = 0
        self._caps[:] = self.patch_count - reserved - self.sweep_count
        self.policy.score(scene, self.scores, self._floors, self._caps)
        self.count = _choose(
            self.scores,
            self._floors,
            self._caps,
            self.last_read,
            self._order,
            self._block_of_order,
            scene.is_valid,
            self.patch_count - reserved,
            self.sweep_count,
            self._keys,
            self._taken,
            self.is_swept,
            self.picked,
        )
        chosen = self.picked[: self.count]
        self.last_read[chosen] = scene.count
        return chosen
