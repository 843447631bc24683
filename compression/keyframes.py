"""When a camera's picture is a keyframe: a grant of gaze and, if it surprises, a memory commit.

Knows surprises, motion and tick counts; it sees no pixels and never gates perception: every tick reaches the network
whether or not it is a keyframe.
"""

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from fsd.data.frames import CAMERAS

START, SURPRISE, DISTANCE, GAP = 1, 2, 4, 8
"""Why a keyframe fired, as bits: first picture, something unexpected, the ego moved on, the maximum gap."""

TOKEN = 256
"""Token buckets count in 1/256."""


def _gaps() -> tuple[int, ...]:
    return tuple(9 if name.startswith("front") else 18 if name == "rear" else 13 for name in CAMERAS)


@dataclass(frozen=True)
class KeyframeConfig:
    """When keyframes fire.

    Attributes:
        max_gap_ticks: per camera, no longer than this without a keyframe.
        min_gap_ticks: no two surprises of a camera are closer.
        distance_m, turn_rad: a camera's picture is new when the ego has moved or turned by this much.
        surprise_floor: a camera's surprise below this is noise (see `camera_surprise`).
        release_ticks: how long the level that a surprise must exceed takes to fall.
        bucket, refill_ticks: keyframes a camera may fire in a burst, and ticks until it has earned another.
        shared_bucket, shared_refill_ticks: the same for all cameras together.
    """

    max_gap_ticks: tuple[int, ...] = field(default_factory=_gaps)
    min_gap_ticks: int = 3
    distance_m: float = 1.0
    turn_rad: float = float(np.radians(3.0))
    surprise_floor: int = 900
    release_ticks: int = 18
    bucket: int = 3
    refill_ticks: int = 6
    shared_bucket: int = 12
    shared_refill_ticks: int = 1

    def __post_init__(self) -> None:
        if len(self.max_gap_ticks) != len(CAMERAS) or min(self.max_gap_ticks) < 1:
            raise ValueError(f"max_gap_ticks needs {len(CAMERAS)} gaps of at least 1, got {self.max_gap_ticks}.")
        for name in (
            "min_gap_ticks",
            "release_ticks",
            "bucket",
            "refill_ticks",
            "shared_bucket",
            "shared_refill_ticks",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")


@njit(nogil=True, cache=True, error_model="numpy")
def camera_surprise(surprise: np.ndarray, rise: np.ndarray, prior: np.ndarray, out: np.ndarray) -> None:
    """One number a camera, (8,) int64: its surprising blocks weighted by where they are, plus the rise of the whole.

    A block counts from 4 usual deviations on (64), fully where the foveal prior is 1000 and a third where it is 0.
    """
    for camera in range(surprise.shape[0]):
        total = 0
        for block in range(surprise.shape[1]):
            if surprise[camera, block] >= 64:
                total += min(surprise[camera, block], 1024) * (500 + prior[camera, block]) // 1500
        out[camera] = total + max(0, rise[camera] - 768) * 4


@njit(nogil=True, cache=True, error_model="numpy")
def _decide(
    count: int,
    is_valid: np.ndarray,
    surprise: np.ndarray,
    travelled: np.ndarray,
    last_travelled: np.ndarray,
    steps: np.ndarray,
    max_gaps: np.ndarray,
    limits: np.ndarray,
    since: np.ndarray,
    since_attack: np.ndarray,
    level: np.ndarray,
    tokens: np.ndarray,
    reasons: np.ndarray,
    is_keyframe: np.ndarray,
) -> int:
    """Write why each camera has a keyframe, and return the largest surprise that was granted one.

    `travelled` (2,) holds metres and radians so far, `last_travelled` (8, 2) those at each camera's last keyframe, and
    `steps` (2,) how much of either makes a picture new.
    """
    event = 0
    surprise_floor, min_gap, release, bucket, refill, shared_bucket, shared_refill = limits
    cameras = reasons.shape[0]
    tokens[cameras] = min(tokens[cameras] + TOKEN // shared_refill, shared_bucket * TOKEN)
    for turn in range(cameras):
        camera = (turn + count) % cameras  # nobody is always first at the shared bucket
        reasons[camera] = 0
        is_keyframe[camera] = False
        tokens[camera] = min(tokens[camera] + TOKEN // refill, bucket * TOKEN)
        if not is_valid[camera]:
            since[camera] = -1  # the first picture after an absence is a start
            level[camera] = 0
            continue
        gap = max_gaps[camera]
        is_start = since[camera] < 0
        since[camera] += 1
        since_attack[camera] += 1
        level[camera] -= (level[camera] + release - 1) // release
        is_attack = surprise[camera] > surprise_floor + level[camera]
        if not is_attack:  # a surprise that goes on holds its level, and is no news
            level[camera] = max(level[camera], surprise[camera])
        is_attack = is_attack and since_attack[camera] >= min_gap
        # Each camera has its own phase, so that refreshes do not fall on one tick; the gap itself is a hard limit.
        is_phase = (count + camera * gap // cameras) % gap == 0
        is_refresh = not is_start and (is_phase or since[camera] >= gap)
        if is_start:
            reasons[camera] |= START
        if is_attack and not is_start:
            reasons[camera] |= SURPRISE
        has_moved = travelled[0] - last_travelled[camera, 0] >= steps[0]
        has_turned = travelled[1] - last_travelled[camera, 1] >= steps[1]
        if (has_moved or has_turned) and not is_start:
            reasons[camera] |= DISTANCE
        if is_refresh:
            reasons[camera] |= GAP
        if reasons[camera] == 0:
            continue
        # Distance leaves a reserve in both buckets, or a fast drive would leave nothing for a surprise.
        own, shared = (1, 1) if is_attack or is_start else (2, 1 + cameras // 2)
        has_tokens = tokens[camera] >= own * TOKEN and tokens[cameras] >= shared * TOKEN
        if not has_tokens and not is_refresh:
            reasons[camera] = 0
            since[camera] -= is_start  # a start that had no token is still to come
            continue
        is_keyframe[camera] = True
        last_travelled[camera] = travelled
        since[camera] = 0
        if is_attack:  # only what was granted raises the level: a surprise that had no token may try again
            level[camera] = surprise[camera]
            since_attack[camera] = 0
        if reasons[camera] & SURPRISE:
            event = max(event, surprise[camera])
        tokens[camera] = max(tokens[camera] - TOKEN, 0)
        tokens[cameras] = max(tokens[cameras] - TOKEN, 0)
    return event


class KeyframeScheduler:
    """Decides every tick which cameras have a keyframe.

    Fast attack: a surprise fires at the tick it is seen. Slow release: it raises the level that the next one must
    exceed, which then falls over `release_ticks`. Token buckets bound the rate whatever the cameras show; only the
    refresh at the maximum gap fires without a token.

    Attributes:
        reasons: (8,) int64, bits of why; 0 where there is no keyframe at this tick.
        is_keyframe: (8,) bool.
        surprise: (8,) int64 of this tick, see `camera_surprise`.
        event: the largest surprise that fired at this tick, 0 where none did.
    """

    def __init__(self, prior: np.ndarray, config: KeyframeConfig | None = None) -> None:
        self.config = config = config or KeyframeConfig()
        cameras = len(CAMERAS)
        self.reasons = np.zeros(cameras, np.int64)
        self.is_keyframe = np.zeros(cameras, bool)
        self.surprise = np.zeros(cameras, np.int64)
        self._prior = prior
        self._max_gaps = np.array(config.max_gap_ticks, np.int64)
        self._limits = np.array(
            (
                config.surprise_floor,
                config.min_gap_ticks,
                config.release_ticks,
                config.bucket,
                config.refill_ticks,
                config.shared_bucket,
                config.shared_refill_ticks,
            ),
            np.int64,
        )
        self._since = np.zeros(cameras, np.int64)
        self._since_attack = np.zeros(cameras, np.int64)
        self._level = np.zeros(cameras, np.int64)
        self._tokens = np.zeros(cameras + 1, np.int64)
        self._travelled = np.zeros(2)
        self._last_travelled = np.zeros((cameras, 2))
        self._steps = np.array([config.distance_m, config.turn_rad])
        self.reset()

    def reset(self) -> None:
        """Forget the drive."""
        self.reasons[:] = 0
        self.is_keyframe[:] = False
        self.surprise[:] = 0
        self.event = 0
        self._since[:] = -1
        self._since_attack[:] = self.config.min_gap_ticks
        self._level[:] = 0
        self._tokens[:-1] = self.config.bucket * TOKEN
        self._tokens[-1] = self.config.shared_bucket * TOKEN
        self._last_travelled[:] = 0

    def step(
        self,
        count: int,
        is_valid: np.ndarray,
        surprise: np.ndarray,
        rise: np.ndarray,
        travelled_m: float,
        turned_rad: float,
    ) -> None:
        """Decide for one tick.

        Args:
            count: ticks since the start.
            is_valid: (8,) bool.
            surprise, rise: of `ResidualDetector`.
            travelled_m, turned_rad: path length and sum of |turns| since the start.
        """
        camera_surprise(surprise, rise, self._prior, self.surprise)
        self._travelled[0], self._travelled[1] = travelled_m, turned_rad
        self.event = _decide(
            count,
            is_valid,
            self.surprise,
            self._travelled,
            self._last_travelled,
            self._steps,
            self._max_gaps,
            self._limits,
            self._since,
            self._since_attack,
            self._level,
            self._tokens,
            self.reasons,
            self.is_keyframe,
        )
