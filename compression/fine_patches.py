"""Fine patches: quarters of blocks at the camera's own resolution, where small and far things matter.

Chosen by value: the prior of the direction, times the detail of the analysis image and the saliency request of the
block. Reads no pixels of the pictures themselves; whole blocks, and with them all bounds on when a block is read again,
are the business of `gaze.py`.
"""

from collections.abc import Sequence

import numpy as np

from fsd.compression.foveal_prior import fine_prior
from fsd.compression.gaze import Scene, take_best
from fsd.compression.overlap import better_views
from fsd.compression.sampling import ANALYSIS_ROWS
from fsd.compression.tick import AGE, FILLED, META_SIZE, QUARTER_COLUMNS, QUARTER_ROWS, SURPRISE
from fsd.compression.token_rays import TokenRays, quarter_meta
from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS, GRID_ROWS, Frame
from fsd.data.kernel import kernel
from fsd.data.rig import Rig

MIN_FINE_PX = (720, 960)
"""Height and width from which on a picture has fine patches: 1.5 pixels per sample of a whole block's patch."""

EDGE = ANALYSIS_ROWS // QUARTER_ROWS
"""Analysis pixels across a quarter."""

_MIN_PRIOR = 200
"""Quarters below a fifth of the best direction's prior are no candidates: fewer cost less time."""

_MIN_SCORE = 64
"""Below this a quarter is not worth a patch; the best one has about 2000."""

_1 = np.uint64(1)
_FULL = 1024
_OVERLAP = 96
"""Share in 1/256 that remains where another camera has the better view, as in `GazeWeights`."""

_TURN_TICKS, _TURN_SCORE = 32, 8
"""Every quarter has a turn in this many ticks, before which its score rises by `_TURN_SCORE` per tick."""


