"""Gaze policies from the literature on video tokens, without ego-compensation: baselines for the residual.

Knows the analysis images (8 x 8 of their pixels are one block) and which blocks were read.
"""

import numpy as np

from fsd.compression.budget import ALL_BLOCKS
from fsd.compression.gaze import GazePolicy, Scene
from fsd.compression.sampling import ANALYSIS_COLUMNS, ANALYSIS_ROWS
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS

DROP_BELOW = 8.0
"""Mean absolute difference, in grey levels, below which a token repeats the one that was sent and is dropped."""

_SCALE = 1024
"""Scores are whole numbers; differences are kept to 1/1024 of a grey level."""


class RunLengthGaze(GazePolicy):
    """Threshold and run-length token dropping: a block is sent again only when its picture has changed.

    Every block is compared, in place, with what it showed when it was last sent; the most changed blocks at or above
    the threshold are sent. Blocks that were never sent come first. No ego-warp, no exposure fit, no noise floor, no
    prior.

    Source: Choudhury et al., "Don't Look Twice: Faster Video Transformers with Run-Length Tokenization", 2024; there
    consecutive frames are compared, here the last one that was sent, so that slow changes are not lost.
    """

    name = "run_length"
    uses_sweep = False

    def __init__(self, threshold: float = DROP_BELOW) -> None:
        if threshold < 0:
            raise ValueError(f"threshold must not be negative, got {threshold}.")
        self.threshold = threshold
        shape = (len(CAMERAS), ANALYSIS_ROWS, ANALYSIS_COLUMNS)
        self._sent, self._before = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)

    def reset(self) -> None:
        self._sent[:] = 0
        self._before[:] = 0

    def score(self, scene: Scene, scores: np.ndarray, floors: np.ndarray, caps: np.ndarray) -> None:
        """Change since the block was sent, -1 below the threshold."""
        was_read = (scene.last_read == scene.count - 1) & (scene.last_read >= 0)
        _blocks(self._sent)[...] = np.where(_per_block(was_read), _blocks(self._before), _blocks(self._sent))
        self._before[:] = scene.analysis
        change = np.abs(scene.analysis.astype(np.int16) - self._sent)
        grey_levels = _blocks(change).mean(axis=(2, 4)).reshape(-1)
        scores[:] = np.where(grey_levels >= self.threshold, np.rint(grey_levels * _SCALE), -1)
        scores[scene.last_read < 0] = 256 * _SCALE


class RasterGaze(GazePolicy):
    """Whole pictures, block after block: the blocks that were not read for the longest time, in raster order.

    With held pictures (`frame_selection`), a picture is sent in patches over as many ticks as its bytes need.
    """

    name = "raster"
    uses_sweep = False

    def __init__(self) -> None:
        self._order = np.arange(ALL_BLOCKS)[::-1]

    def score(self, scene: Scene, scores: np.ndarray, floors: np.ndarray, caps: np.ndarray) -> None:
        """Ticks since the last read; among equals the first in the raster."""
        age = np.where(scene.last_read < 0, scene.count + 1, scene.count - scene.last_read)
        scores[:] = age * ALL_BLOCKS + self._order


def _blocks(images: np.ndarray) -> np.ndarray:
    """(8, 120, 160) images as (8, 15, 8, 20, 8): a view."""
    rows, columns = ANALYSIS_ROWS // GRID_ROWS, ANALYSIS_COLUMNS // GRID_COLUMNS
    return images.reshape(len(CAMERAS), GRID_ROWS, rows, GRID_COLUMNS, columns)


def _per_block(values: np.ndarray) -> np.ndarray:
    """(2400,) values of blocks, to be broadcast over `_blocks`."""
    return values.reshape(len(CAMERAS), GRID_ROWS, 1, GRID_COLUMNS, 1)
