"""Ego motion from the pictures alone, for recordings without ego data: speed and yaw rate that best explain the street.

Tries a few motions per tick: the one of the last tick, a little more and less of each, and a probe further away. The
best one carries the pictures of some ticks ago into the present ones with the smallest residual, under the depth prior
(the height of the cameras over the ground gives the scale). The estimate is good enough to warp references and to space
memory slots; nothing is scored against it.
"""

import numpy as np

from fsd.compression.ego_warp import FORWARD_NODES_M, EgoWarp, motion_shifts
from fsd.compression.history import MAX_AGE, MIN_AGE, History
from fsd.compression.residual_kernels import misfit
from fsd.data.ego import EgoSample

_GROUND_BLOCKS, _FAR_BLOCKS = 18, 6
"""Blocks of every camera that are compared: on the ground, for the speed, and far away, for the yaw rate."""

_BLOCK_LIMIT = 64 * 24
"""Upper limit of the residual of a block: what moves by itself must not outweigh the street."""

_MAX_MPS, _MAX_RPS = 45.0, 0.8
_SPEED_STEPS_MPS, _TURN_STEPS_RPS = (2.0, 0.3, 0.8), (0.1, 0.006, 0.025)
"""Steps up and down, one size per tick in turn."""

_PROBES_MPS = (0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 25.0, 30.0, 36.0)
_SEARCH_RPS = 0.02 * np.arange(-4, 5)
"""Yaw rates around the tracked one that `refined_yaw_rate` compares."""
_BETTER, _MUCH_BETTER = 0.995, 0.95
"""A near motion replaces the present one where it explains 0.5% more, a probe where it explains 5% more."""


def _compared_blocks(warp: EgoWarp) -> np.ndarray:
    """(8, 24) int64: for every camera ground blocks that move measurably, then far ones; -1 fills up at the end."""
    forward = warp.forward
    chosen = np.full((forward.shape[0], _GROUND_BLOCKS + _FAR_BLOCKS), -1, np.int64)
    speed_px = np.linalg.norm(forward[:, 2], axis=1)  # pixels for half a metre
    for camera in range(chosen.shape[0]):
        ground = np.flatnonzero(warp.is_ground[camera] & (speed_px[camera] > 0.7) & (speed_px[camera] < 8))
        far = np.flatnonzero(warp.is_far[camera])
        picks = np.concatenate([_spread(ground, _GROUND_BLOCKS), _spread(far, _FAR_BLOCKS)])
        chosen[camera, : len(picks)] = picks
    return chosen


def _spread(blocks: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the blocks, evenly over their order."""
    return blocks[np.linspace(0, len(blocks) - 1, min(count, len(blocks))).astype(np.int64)] if len(blocks) else blocks


class ImageOdometer:
    """Tracks speed and yaw rate from tick to tick.

    `delay_s`: how long before the last tick the moment lies that its estimate is of.
    """

    def __init__(self, warp: EgoWarp) -> None:
        self._warp = warp
        self._blocks = _compared_blocks(warp)
        self._shifts = np.zeros(warp.turn.shape, np.int16)
        self.reset()

    def reset(self) -> None:
        self._speed_mps = self._yaw_rate_rps = 0.0
        self._count = 0
        self.delay_s = 0.0
        self._then = -1

    def estimate(self, history: History) -> EgoSample | None:
        """Motion at the present tick of the history; None where no camera has a reference."""
        here = history.is_valid[history.slot]
        for age in range(MIN_AGE, MAX_AGE + 1):
            then = history.slot_of_age(age)
            if (here & history.is_valid[then]).any():
                break
        else:
            return None
        elapsed_s = (history.timestamp_ns[history.slot] - history.timestamp_ns[then]) / 1e9
        self.delay_s, self._then = elapsed_s / 2, then
        turn_rps = _TURN_STEPS_RPS[self._count % len(_TURN_STEPS_RPS)]
        speed_mps = _SPEED_STEPS_MPS[self._count % len(_SPEED_STEPS_MPS)]
        probe_mps = _PROBES_MPS[self._count % len(_PROBES_MPS)]
        self._count += 1
        best = self._misfit(history, then, elapsed_s, self._speed_mps, self._yaw_rate_rps)
        here_mps, here_rps = self._speed_mps, self._yaw_rate_rps
        for mps, rps, factor in (
            (here_mps, here_rps - turn_rps, _BETTER),
            (here_mps, here_rps + turn_rps, _BETTER),
            (here_mps - speed_mps, here_rps, _BETTER),
            (here_mps + speed_mps, here_rps, _BETTER),
            (probe_mps, here_rps, _MUCH_BETTER),
            (probe_mps, 0.0, _MUCH_BETTER),
        ):
            if not (0 <= mps <= _MAX_MPS and abs(rps) <= _MAX_RPS):
                continue
            tried = self._misfit(history, then, elapsed_s, mps, rps)
            if tried < factor * best:
                best, self._speed_mps, self._yaw_rate_rps = tried, mps, rps
        return EgoSample(self._speed_mps, self._yaw_rate_rps)

    def refined_yaw_rate(self, history: History) -> float:
        """The yaw rate that explains the last tick best, near the tracked one, which lags behind by a few ticks.

        Call it after `estimate` has found a motion.
        """
        elapsed_s = 2 * self.delay_s
        rates_rps = self._yaw_rate_rps + _SEARCH_RPS
        misfits = [self._misfit(history, self._then, elapsed_s, self._speed_mps, float(rate)) for rate in rates_rps]
        best = int(np.argmin(misfits))
        if best in (0, len(misfits) - 1):
            return float(rates_rps[best])
        before, here, after = misfits[best - 1 : best + 2]
        bend = before - 2 * here + after
        step_rps = float(_SEARCH_RPS[1] - _SEARCH_RPS[0])
        return float(rates_rps[best]) + (step_rps * (before - after) / (2 * bend) if bend > 0 else 0.0)

    def _misfit(self, history: History, then: int, elapsed_s: float, speed_mps: float, yaw_rate_rps: float) -> int:
        warp = self._warp
        motion_shifts(
            warp.forward,
            warp.side,
            warp.turn,
            FORWARD_NODES_M,
            speed_mps * elapsed_s,
            yaw_rate_rps * elapsed_s,
            self._shifts,
        )
        return misfit(history.analysis, history.is_valid, history.slot, then, self._blocks, self._shifts, _BLOCK_LIMIT)
