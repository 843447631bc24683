"""Find dirt and glare: a part of the picture changes at once, and then stops to move while the rest goes on.

What has never moved is not looked at: the car's own body, the sky and even ground look the same as dirt. So dirt that
is there from the start, or that grows slowly, is not found.
"""

from typing import Any

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, CONFIRMING_SHARE, GOOD, MOVING_SHARE, HealthTick, unknown
from fsd.data.camera_health.picture_sample import SAMPLE_COLUMNS, SAMPLE_ROWS
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.kernel import kernel

JUMP_LUMA, JUMP_BLOCKS = 8, 24
"""A part may have been covered between two pictures if so many blocks change their mean by that. Where something
drives into view, it takes them one by one."""

JUMP_LEAD, JUMP_SMOOTHING = 1.5, 1 / 9
"""So many more as this multiple of those that usually do; weight of a frame in what is usual. Trees that pass close by
change many blocks in every picture."""

MEMBER_LUMA = 4
"""The blocks of the part are those that change their mean by this, and then differ by this from their usual mean: what
a thing that passes by uncovers does not."""

LIGHT_BLOCKS, LIGHT_TICKS = 60, 3
"""Where so many blocks of another camera jump as well, within so many ticks, the light has changed."""

STATIC_LUMA = 3.0
"""A covered block differs, in the mean of its pixels, by no more than this from what it was when it was covered ..."""

STATIC_SHARE = 0.2
"""... or than this share of what it usually changed in a quarter of a second: some covers let some of it through."""

STATIC_FRAMES = 72
"""New frames with motion in the rest of the picture until a static part counts: two seconds."""

HOLDING, HOLDING_SMOOTHING = 0.7, 1 / 18
"""A block stays in the part while it is static in this share of the last frames; weight of a frame in that share."""

MIN_BLOCKS, LEAST_BLOCKS = 18, 9
"""Blocks of a part, 6% of the picture; and of one that counts already."""

ADAPTING_FRAMES = 4
"""A part that counts may change by a step of luma in so many frames: what is behind shines through."""

ACTIVE_LUMA = 3.0
"""A block moved if its pixels usually changed by this, in the mean, in a quarter of a second."""

SMOOTHING, MIN_FRAMES = 1 / 72, 36
"""Weight of a frame in what is usual, and frames from which on that is known."""

SATURATED_LUMA, GLARE_SHARE = 215, 0.25
"""A static part is glare if at least this share of its blocks is brighter than that."""

MAX_COVER = 0.7
"""Where a larger share of the blocks jumps, only those that are saturated count: it may be another picture."""


