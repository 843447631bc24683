"""Judge from picture motion which cameras are swapped or turned: evidence over many samples, and a cautious verdict.

A sample is the motion of one camera's blocks and the car's motion meanwhile. Every hypothesis about the camera predicts
the directions; it is scored by their agreement, from -1 to 1. Samples in which a hypothesis predicts much the same as
the right mounting do not count for it: driving straight on does not tell a front camera that is upside down.
"""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.mounting.expected_motion import HYPOTHESES, QUARTER_TURNS, ExpectedMotion
from fsd.data.frames import CAMERAS
from fsd.data.kernel import kernel

MIN_MOTION_PX = 0.6
MIN_BLOCKS = 4
"""Blocks with a clear motion of at least this that a sample needs."""

MAX_SAME = 0.5
"""A sample counts for a hypothesis if its predictions agree with those of the right mounting at most this much."""

JUDGED_SAMPLES = len(CAMERAS)
"""Verdicts are given anew after this many samples of any cameras."""

MIN_SAMPLES = 16.0
"""Samples (older ones count less) that a verdict needs."""

FADING = 1 - 1 / 32
"""Weight of a sample after the next one of its camera."""

PROVEN, LEAD = 0.55, 0.5
"""A camera is misplaced where a hypothesis scores at least `PROVEN`, and `LEAD` more than the right mounting.

In 24 simulated minutes of healthy cameras, no turned picture scored `PROVEN`. Another camera's picture once led by 0.8,
but never two in a drive by more than 0.45: for a swap, each of two cameras must show the other's picture.
"""

CLEARLY = 0.1
"""A turned camera is named where its score leads those of other turns, and of other cameras, by this."""

FITS = 0.4
"""Mean score, over all samples, of a camera whose motion fits its mounting."""

GAINS = (0.35, 0.8, 1.6)
"""True over assumed nearness of what is seen: the one that fits a hypothesis best is used for it."""

_TURNED = {1: CameraFault.ROTATED, 2: CameraFault.UPSIDE_DOWN, 3: CameraFault.ROTATED}


class MountingEvidence:
    """Evidence about all cameras of a rig.

    Attributes:
        verdicts: for every camera its fault, or None. A verdict stands until the camera's motion fits its mounting.
    """

    def __init__(self, expected: ExpectedMotion) -> None:
        self._expected = expected
        self.reset()

    def reset(self) -> None:
        """Forget all samples and verdicts."""
        shape = (len(CAMERAS), HYPOTHESES)
        self.verdicts: list[CameraFault | None] = [None] * len(CAMERAS)
        # Sums over the samples that tell a hypothesis from the right mounting, and over all samples.
        self._weight, self._score, self._right = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._all_weight, self._all_right = np.zeros(len(CAMERAS)), np.zeros(len(CAMERAS))
        self._samples = 0

    def add(self, camera: int, moved_px: np.ndarray, forward_m: float, turn_rad: float) -> None:
        """Count a sample: (48, 2) motion of the blocks of a camera while the car moved."""
        expected = self._expected
        scores, same = np.zeros(HYPOTHESES), np.zeros(HYPOTHESES)
        blocks = score_hypotheses(
            moved_px,
            expected.forward_px[camera],
            expected.turn_px[camera],
            expected.is_known[camera],
            forward_m,
            turn_rad,
            scores,
            same,
        )
        if blocks < MIN_BLOCKS:
            return
        _count(scores, same, expected.is_known[camera], self._weight[camera], self._score[camera], self._right[camera])
        self._all_weight[camera] = FADING * self._all_weight[camera] + 1
        self._all_right[camera] = FADING * self._all_right[camera] + scores[0]
        self._samples += 1
        if self._samples % JUDGED_SAMPLES == 0:
            self._judge()

    def _judge(self) -> None:
        with np.errstate(invalid="ignore", divide="ignore"):
            score, right = self._score / self._weight, self._right / self._weight
            overall = self._all_right / self._all_weight
        is_candidate = np.asarray((self._weight >= MIN_SAMPLES) & (score >= PROVEN) & (score - right >= LEAD))
        shows = is_candidate[:, QUARTER_TURNS:]  # (8, 8) whose picture a camera seems to show
        is_swapped = np.asarray((shows & shows.T).any(axis=1))
        is_refuted = np.asarray(is_candidate.any(axis=1))
        fits = np.asarray((self._all_weight >= MIN_SAMPLES / 2) & (overall > FITS) & ~is_refuted)
        # Where not even half of the cameras fit, it is rather the car's motion or the rig that is not as assumed.
        is_trusted = int(fits.sum()) >= max(2, int(is_refuted.sum()))
        for camera, verdict in enumerate(self.verdicts):
            if verdict is not None and fits[camera]:
                self.verdicts[camera] = None
            elif verdict is None and is_refuted[camera] and is_trusted:
                self.verdicts[camera] = (
                    CameraFault.SWAPPED
                    if is_swapped[camera]
                    else _turn(is_candidate[camera], self._weight[camera], score[camera], fits)
                )


