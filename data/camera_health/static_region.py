"""Find dirt and glare: a part of the picture that suddenly stops to move while the rest goes on.

What has never moved is not looked at: the car's own body, the sky and even ground look the same as dirt. So dirt that
is there from the start, or that grows slowly, is not found.
"""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, CONFIRMING_SHARE, GOOD, MOVING_SHARE, HealthTick, unknown
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.kernel import inlined_kernel, kernel

STATIC_LUMA = 3
"""A block is static while its pixels differ by no more than this, in the mean, from what they were when it stopped."""

STATIC_FRAMES = 72
"""New frames with motion in the rest of the picture until a static part counts: two seconds."""

ONSET_FRAMES = 2
"""The blocks of a part stop within as many frames: what drives into view, or out of it, takes them one by one."""

MIN_BLOCKS = 18
"""Blocks of a part, 6% of the picture."""

STOPPED_FRAMES = 9
"""New frames without a change until a block has stopped."""

ACTIVE = 0.8
"""A block was active if in this share of the last frames before it stopped, it had not."""

SMOOTHING = 1 / 72
"""Weight of a frame in that share."""

JUMP_LUMA = 10
"""Mean difference by which a block must change when it is covered."""

SATURATED_LUMA, GLARE_SHARE = 215, 0.25
"""A static part is glare if at least this share of its blocks is brighter than that."""