class StaticRegions:
    """The static part of each camera's picture; two detectors share it.

    Attributes:
        blocks: (8,) int64 number of static blocks in the part; 0 without one, or not yet.
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
        self._parts = _Parts(cameras)
        self._light_tick = np.full(cameras, -LIGHT_TICKS - 1, np.int64)
        self._tick: int | None = None

    def step(self, tick: HealthTick) -> None:
        """Look at the new pictures of a tick, once."""
        if tick.frame_set.tick == self._tick:
            return
        self._tick = tick.frame_set.tick
        stands = tick.ego is not None and not tick.driving_ticks
        moving = tick.motion.moved >= (MOVING_SHARE if tick.ego is None else CONFIRMING_SHARE)
        self.is_judged = tick.is_new & moving & (not stands)
        parts, motion = self._parts, tick.motion
        if tick.has_fault.any():  # what a fault of the whole picture leaves behind says nothing about a part
            parts.frames[tick.has_fault] = 0
            parts.age[tick.has_fault] = -1
        jumped = (np.abs(motion.block_jump) >= JUMP_LUMA).sum(axis=(1, 2)) * tick.is_new
        jumps = jumped >= JUMP_BLOCKS + JUMP_LEAD * parts.usual_jumped
        self._light_tick[jumps & (jumped >= LIGHT_BLOCKS)] = self._tick
        is_lit = self._tick - self._light_tick <= LIGHT_TICKS
        if np.count_nonzero(is_lit) > 1:
            jumps[:] = False
            jumped[is_lit] = parts.frames[is_lit] = 0  # what is usual in this light is not known yet
            parts.age[parts.onset_tick >= self._tick - LIGHT_TICKS] = -1
        parts.usual_jumped += JUMP_SMOOTHING * tick.is_new * (jumped - parts.usual_jumped)
        parts.onset_tick[jumps & (parts.age < 0)] = self._tick
        _follow(
            tick.is_new.astype(np.int8) + self.is_judged,
            jumped * jumps,
            motion.luma,
            motion.block_luma,
            motion.block_jump,
            motion.block_moved,
            parts.frames,
            parts.usual,
            parts.usual_luma,
            parts.age,
            parts.cover,
            parts.anchor,
            parts.holding,
            self.blocks,
            self.is_glare,
        )

    def evidence(self, glare: bool) -> np.ndarray:
        """For or against a part that is glare, or one that is not."""
        found = unknown()
        has_part = (self.blocks > 0) & (self.is_glare == glare)
        found[self.is_judged] = np.where(has_part[self.is_judged], BAD, GOOD)
        return found


class _Parts:
    """What is remembered of each camera, to be updated in place.

    Attributes:
        frames: (8,) judged frames up to now; usual: (8, 15, 20) what a block changes in a quarter of a second,
            usual_luma: (8, 15, 20) its mean.
        age: (8,) judged frames since a part may have been covered, at `onset_tick` (8,); -1: there is none.
        cover: (8,) share of the blocks that jumped then; usual_jumped: (8,) blocks that usually do.
        anchor: (8, 60, 80) the sample then; holding: (8, 15, 20) share of the last frames in which a block was static,
            0 of those that are not in the part.
    """

    def __init__(self, cameras: int) -> None:
        shape = (cameras, GRID_ROWS, GRID_COLUMNS)
        self.frames = np.zeros(cameras, np.int64)
        self.usual, self.usual_luma = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.age = np.full(cameras, -1, np.int64)
        self.onset_tick = np.full(cameras, -LIGHT_TICKS - 1, np.int64)
        self.usual_jumped = np.zeros(cameras)
        self.cover = np.zeros(cameras, np.float32)
        self.anchor = np.zeros((cameras, SAMPLE_ROWS, SAMPLE_COLUMNS), np.uint8)
        self.holding = np.zeros(shape, np.float32)


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
    looks: np.ndarray,
    jumped: np.ndarray,
    luma: np.ndarray,
    block_luma: np.ndarray,
    block_jump: np.ndarray,
    block_moved: np.ndarray,
    frames: np.ndarray,
    usual: np.ndarray,
    usual_luma: np.ndarray,
    age: np.ndarray,
    cover: np.ndarray,
    anchor: np.ndarray,
    holding: np.ndarray,
    blocks: np.ndarray,
    is_glare: np.ndarray,
) -> None:
    """Look for parts that are covered at once, and follow them.

    Args: as in `PictureMotion`, `_Parts` and `StaticRegions`, whose arrays are updated; looks: (8,) 0 for no new
    picture, 1 for one, 2 for one that is judged; jumped: (8,) blocks that jump where a part may be covered, or 0.
    """
    rows, columns = usual.shape[1:]
    for camera in range(len(luma)):
        if looks[camera] == 0:
            continue
        held = bright = 0
        if age[camera] >= 0:
            age[camera] += looks[camera] == 2
            held, bright = _hold(luma[camera], anchor[camera], block_luma[camera], usual[camera], holding[camera])
            if cover[camera] > MAX_COVER:
                held = bright
            if held < (LEAST_BLOCKS if age[camera] >= STATIC_FRAMES else MIN_BLOCKS):
                age[camera], held = -1, 0
            elif age[camera] >= STATIC_FRAMES and age[camera] % ADAPTING_FRAMES == 0:
                _adapt(luma[camera], anchor[camera])
        if age[camera] < 0 and frames[camera] >= MIN_FRAMES and jumped[camera] > 0:
            age[camera], cover[camera] = 0, jumped[camera] / (rows * columns)
            _take(luma[camera], anchor[camera])
            for r in range(rows):
                for c in range(columns):
                    unusual = abs(block_luma[camera, r, c] - usual_luma[camera, r, c]) >= MEMBER_LUMA
                    jumps = abs(block_jump[camera, r, c]) >= MEMBER_LUMA
                    holding[camera, r, c] = 1.0 if jumps and unusual and usual[camera, r, c] >= ACTIVE_LUMA else 0.0
        if looks[camera] == 2 and age[camera] < 0:
            frames[camera] += 1
            weight = np.float32(max(SMOOTHING, 1.0 / frames[camera]))
            for r in range(rows):
                for c in range(columns):
                    usual[camera, r, c] += weight * (block_moved[camera, r, c] - usual[camera, r, c])
                    usual_luma[camera, r, c] += weight * (block_luma[camera, r, c] - usual_luma[camera, r, c])
        blocks[camera] = held if age[camera] >= STATIC_FRAMES else 0
        if age[camera] <= STATIC_FRAMES:  # then the part keeps its name
            is_glare[camera] = bright > GLARE_SHARE * held


@kernel
def _hold(
    luma: np.ndarray, anchor: np.ndarray, block_luma: np.ndarray, usual: np.ndarray, holding: np.ndarray
) -> tuple[int, int]:
    """Drop the blocks of a part that are not static any more; returns how many are left, and how many are bright."""
    rows, columns = usual.shape
    height, width = luma.shape[0] // rows, luma.shape[1] // columns
    held = bright = 0
    for r in range(rows):
        for c in range(columns):
            if holding[r, c] > 0:
                total: Any = 0
                for i in range(r * height, (r + 1) * height):
                    for j in range(c * width, (c + 1) * width):
                        total += abs(np.int32(luma[i, j]) - np.int32(anchor[i, j]))
                limit = max(STATIC_LUMA, STATIC_SHARE * usual[r, c])
                is_static = np.float32(total <= limit * height * width)
                holding[r, c] += HOLDING_SMOOTHING * (is_static - holding[r, c])
                if holding[r, c] < HOLDING:
                    holding[r, c] = 0.0
                else:
                    held += 1
                    bright += block_luma[r, c] >= SATURATED_LUMA
    return held, bright


@kernel
def _take(luma: np.ndarray, anchor: np.ndarray) -> None:
    """Copy a sample."""
    for i in range(luma.shape[0]):
        for j in range(luma.shape[1]):
            anchor[i, j] = luma[i, j]


@kernel
def _adapt(luma: np.ndarray, anchor: np.ndarray) -> None:
    """Let a sample follow another by one step."""
    for i in range(luma.shape[0]):
        for j in range(luma.shape[1]):
            if luma[i, j] > anchor[i, j]:
                anchor[i, j] += np.uint8(1)
            elif luma[i, j] < anchor[i, j]:
                anchor[i, j] -= np.uint8(1)
