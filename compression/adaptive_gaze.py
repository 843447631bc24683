"""The adaptive gaze: prior, surprise, age and the network's own wishes, weighed against each other in whole numbers.

Knows scores only; how they are spent (floors, caps, sweep) is in `gaze.py`.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from fsd.compression.budget import Budget
from fsd.compression.foveal_prior import foveal_prior
from fsd.compression.gaze import Scene
from fsd.compression.overlap import better_views
from fsd.compression.token_geometry import TokenGeometry
from fsd.data.rig import Rig

LOOK_AHEAD_S = 1.25
"""The fovea points to where the ego will be heading in this time; on an arc, that is where it will be in twice it."""

_HEADINGS_RAD = np.linspace(-0.6, 0.6, 13)


@dataclass(frozen=True)
class GazeWeights:
    """What a block's score is made of; a foveal prior of 1000 is the yardstick.

    Attributes:
        surprise: score of a block that stands 1 usual deviation out of its noise, where the prior is 1000; half of it
            where the prior is 0.
        max_surprise: no block scores more by surprise alone.
        saliency: score of a saturated wish of the network.
        age: score per tick since the block was last read, up to `max_age_ticks`.
        overlap: what is left, in 1/256, of surprise and saliency where another camera sees the place better.
        floor_share, cap_share: of the patches that are not swept, at least 1/`floor_share` go to every valid camera,
            and at most `cap_share`/256 to any.
        grant: a keyframe multiplies its camera's floor by this.
    """

    surprise: int = 100
    max_surprise: int = 2000
    saliency: int = 300
    age: int = 4
    max_age_ticks: int = 60
    overlap: int = 96
    floor_share: int = 24
    cap_share: int = 102
    grant: int = 2


@njit(nogil=True, cache=True)
def _score(
    prior: np.ndarray,
    surprise: np.ndarray,
    saliency: np.ndarray,
    better: np.ndarray,
    is_valid: np.ndarray,
    last_read: np.ndarray,
    count: int,
    weights: tuple[int, ...],
    out: np.ndarray,
) -> None:
    by_surprise, max_surprise, by_saliency, by_age, max_age, overlap = weights
    cameras = is_valid.shape[0]
    blocks = prior.shape[0] // cameras
    valid_bits = 0
    for camera in range(cameras):
        if is_valid[camera]:
            valid_bits |= 1 << camera
    for camera in range(cameras):
        first, last = camera * blocks, (camera + 1) * blocks
        if not is_valid[camera]:
            out[first:last] = -1
            continue
        for i in range(first, last):
            wanted = min(surprise[i] * by_surprise * (1000 + prior[i]) // 32000, max_surprise)
            wish = saliency[i]
            if abs(wish) < 1e30:  # neither NaN nor infinite
                wanted += int(by_saliency * (wish / (1.0 + abs(wish))))
            if better[i] & valid_bits:
                wanted = wanted * overlap >> 8
            out[i] = max(prior[i] + wanted + by_age * min(count - last_read[i], max_age), 0)


class AdaptiveGaze:
    """The gaze policy of DESIGN section 4.

    Args:
        rig, geometry: where blocks look.
        budget: for the floors and caps.
        weights: what counts how much.
    """

    name = "adaptive"
    uses_sweep = True

    def __init__(self, rig: Rig, geometry: TokenGeometry, budget: Budget, weights: GazeWeights | None = None) -> None:
        self.weights = weights or GazeWeights()
        self._budget = budget
        priors = [foveal_prior(geometry.block_meta, geometry.has_camera, heading) for heading in _HEADINGS_RAD]
        self._priors = np.stack(priors).reshape(len(_HEADINGS_RAD), -1)
        self._better = better_views(rig, geometry.block_meta).reshape(-1)
        self._no_saliency = np.zeros(self._priors.shape[1], np.float32)

    def reset(self) -> None:
        """Nothing to forget: the state is in the scene."""

    def score(self, scene: Scene, scores: np.ndarray, floors: np.ndarray, caps: np.ndarray) -> None:
        """Scores of all blocks, floors and caps of all cameras."""
        weights = self.weights
        saliency = self._no_saliency if scene.saliency is None else scene.saliency.reshape(-1)
        heading = int(np.searchsorted(_HEADINGS_RAD, scene.yaw_rate_rps * LOOK_AHEAD_S - 0.05))
        _score(
            self._priors[min(heading, len(_HEADINGS_RAD) - 1)],
            scene.surprise.reshape(-1),
            saliency,
            self._better,
            scene.is_valid,
            scene.last_read,
            scene.count,
            (
                weights.surprise,
                weights.max_surprise,
                weights.saliency,
                weights.age,
                weights.max_age_ticks,
                weights.overlap,
            ),
            scores,
        )
        free = int(caps[0])  # what `Gaze` has to give this tick, without the sweep
        cameras = max(int(np.count_nonzero(scene.is_valid)), 1)
        floors[:] = free // weights.floor_share
        floors[scene.is_keyframe] *= weights.grant
        caps[:] = max(free * weights.cap_share // 256, -(-2 * free // cameras), 1)
