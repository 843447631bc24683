"""The gaze of foveated budgets: the adaptive gaze with turns by the clock instead of by the age of each block.

With ages, what is read depends on everything that was read before, so that a small difference of one saliency request
(INT8 against FP32) goes on for ever. Here a block's turn depends on the tick count only, and requests are averaged over
a few ticks, which takes out some of their rounding. Also knows how a small budget divides its patches.
"""

from dataclasses import replace

import numpy as np

from fsd.compression.adaptive_gaze import AdaptiveGaze, GazeWeights, limit_cameras
from fsd.compression.budget import ALL_BLOCKS, FEW_PATCHES, Budget
from fsd.compression.gaze import Scene, spread_order
from fsd.compression.token_rays import TokenRays
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.kernel import kernel
from fsd.data.rig import Rig

WEIGHTS = GazeWeights(surprise=300, age=2, overlap=160)
"""A turn comes to surprising and other blocks alike, where age favours blocks that were not read: so that a surprise is
read as soon as by age, it counts more, also where another camera has the better view, and the turn less."""

FEW_WEIGHTS = replace(WEIGHTS, surprise=200, overlap=200, floor_share=ALL_BLOCKS, cap_share=205, priority_share=12)
"""Of a budget with few patches: no camera has a floor, one may have four fifths of what is not swept, the zone has half
the share, and only large surprises draw the gaze from the fovea, but these from anywhere."""


class ClockedGaze(AdaptiveGaze):
    """Scores as `AdaptiveGaze` does, but a block's age, and when it is due in the priority zone, follow the clock.

    A block whose camera is valid all the time is due as often as with ages; after an absence it waits for its turn.

    Args:
        rig, token_rays: where blocks look.
        budget: foveated; decides the weights, and how often the priority zone is read when all fine patches are used.
    """

    name = "clocked"
    uses_fine = True

    def __init__(self, rig: Rig, token_rays: TokenRays, budget: Budget) -> None:
        super().__init__(rig, token_rays, FEW_WEIGHTS if budget.patch_count < FEW_PATCHES else WEIGHTS)
        fine = budget.fovea.fine_patches if budget.fovea is not None else 0
        self._round_ticks = max(self._revisit_ticks(budget.patch_count - budget.sweep_patches - fine), 1)
        period = self.weights.max_age_ticks + 1
        since = (np.arange(period)[:, None] + spread_order()) % period
        self._last_turn = -since.reshape(period, *self._grid)  # of all blocks, by tick modulo `period`
        self._due = np.zeros((self._round_ticks, *self._grid), np.int64)
        zone = np.argwhere(self._priority)
        for turn, (camera, block) in enumerate(zone.tolist()):
            self._due[turn % self._round_ticks, camera, block] = self._priority[camera, block]

    def score(self, scene: Scene, scores: np.ndarray, floors: np.ndarray, caps: np.ndarray) -> None:
        last_turn = self._last_turn[scene.count % len(self._last_turn)]
        due = self._due[scene.count % len(self._due)]
        self._score(scene, last_turn, due, 0, 0, scores)  # at count 0, every block that is due is overdue
        limit_cameras(scene.is_valid, scene.is_keyframe, self._weight_values, floors, caps)


def adaptive_policy(rig: Rig, token_rays: TokenRays, budget: Budget) -> AdaptiveGaze:
    """The compressor's own gaze for a budget."""
    return AdaptiveGaze(rig, token_rays) if budget.fovea is None else ClockedGaze(rig, token_rays, budget)


AVERAGE_SHIFT = 1
"""A tick's request counts 1/2^this of the average. Errors of INT8 are new at every tick (correlation 0.04 with those of
the tick before), while what is worth a look stays so. Slower averages miss more of what is asked for."""

_FULL = 1 << 16


@kernel
def _average(requests: np.ndarray, average: np.ndarray, out: np.ndarray) -> None:
    """Move the averages, (n,) int64 below 2^16, towards these requests, and write them as requests again."""
    for i in range(requests.shape[0]):
        is_request = np.float32(0) < requests[i] < np.float32(1e30)  # neither NaN nor infinite
        request = requests[i] if is_request else np.float32(0)
        saturated = np.int64(np.float32(_FULL - 1) * (request / (np.float32(1) + request)))
        average[i] += (saturated - average[i]) >> AVERAGE_SHIFT
        out[i] = np.float32(average[i]) / np.float32(_FULL - average[i])


class RequestAverage:
    """The saliency requests of the last ticks as one: the running mean of what they add to a score.

    In whole numbers, so that it is the same on every processor.
    """

    def __init__(self) -> None:
        self._average = np.zeros(ALL_BLOCKS, np.int64)
        self._requests = np.zeros((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), np.float32)

    def reset(self) -> None:
        """Forget all requests."""
        self._average[:] = 0

    def step(self, saliency: np.ndarray | None) -> np.ndarray | None:
        """(8, 15, 20) float32, valid until the next tick; None if there is no request at this one."""
        if saliency is None:
            return None
        _average(saliency.reshape(-1), self._average, self._requests.reshape(-1))
        return self._requests