class StaticRegions:
    """The static part of each camera's picture; two detectors share it.

    Attributes:
        blocks: (8,) int64 number of static blocks in the part; 0 without one.
        is_glare: (8,) bool the part is saturated.
        is_judged: (8,) bool the new picture of this tick has been looked at.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        cameras = len(CAMERAS)
        self.blocks = np.zeros(cameras, np.int64)
        self.is_glare = np.zeros(cameras, np.bool_)
        self.is_judged = np.zeros(cameras, np.bool_)
        self._anchor: np.ndarray | None = None
        shape = (cameras, GRID_ROWS, GRID_COLUMNS)
        self._age = np.full(shape, STOPPED_FRAMES, np.int32)
        self._active = np.zeros(shape, np.float32)
        self._active_before = np.zeros(shape, np.float32)
        self._jump = np.zeros(shape, np.float32)
        self._in_part = np.zeros(shape, np.bool_)
        self._tick: int | None = None

    def step(self, tick: HealthTick) -> None:
        """Look at the new pictures of a tick, once."""
        if tick.frame_set.tick == self._tick:
            return
        self._tick = tick.frame_set.tick
        if self._anchor is None:
            self._anchor = tick.motion.luma.copy()
        stands = tick.ego is not None and not tick.driving_ticks
        moving = tick.motion.moved >= (MOVING_SHARE if tick.ego is None else CONFIRMING_SHARE)
        self.is_judged = tick.is_new & moving & (not stands)
        if tick.has_fault.any():  # what a fault of the whole picture leaves behind says nothing about a part
            self._age[tick.has_fault] = STOPPED_FRAMES
            self._active_before[tick.has_fault] = self._active[tick.has_fault] = 0.0
        _follow(
            self.is_judged,
            tick.motion.luma,
            self._anchor,
            self._age,
            self._active,
            self._active_before,
            self._jump,
            self._in_part,
            self.blocks,
            self.is_glare,
        )

    def evidence(self, glare: bool) -> np.ndarray:
        """For or against a part that is glare, or one that is not."""
        found = unknown()
        has_part = (self.blocks >= MIN_BLOCKS) & (self.is_glare == glare)
        found[self.is_judged] = np.where(has_part[self.is_judged], BAD, GOOD)
        return found


class ObstructedCamera:
    """A part of the picture is covered."""

    fault = CameraFault.OBSTRUCTED

    def __init__(self, regions: StaticRegions) -> None:
        self._regions = regions

    def step(self, tick: HealthTick) -> np.ndarray:
        self._regions.step(tick)
        return self._regions.evidence(glare=False)

    def reset(self) -> None:
        self._regions.reset()


class GlaringCamera:
    """A part of the picture is saturated."""

    fault = CameraFault.GLARE

    def __init__(self, regions: StaticRegions) -> None:
        self._regions = regions

    def step(self, tick: HealthTick) -> np.ndarray:
        self._regions.step(tick)
        return self._regions.evidence(glare=True)

    def reset(self) -> None:
        self._regions.reset()


@kernel
def _follow(
    is_judged: np.ndarray,
    luma: np.ndarray,
    anchor: np.ndarray,
    age: np.ndarray,
    active: np.ndarray,
    active_before: np.ndarray,
    jump: np.ndarray,
    in_part: np.ndarray,
    blocks: np.ndarray,
    is_glare: np.ndarray,
) -> None:
    """Age every block of the new pictures, and update the static part of each.

    Args:
        luma, anchor: (8, 60, 80) samples, now and when their block last changed.
        age: (8, 15, 20) frames since then, and likewise: active: share of the frames in which the block moved;
        active_before: the same when it stopped; jump: mean difference of its last change; in_part: the static part.
        blocks, is_glare: (8,) number of blocks of the part, and whether it is glare.
    """
    rows, columns = age.shape[1:]
    height, width = luma.shape[1] // rows, luma.shape[2] // columns
    differences, totals = np.empty(luma.shape[2], np.int32), np.empty(luma.shape[2], np.int32)
    for camera in range(len(luma)):
        if not is_judged[camera]:
            continue
        candidates = part = bright = 0
        for r in range(rows):
            band = slice(r * height, (r + 1) * height)
            _sum_columns(luma[camera, band], anchor[camera, band], differences, totals)
            for c in range(columns):
                at = slice(c * width, (c + 1) * width)
                difference, total = differences[at].sum(), totals[at].sum()
                if difference > STATIC_LUMA * height * width:
                    age[camera, r, c] = 0
                    jump[camera, r, c] = difference / (height * width)
                    in_part[camera, r, c] = False
                    anchor[camera, band, at] = luma[camera, band, at]
                else:
                    age[camera, r, c] += 1
                if age[camera, r, c] == STOPPED_FRAMES:
                    active_before[camera, r, c] = active[camera, r, c]
                moves = np.float32(age[camera, r, c] < STOPPED_FRAMES)
                active[camera, r, c] += SMOOTHING * (moves - active[camera, r, c])
                candidates += _is_covered(age[camera, r, c], active_before[camera, r, c], jump[camera, r, c])
                if in_part[camera, r, c]:
                    part += 1
                    bright += total >= SATURATED_LUMA * height * width
        if part < MIN_BLOCKS and candidates >= MIN_BLOCKS:
            part = bright = 0
            for r in range(rows):
                for c in range(columns):
                    in_part[camera, r, c] = _is_covered(
                        age[camera, r, c], active_before[camera, r, c], jump[camera, r, c]
                    )
                    if in_part[camera, r, c]:
                        block = luma[camera, r * height : (r + 1) * height, c * width : (c + 1) * width]
                        part += 1
                        bright += block.sum() >= SATURATED_LUMA * height * width
        blocks[camera] = part
        is_glare[camera] = bright > GLARE_SHARE * part


@inlined_kernel
def _is_covered(age: int, active_before: float, jump: float) -> bool:
    """Whether a block that had been moving has changed at once, and is static for as long as a part must be."""
    is_due = STATIC_FRAMES <= age < STATIC_FRAMES + ONSET_FRAMES
    return is_due and active_before >= ACTIVE and jump >= JUMP_LUMA


@kernel
def _sum_columns(now: np.ndarray, before: np.ndarray, differences: np.ndarray, totals: np.ndarray) -> None:
    """Sums over the rows of two (h, 80) pictures, per column: absolute differences, and values of the first."""
    differences[:] = 0
    totals[:] = 0
    for i in range(now.shape[0]):
        for j in range(now.shape[1]):
            value = np.int32(now[i, j])
            differences[j] += abs(value - np.int32(before[i, j]))
            totals[j] += value
