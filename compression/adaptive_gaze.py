"""The adaptive gaze: scores blocks by foveal prior, surprise, age and the network's saliency, in whole numbers.

Knows scores only; how patches are assigned to blocks (floors, caps, sweep) is in `gaze.py`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fsd.compression.foveal_prior import foveal_prior
from fsd.compression.gaze import GazePolicy, Scene
from fsd.compression.overlap import better_views
from fsd.compression.priority_zone import priority_blocks
from fsd.compression.token_rays import TokenRays
from fsd.data.kernel import kernel
from fsd.data.options import Options, option
from fsd.data.rig import Rig

LOOK_AHEAD_S = 1.25
"""The fovea points to where the ego will be heading in this time; on an arc, that is where it will be in twice it."""

_HEADINGS, _HEADING_STEP_RAD = 6, 0.1

_OVERDUE_SCORE = 8192
"""More than everything else together: prior 1000, surprise 2500, saliency 800, age 240, by the default weights."""


@dataclass(frozen=True)
class GazeWeights(Options):
    """What the score of a block consists of. The scale is that of the foveal prior, which is at most 1000.

    Attributes:
        surprise: score of a block that is about 1 usual deviation above its noise, where the prior is 1000; half of
            it where the prior is 0.
        max_surprise: upper limit of the score by surprise.
        saliency: score of a saturated saliency request of the network; a request below 0 counts as none.
        age: score per tick since the block was last read, up to `max_age_ticks`.
        overlap: share of surprise and saliency, in 1/256, that remains where another camera has the better view.
        floor_share, cap_share: of the patches that are not swept, every valid camera gets at least 1/`floor_share`,
            and no camera more than `cap_share`/256.
        grant: a keyframe multiplies its camera's floor by this.
        max_revisit_ticks: blocks of the priority zone (`priority_zone.py`) are read again after this many ticks;
            0 switches the zone off.
        priority_share: the zone takes at most 1/`priority_share` of the patches that are not swept; where that is too
            few, blocks are read again later than after `max_revisit_ticks`.
    """

    surprise: int = option(200, at_least=0)
    max_surprise: int = option(2500, at_least=0)
    saliency: int = option(800, at_least=0)
    age: int = option(4, at_least=0)
    max_age_ticks: int = option(60, at_least=0)
    overlap: int = option(96, at_least=0, at_most=256)
    floor_share: int = option(24, at_least=1)
    cap_share: int = option(102, at_least=1, at_most=256)
    grant: int = option(2, at_least=0)
    max_revisit_ticks: int = option(3, at_least=0)
    priority_share: int = option(6, at_least=1)


class _Weights(NamedTuple):
    """`GazeWeights` in the kernels. Passed as a plain tuple: numba takes 1.5 us longer to recognise a named one."""

    surprise: int
    max_surprise: int
    saliency: int
    age: int
    max_age_ticks: int
    overlap: int
    floor_share: int
    cap_share: int
    grant: int


@kernel
def limit_cameras(
    is_valid: np.ndarray, is_keyframe: np.ndarray, weight_values: tuple[Any, ...], floors: np.ndarray, caps: np.ndarray
) -> None:
    """Turn the number of available patches, `caps` on entry, into every camera's floor and cap."""
    weights = _Weights(*weight_values)
    free, valid = caps[0], 0
    for camera in range(is_valid.shape[0]):
        valid += is_valid[camera]
    cameras = max(valid, 1)
    for camera in range(is_valid.shape[0]):
        floors[camera] = free // weights.floor_share * (weights.grant if is_keyframe[camera] else 1)
        caps[camera] = max(free * weights.cap_share // 256, (2 * free + cameras - 1) // cameras, 1)


@kernel
def _score(
    prior: np.ndarray,
    surprise: np.ndarray,
    saliency: np.ndarray,
    better: np.ndarray,
    is_valid: np.ndarray,
    last_read: np.ndarray,
    priority: np.ndarray,
    count: int,
    max_revisit_ticks: int,
    weight_values: tuple[Any, ...],
    out: np.ndarray,
) -> None:
    """Scores of all blocks, (8, 300) as all arrays here; -1 for cameras that are not valid.

    `priority` is added to the score of a block that was not read for `max_revisit_ticks`.
    """
    weights = _Weights(*weight_values)
    by_surprise, max_surprise = weights.surprise, weights.max_surprise
    by_saliency, overlap = np.float32(weights.saliency), weights.overlap
    by_age, max_age = weights.age, weights.max_age_ticks
    valid_bits = 0
    for camera in range(is_valid.shape[0]):
        if is_valid[camera]:
            valid_bits |= 1 << camera
    for camera in range(is_valid.shape[0]):
        scores = out[camera]
        if not is_valid[camera]:
            scores[:] = -1
            continue
        base, new, requests = prior[camera], surprise[camera], saliency[camera]
        views, read, overdue = better[camera], last_read[camera], priority[camera]
        for i in range(scores.shape[0]):  # without branches, so that it becomes wide instructions
            wanted = min((new[i] * by_surprise * (1000 + base[i])) >> 15, max_surprise)
            is_request = np.float32(0) < requests[i] < np.float32(1e30)  # neither NaN nor infinite
            saliency_request = requests[i] if is_request else np.float32(0)
            wanted += np.int64(by_saliency * (saliency_request / (np.float32(1) + saliency_request)))
            wanted = (wanted * (overlap if (views[i] & valid_bits) != 0 else 256)) >> 8
            age = count - read[i]
            by_priority = overdue[i] if age >= max_revisit_ticks else 0
            scores[i] = max(base[i] + wanted + by_age * min(age, max_age), 0) + by_priority


class AdaptiveGaze(GazePolicy):
    """The default policy of the compressor.

    Args:
        rig, token_rays: where blocks look.
        weights: of the parts of a score.
    """

    name = "adaptive"
    uses_sweep = True

    def __init__(self, rig: Rig, token_rays: TokenRays, weights: GazeWeights | None = None) -> None:
        self.weights = weights or GazeWeights()
        self._weight_values = tuple(getattr(self.weights, name) for name in _Weights._fields)
        headings_rad = [_HEADING_STEP_RAD * step for step in range(-_HEADINGS, _HEADINGS + 1)]
        self._priors = [foveal_prior(token_rays.block_meta, token_rays.has_camera, heading) for heading in headings_rad]
        self._better = better_views(rig, token_rays.block_meta)
        self._priority = priority_blocks(rig) * np.int64(_OVERDUE_SCORE if self.weights.max_revisit_ticks else 0)
        self._priority_count = int((self._priority > 0).sum())
        self._grid = self._better.shape
        self._no_saliency = np.zeros(self._grid, np.float32)

    def score(self, scene: Scene, scores: np.ndarray, floors: np.ndarray, caps: np.ndarray) -> None:
        revisit_ticks = self._revisit_ticks(int(caps[0]))
        last_read = scene.last_read.reshape(self._grid)
        self._score(scene, last_read, self._priority, scene.count, revisit_ticks, scores)
        limit_cameras(scene.is_valid, scene.is_keyframe, self._weight_values, floors, caps)

    def _revisit_ticks(self, free: int) -> int:
        """How often the blocks of the priority zone are read, with `free` patches that are not swept."""
        shortest_round_ticks = -(-self._priority_count * self.weights.priority_share // max(free, 1))
        return max(self.weights.max_revisit_ticks, shortest_round_ticks)

    def _score(
        self,
        scene: Scene,
        last_read: np.ndarray,
        priority: np.ndarray,
        count: int,
        revisit_ticks: int,
        scores: np.ndarray,
    ) -> None:
        heading = round(scene.yaw_rate_rps * LOOK_AHEAD_S / _HEADING_STEP_RAD)
        _score(
            self._priors[_HEADINGS + min(max(heading, -_HEADINGS), _HEADINGS)],
            scene.surprise,
            self._no_saliency if scene.saliency is None else scene.saliency.reshape(self._grid),
            self._better,
            scene.is_valid,
            last_read,
            priority,
            count,
            revisit_ticks,
            self._weight_values,
            scores.reshape(self._grid),
        )
