"""Gaze policies that do not depend on the pictures: baselines for the adaptive gaze.

Knows directions and tick counts only.
"""

import numpy as np

from fsd.compression.budget import ALL_BLOCKS
from fsd.compression.foveal_prior import foveal_prior
from fsd.compression.gaze import GazePolicy, Scene
from fsd.compression.token_rays import TokenRays


class FixedFoveation(GazePolicy):
    """The same blocks at every tick: those whose direction matters most, plus the sweep."""

    name = "fixed_foveation"
    uses_sweep = True

    def __init__(self, token_rays: TokenRays) -> None:
        self._prior = foveal_prior(token_rays.block_meta, token_rays.has_camera).reshape(-1)

    def score(self, scene: Scene, scores: np.ndarray, floors: np.ndarray, caps: np.ndarray) -> None:
        scores[:] = self._prior


class RandomGaze(GazePolicy):
    """Random blocks at every tick, by a hash of block, tick and seed."""

    name = "random"
    uses_sweep = False

    def __init__(self, seed: int = 0) -> None:
        self._blocks = np.arange(ALL_BLOCKS, dtype=np.uint64)
        self._seed = seed

    def score(self, scene: Scene, scores: np.ndarray, floors: np.ndarray, caps: np.ndarray) -> None:
        """SplitMix64 of the block's number in the sequence of all blocks of all ticks."""
        start = ((scene.count + 1) * ALL_BLOCKS + self._seed * 0x9E3779B97F4A7C15) % 2**64
        with np.errstate(over="ignore"):
            z = (self._blocks + np.uint64(start)) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        scores[:] = (z >> np.uint64(33)).astype(np.int64)


class DownscaleOnly(GazePolicy):
    """No patches: the base image only."""

    name = "downscale_only"
    uses_sweep = False

    def score(self, scene: Scene, scores: np.ndarray, floors: np.ndarray, caps: np.ndarray) -> None:
        scores[:] = -1
