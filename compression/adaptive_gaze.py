"""The adaptive gaze: prior, surprise, age and the network's own wishes, weighed against each other in whole numbers.

Knows scores only; how they are spent (floors, caps, sweep) is in `gaze.py`.
"""

from dataclasses import dataclass, fields

import numpy as np
from numba import njit

from fsd.compression.foveal_prior import foveal_prior
from fsd.compression.gaze import Scene
from fsd.compression.overlap import better_views
from fsd.compression.token_geometry import TokenGeometry
from fsd.compression.watch import watch_blocks
from fsd.data.rig import Rig

LOOK_AHEAD_S = 1.25
"""The fovea points to where the ego will be heading in this time; on an arc, that is where it will be in twice it."""

_HEADINGS, _HEADING_STEP_RAD = 6, 0.1

_DUE = 8192
"""More than all else together can score: prior 1000, surprise 2500, wishes 800, age 240, by the usual weights."""


@dataclass(frozen=True)
class GazeWeights:
    """What a block's score is made of; a foveal prior of 1000 is the yardstick.

    Attributes:
        surprise: score of a block that stands 1 usual deviation out of its noise, about, where the prior is 1000; half
            of it where the prior is 0.
        max_surprise: no block scores more by surprise alone.
        saliency: score of a saturated wish of the network; a wish below 0 asks for nothing.
        age: score per tick since the block was last read, up to `max_age_ticks`.
        overlap: what is left, in 1/256, of surprise and saliency where another camera sees the place better.
        floor_share, cap_share: of the patches that are not swept, at least 1/`floor_share` go to every valid camera,
            and at most `cap_share`/256 to any.
        grant: a keyframe multiplies its camera's floor by this.
        watch_ticks: the blocks of the watch (`watch.py`) are read again after so many ticks; 0 keeps no watch.
        watch_share: or after more, so that the watch takes at most 1/`watch_share` of the patches that are not swept.
    """

    surprise: int = 200
    max_surprise: int = 2500
    saliency: int = 800
    age: int = 4
    max_age_ticks: int = 60
    overlap: int = 96
    floor_share: int = 24
    cap_share: int = 102
    grant: int = 2
    watch_ticks: int = 3
    watch_share: int = 6

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name} must not be negative, got {getattr(self, field.name)}.")
        if self.floor_share < 1 or self.watch_share < 1:
            raise ValueError(
                f"floor_share and watch_share must be at least 1, got {self.floor_share} and {self.watch_share}."
            )
        if not 1 <= self.cap_share <= 256 or self.overlap > 256:
            raise ValueError(
                f"cap_share must be 1 … 256 and overlap at most 256, got {self.cap_share} and {self.overlap}."
            )


@njit(nogil=True, cache=True, error_model="numpy")
def _share(
    is_valid: np.ndarray,
    is_keyframe: np.ndarray,
    shares: np.ndarray,
    floors: np.ndarray,
    caps: np.ndarray,
) -> None:
    """Turn the number of patches there are, `caps` on entry, into every camera's floor and cap."""
    floor_share, cap_share, grant = shares
    free, cameras = caps[0], max(is_valid.sum(), 1)
    for camera in range(is_valid.shape[0]):
        floors[camera] = free // floor_share * (grant if is_keyframe[camera] else 1)
        caps[camera] = max(free * cap_share // 256, (2 * free + cameras - 1) // cameras, 1)


@njit(nogil=True, cache=True, error_model="numpy")
def _score(
    prior: np.ndarray,
    surprise: np.ndarray,
    saliency: np.ndarray,
    better: np.ndarray,
    is_valid: np.ndarray,
    last_read: np.ndarray,
    watch: np.ndarray,
    count: int,
    watch_ticks: int,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    """Scores of all blocks, (8, 300) as all arrays here; -1 for cameras that are not valid.

    `watch` holds what a block of the watch scores on top once it was not read for `watch_ticks`.
    """
    by_surprise, max_surprise, by_saliency, by_age, max_age, overlap = weights
    valid_bits = 0
    for camera in range(is_valid.shape[0]):
        if is_valid[camera]:
            valid_bits |= 1 << camera
    for camera in range(is_valid.shape[0]):
        scores = out[camera]
        if not is_valid[camera]:
            scores[:] = -1
            continue
        base, new, wishes = prior[camera], surprise[camera], saliency[camera]
        views, read, due = better[camera], last_read[camera], watch[camera]
        for i in range(scores.shape[0]):  # without branches, so that it becomes wide instructions
            wanted = min((new[i] * by_surprise * (1000 + base[i])) >> 15, max_surprise)
            is_wish = np.float32(0) < wishes[i] < np.float32(1e30)  # neither NaN nor infinite
            wish = wishes[i] if is_wish else np.float32(0)
            wanted += np.int64(np.float32(by_saliency) * (wish / (np.float32(1) + wish)))
            wanted = (wanted * (overlap if (views[i] & valid_bits) != 0 else 256)) >> 8
            age = count - read[i]
            scores[i] = max(base[i] + wanted + by_age * min(age, max_age), 0) + (due[i] if age >= watch_ticks else 0)


class AdaptiveGaze:
    """The policy that the compressor takes if not told otherwise.

    Args:
        rig, geometry: where blocks look.
        weights: what counts how much.
    """

    name = "adaptive"
    uses_sweep = True

    def __init__(self, rig: Rig, geometry: TokenGeometry, weights: GazeWeights | None = None) -> None:
        self.weights = w = weights or GazeWeights()
        # Arrays, not tuples: numba looks at every element of a tuple at every call.
        self._score_weights = np.array([w.surprise, w.max_surprise, w.saliency, w.age, w.max_age_ticks, w.overlap])
        self._shares = np.array([w.floor_share, w.cap_share, w.grant])
        headings_rad = [_HEADING_STEP_RAD * step for step in range(-_HEADINGS, _HEADINGS + 1)]
        self._priors = [foveal_prior(geometry.block_meta, geometry.has_camera, heading) for heading in headings_rad]
        self._better = better_views(rig, geometry.block_meta)
        self._watch = watch_blocks(rig) * np.int64(_DUE if w.watch_ticks else 0)
        self._watch_count = int((self._watch > 0).sum())
        self._grid = self._better.shape
        self._no_saliency = np.zeros(self._grid, np.float32)

    def reset(self) -> None:
        """Nothing to forget: the state is in the scene."""

    def score(self, scene: Scene, scores: np.ndarray, floors: np.ndarray, caps: np.ndarray) -> None:
        """Scores of all blocks, floors and caps of all cameras."""
        heading = round(scene.yaw_rate_rps * LOOK_AHEAD_S / _HEADING_STEP_RAD)
        free = max(int(caps[0]), 1)
        watch_ticks = max(self.weights.watch_ticks, -(-self._watch_count * self.weights.watch_share // free))
        _score(
            self._priors[_HEADINGS + min(max(heading, -_HEADINGS), _HEADINGS)],
            scene.surprise,
            self._no_saliency if scene.saliency is None else scene.saliency.reshape(self._grid),
            self._better,
            scene.is_valid,
            scene.last_read.reshape(self._grid),
            self._watch,
            scene.count,
            watch_ticks,
            self._score_weights,
            scores.reshape(self._grid),
        )
        _share(scene.is_valid, scene.is_keyframe, self._shares, floors, caps)