def _turn(is_candidate: np.ndarray, weight: np.ndarray, score: np.ndarray, fits: np.ndarray) -> CameraFault | None:
    """How a refuted camera is turned; None where that is not clear, or another camera may be its partner."""
    turn = int(np.argmax(np.where(is_candidate[:QUARTER_TURNS], score[:QUARTER_TURNS], -1.0)))
    if not is_candidate[turn]:
        return None
    rivals = (weight >= MIN_SAMPLES / 4) & (score > score[turn] - CLEARLY)
    rivals[[0, turn]] = False
    rivals[QUARTER_TURNS:] &= ~fits
    return None if rivals.any() else _TURNED[turn]


@kernel
def _count(
    scores: np.ndarray, same: np.ndarray, is_known: np.ndarray, weight: np.ndarray, score: np.ndarray, right: np.ndarray
) -> None:
    """Add a sample to the sums of one camera, (12,) each, of the hypotheses that it tells from the right mounting."""
    for hypothesis in range(len(scores)):
        if is_known[hypothesis] and same[hypothesis] <= MAX_SAME:
            weight[hypothesis] = FADING * weight[hypothesis] + 1
            score[hypothesis] = FADING * score[hypothesis] + scores[hypothesis]
            right[hypothesis] = FADING * right[hypothesis] + scores[0]


@kernel
def score_hypotheses(
    moved_px: np.ndarray,
    forward_px: np.ndarray,
    turn_px: np.ndarray,
    is_known: np.ndarray,
    forward_m: float,
    turn_rad: float,
    scores: np.ndarray,
    same: np.ndarray,
) -> int:
    """Agreement of block motions with the predictions of every hypothesis.

    Args:
        moved_px: (48, 2), NaN where unclear; forward_px, turn_px: (12, 48, 2) and is_known (12,) of one camera.
        scores: (12,) written: mean cosine between motion and prediction, faster blocks counting more.
        same: (12,) written: mean cosine between the predictions of the hypothesis and of the right mounting.

    Returns:
        The number of blocks used.
    """
    blocks, used, weights = moved_px.shape[0], 0, 0.0
    for block in range(blocks):
        speed = np.hypot(moved_px[block, 0], moved_px[block, 1])
        if speed >= MIN_MOTION_PX:
            used += 1
            weights += min(speed, 3.0)
    if used == 0:
        return 0
    for hypothesis in range(scores.shape[0]):
        if not is_known[hypothesis]:
            continue
        best = -1.0
        for gain in GAINS:
            total = 0.0
            for block in range(blocks):
                x, y = moved_px[block, 0], moved_px[block, 1]
                speed = np.hypot(x, y)
                if speed >= MIN_MOTION_PX:
                    u = gain * forward_m * forward_px[hypothesis, block, 0] + turn_rad * turn_px[hypothesis, block, 0]
                    v = gain * forward_m * forward_px[hypothesis, block, 1] + turn_rad * turn_px[hypothesis, block, 1]
                    total += min(speed, 3.0) * (x * u + y * v) / (speed * np.hypot(u, v) + 1e-6)
            best = max(best, total / weights)
        scores[hypothesis] = best
        total = 0.0
        for block in range(blocks):
            speed = np.hypot(moved_px[block, 0], moved_px[block, 1])
            if speed >= MIN_MOTION_PX:
                u = 0.8 * forward_m * forward_px[hypothesis, block, 0] + turn_rad * turn_px[hypothesis, block, 0]
                v = 0.8 * forward_m * forward_px[hypothesis, block, 1] + turn_rad * turn_px[hypothesis, block, 1]
                s = 0.8 * forward_m * forward_px[0, block, 0] + turn_rad * turn_px[0, block, 0]
                t = 0.8 * forward_m * forward_px[0, block, 1] + turn_rad * turn_px[0, block, 1]
                total += min(speed, 3.0) * (u * s + v * t) / (np.hypot(u, v) * np.hypot(s, t) + 1e-6)
        same[hypothesis] = total / weights
    return used