@kernel
def fine_scores(
    analysis: np.ndarray,
    places: np.ndarray,
    prior: np.ndarray,
    better: np.ndarray,
    saliency: np.ndarray,
    has_fine: np.ndarray,
    valid_bits: int,
    count: int,
    keys: np.ndarray,
) -> None:
    """Write a unique key per candidate: its score times their number, plus its index; -1 where it is not wanted.

    Args:
        analysis: (8, 120, 160) uint8.
        places: (n, 3) int64 camera, row and column of quarters.
        prior: (n,) int64; better: (n,) uint8, bits of the cameras with a better view.
        saliency: (8, 15, 20) float32.
        has_fine: (8,) bool, cameras that are valid and fine enough; valid_bits: of all valid cameras.
        count: ticks since the start.
        keys: (n,) int64, written.
    """
    n = places.shape[0]
    for i in range(n):
        camera, row, column = places[i]
        keys[i] = -1
        if not has_fine[camera]:
            continue
        image, top, left = analysis[camera], EDGE * row, EDGE * column
        detail = np.int32(0)
        for j in range(EDGE):
            for k in range(EDGE - 1):  # unsigned indices: no check for negative ones
                y, x, below, right = np.uint64(top + j), np.uint64(left + k), np.uint64(top + k), np.uint64(left + j)
                detail += abs(np.int32(image[y, x + _1]) - np.int32(image[y, x]))
                detail += abs(np.int32(image[below + _1, right]) - np.int32(image[below, right]))
        request = saliency[camera, row // 2, column // 2]
        is_request = np.float32(0) < request < np.float32(1e30)  # neither NaN nor infinite
        wanted = request / (np.float32(1) + request) if is_request else np.float32(0)
        score = prior[i] * (min(2 * int(detail), _FULL) + int(np.float32(_FULL) * wanted)) // _FULL
        score = (score * (_OVERLAP if (better[i] & valid_bits) != 0 else 256)) >> 8
        if score >= _MIN_SCORE:
            score += _TURN_SCORE * ((count + 7 * i) % _TURN_TICKS)  # 7 is coprime to 32: neighbours take turns
            keys[i] = score * n + i


@kernel
def label_fine(
    whole: np.ndarray,
    fine: np.ndarray,
    places: np.ndarray,
    place_meta: np.ndarray,
    surprise: np.ndarray,
    camera_age_s: np.ndarray,
    patch_meta: np.ndarray,
    patch_camera: np.ndarray,
    patch_block: np.ndarray,
    patch_quarter: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Add to the labels of whole blocks the columns of foveated budgets, and the rows of the fine patches after them.

    Args:
        whole: (m,) int64 blocks of all cameras in the first rows; fine: (n,) int64 rising candidates for the next ones.
        places, place_meta: of the candidates, as in `FinePatches`.
        surprise: (8, 300) int64.
        ends: (8,) int64, written: where each camera's fine patches end.
    """
    count, total = whole.shape[0], patch_meta.shape[0]
    excess = surprise.reshape(-1)
    for i in range(total):
        patch_quarter[i] = -1
        if i < count:
            block = whole[i]
        elif i < count + fine.shape[0]:
            candidate = fine[i - count]
            camera, row, column = places[candidate]
            patch_camera[i] = camera
            patch_block[i] = row // 2 * GRID_COLUMNS + column // 2
            patch_quarter[i] = row % 2 * 2 + column % 2
            block = camera * BLOCKS + patch_block[i]
            for j in range(META_SIZE):
                patch_meta[i, j] = place_meta[candidate, j]
            patch_meta[i, AGE], patch_meta[i, FILLED] = camera_age_s[camera], 1
        else:
            patch_meta[i, 0] = -1
            patch_meta[i, SURPRISE] = 0
            continue
        patch_meta[i, SURPRISE] = np.float32(np.sqrt(excess[block] / 4096))
    end = count
    for camera in range(ends.shape[0]):
        while end < count + fine.shape[0] and patch_camera[end] == camera:
            end += 1
        ends[camera] = end


class FinePatches:
    """Chooses the fine patches of a tick. Has no state: the choice depends on this tick and its number only.

    Attributes:
        places: (n, 3) int64 camera, row and column in the 30 x 40 grid of the candidates, block by block.
        place_meta: (n, 8) float32 their meta rows, with age and filled still 0.
        ends: (8,) int64, where each camera's fine patches end.
    """

    def __init__(self, rig: Rig, token_rays: TokenRays, most: int) -> None:
        meta = quarter_meta(rig)
        prior = fine_prior(meta)
        camera, quarter = np.nonzero(prior >= _MIN_PRIOR)
        row, column = quarter // QUARTER_COLUMNS, quarter % QUARTER_COLUMNS
        order = np.lexsort((column, row, column // 2, row // 2, camera))
        camera, quarter, row, column = camera[order], quarter[order], row[order], column[order]
        self.places = np.stack([camera, row, column], axis=1).astype(np.int64)
        self.place_meta = meta[camera, quarter]
        self.ends = np.zeros(len(CAMERAS), np.int64)
        self._most = most
        self._cameras = sorted(set(camera.tolist()))
        self._has_fine = np.zeros(len(CAMERAS), bool)
        self._prior = prior[camera, quarter]
        blocks = row // 2 * GRID_COLUMNS + column // 2
        self._better = better_views(rig, token_rays.block_meta)[camera, blocks]
        self._keys = np.empty(len(self.places), np.int64)
        self._taken = np.empty(len(self.places), bool)
        self._no_saliency = np.zeros((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), np.float32)

    def choose(self, scene: Scene, frames: Sequence[Frame | None]) -> np.ndarray:
        """(n,) int64 rising candidates, at most `most`; `frames` for their sizes."""
        has_fine = self._has_fine
        for index in self._cameras:
            frame = frames[index] if scene.is_valid[index] else None
            has_fine[index] = frame is not None and _is_fine(frame)
        self._taken[:] = False
        if self._most and has_fine.any():
            saliency = self._no_saliency if scene.saliency is None else scene.saliency
            valid_bits = int(np.packbits(scene.is_valid, bitorder="little")[0])
            fine_scores(
                scene.analysis,
                self.places,
                self._prior,
                self._better,
                saliency,
                has_fine,
                valid_bits,
                scene.count,
                self._keys,
            )
            take_best(self._keys, self._most, self._taken)
        return np.flatnonzero(self._taken)


def _is_fine(frame: Frame) -> bool:
    height_px, width_px = frame.y_plane.shape
    return bool(height_px >= MIN_FINE_PX[0] and width_px >= MIN_FINE_PX[1])
