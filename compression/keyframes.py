"""When a camera's picture is a keyframe: it gets more patches and, if it surprises, a memory slot.

Knows surprises, motion and tick counts; it sees no pixels and never gates perception: every tick reaches the network
whether or not it is a keyframe.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fsd.data.frames import CAMERAS
from fsd.data.kernel import kernel
from fsd.data.options import OptionError, Options, option

START, SURPRISE, DISTANCE, GAP = 1, 2, 4, 8
"""Why a keyframe fired, as bits: first picture, something unexpected, the ego moved on, the maximum gap."""

TOKEN = 256
"""Token buckets count in 1/256."""


_GAPS = tuple(9 if name.startswith("front") else 18 if name == "rear" else 13 for name in CAMERAS)


@dataclass(frozen=True)
class KeyframeConfig(Options):
    """When keyframes fire.

    Attributes:
        max_gap_ticks: per camera, the longest time without a keyframe.
        min_gap_ticks: the shortest time between two surprises of a camera.
        distance_m, turn_rad: a camera has a keyframe when the ego has moved or turned by this much since its last one.
        surprise_floor: a camera's surprise below this is noise (see `camera_surprise`).
        release_ticks: time in which the level falls that a surprise must exceed.
        bucket, refill_ticks: keyframes that a camera may have in a burst, and ticks until it may have another.
        shared_bucket, shared_refill_ticks: the same for all cameras together.
    """

    max_gap_ticks: tuple[int, ...] = option(_GAPS, at_least=1)
    min_gap_ticks: int = option(3, at_least=1)
    distance_m: float = 1.0
    turn_rad: float = float(np.radians(3.0))
    surprise_floor: int = 900
    release_ticks: int = option(18, at_least=1)
    bucket: int = option(3, at_least=1)
    refill_ticks: int = option(6, at_least=1)
    shared_bucket: int = option(12, at_least=1)
    shared_refill_ticks: int = option(1, at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.max_gap_ticks) != len(CAMERAS):
            raise OptionError("max_gap_ticks", f"needs {len(CAMERAS)} gaps, got {self.max_gap_ticks}")


class _Limits(NamedTuple):
    """`KeyframeConfig` in the kernel, without the gaps per camera. Passed as a plain tuple, which is faster."""

    min_gap_ticks: int
    distance_m: float
    turn_rad: float
    surprise_floor: int
    release_ticks: int
    bucket: int
    refill_ticks: int
    shared_bucket: int
    shared_refill_ticks: int


@kernel
def camera_surprise(surprise: np.ndarray, rise: np.ndarray, prior: np.ndarray, out: np.ndarray) -> None:
    """One number per camera, (8,) int64: its surprising blocks weighted by where they are, plus the rise of the whole.

    A block counts from 4 usual deviations on (64), fully where the foveal prior is 1000 and a third where it is 0.
    """
    for camera in range(surprise.shape[0]):
        total = 0
        for block in range(surprise.shape[1]):
            if surprise[camera, block] >= 64:
                total += min(surprise[camera, block], 1024) * (500 + prior[camera, block]) // 1500
        out[camera] = total + max(0, rise[camera] - 768) * 4


@kernel
def _decide(
    count: int,
    is_valid: np.ndarray,
    surprise: np.ndarray,
    travelled_m: float,
    turned_rad: float,
    max_gaps: np.ndarray,
    limit_values: tuple[Any, ...],
    since: np.ndarray,
    since_attack: np.ndarray,
    level: np.ndarray,
    tokens: np.ndarray,
    last_travelled_m: np.ndarray,
    last_turned_rad: np.ndarray,
    reasons: np.ndarray,
    is_keyframe: np.ndarray,
) -> int:
    """Write why each camera has a keyframe, and return the largest surprise that fired one.

    `travelled_m` and `turned_rad` are of the ego since the start. Arrays are (8,), one entry per camera; `tokens` (9,)
    has one more, for all cameras together.
    """
    event = 0
    limits = _Limits(*limit_values)
    cameras = reasons.shape[0]
    shared_tokens = tokens[cameras] + TOKEN // limits.shared_refill_ticks
    tokens[cameras] = min(shared_tokens, limits.shared_bucket * TOKEN)
    for turn in range(cameras):
        camera = (turn + count) % cameras  # a different camera is first at the shared bucket at every tick
        reasons[camera] = 0
        is_keyframe[camera] = False
        tokens[camera] = min(tokens[camera] + TOKEN // limits.refill_ticks, limits.bucket * TOKEN)
        if not is_valid[camera]:
            since[camera] = -1  # the first picture after an absence is a start
            level[camera] = 0
            continue
        gap = max_gaps[camera]
        is_start = since[camera] < 0
        since[camera] += 1
        since_attack[camera] += 1
        level[camera] -= (level[camera] + limits.release_ticks - 1) // limits.release_ticks
        is_attack = surprise[camera] > limits.surprise_floor + level[camera]
        if not is_attack:  # an ongoing surprise keeps the level up, so that it does not fire again
            level[camera] = max(level[camera], surprise[camera])
        is_attack = is_attack and since_attack[camera] >= limits.min_gap_ticks
        # Each camera has its own phase, so that refreshes do not fall on one tick; the gap itself is a hard limit.
        is_phase = (count + camera * gap // cameras) % gap == 0
        is_refresh = not is_start and (is_phase or since[camera] >= gap)
        if is_start:
            reasons[camera] |= START
        if is_attack and not is_start:
            reasons[camera] |= SURPRISE
        has_moved = travelled_m - last_travelled_m[camera] >= limits.distance_m
        has_turned = turned_rad - last_turned_rad[camera] >= limits.turn_rad
        if (has_moved or has_turned) and not is_start:
            reasons[camera] |= DISTANCE
        if is_refresh:
            reasons[camera] |= GAP
        if reasons[camera] == 0:
            continue
        # Distance leaves a reserve in both buckets, or a fast drive would leave no tokens for a surprise.
        own, shared = (1, 1) if is_attack or is_start else (2, 1 + cameras // 2)
        has_tokens = tokens[camera] >= own * TOKEN and tokens[cameras] >= shared * TOKEN
        if not has_tokens and not is_refresh:
            reasons[camera] = 0
            since[camera] -= is_start  # without a token, the start is tried again at the next tick
            continue
        is_keyframe[camera] = True
        last_travelled_m[camera], last_turned_rad[camera] = travelled_m, turned_rad
        since[camera] = 0
        if is_attack:  # only a surprise that fired raises the level: one without a token may fire at the next tick
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
    exceed, which then falls over `release_ticks`. Token buckets limit the rate whatever the cameras show; only the
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
        self._limit_values = tuple(getattr(config, name) for name in _Limits._fields)
        self._since = np.zeros(cameras, np.int64)
        self._since_attack = np.zeros(cameras, np.int64)
        self._level = np.zeros(cameras, np.int64)
        self._tokens = np.zeros(cameras + 1, np.int64)
        self._last_travelled_m = np.zeros(cameras)
        self._last_turned_rad = np.zeros(cameras)
        self.reset()

    def reset(self) -> None:
        self.reasons[:] = 0
        self.is_keyframe[:] = False
        self.surprise[:] = 0
        self.event = 0
        self._since[:] = -1
        self._since_attack[:] = self.config.min_gap_ticks
        self._level[:] = 0
        self._tokens[:-1] = self.config.bucket * TOKEN
        self._tokens[-1] = self.config.shared_bucket * TOKEN
        self._last_travelled_m[:] = 0
        self._last_turned_rad[:] = 0

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
        self.event = _decide(
            count,
            is_valid,
            self.surprise,
            travelled_m,
            turned_rad,
            self._max_gaps,
            self._limit_values,
            self._since,
            self._since_attack,
            self._level,
            self._tokens,
            self._last_travelled_m,
            self._last_turned_rad,
            self.reasons,
            self.is_keyframe,
        )
