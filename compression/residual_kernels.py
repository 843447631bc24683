"""Residuals: what ego motion and exposure do not explain of a camera's change, per block, in whole numbers.

Works on analysis images (120, 160) and predicted shifts; knows neither rig nor policy. Residuals are sums of absolute
differences over the 64 pixels of a block. A gain in these loops is in 1/256, an offset in 1/256 grey levels.
"""

import numpy as np

from fsd.compression.byte_sums import make_byte_sum
from fsd.compression.sampling import ANALYSIS_COLUMNS, ANALYSIS_ROWS
from fsd.data.frames import GRID_COLUMNS, GRID_ROWS
from fsd.data.kernel import kernel

EDGE = 8
"""Analysis pixels across a block."""

SUSPECTS = 16
"""At most this many blocks per camera and tick are matched again, with other depths and by one pixel."""

FLOOR_BITS = 4
"""A noise floor is a running mean over about 2^4 ticks."""

_LAST_ROW, _LAST_COLUMN = ANALYSIS_ROWS - EDGE, ANALYSIS_COLUMNS - EDGE
_sum_bytes, _sum_differences = (make_byte_sum(images, words=GRID_COLUMNS) for images in (1, 2))

_1, _2, _3, _4, _5, _6, _7 = (np.uint64(i) for i in range(1, 8))
_STRIDE = np.uint64(ANALYSIS_COLUMNS)


@kernel
def warp(reference: np.ndarray, shifts: np.ndarray, out: np.ndarray) -> None:
    """Move every block of the reference to where its content should be now; clipped at the picture's edge."""
    source, target = reference.reshape(-1), out.reshape(-1)
    for row in range(GRID_ROWS):
        for column in range(GRID_COLUMNS):
            block = GRID_COLUMNS * row + column
            y = min(max(EDGE * row + shifts[1, block], 0), _LAST_ROW)
            x = min(max(EDGE * column + shifts[0, block], 0), _LAST_COLUMN)
            p, q = np.uint64(y * ANALYSIS_COLUMNS + x), np.uint64(EDGE * (row * ANALYSIS_COLUMNS + column))
            for _ in range(EDGE):
                # All eight loads before all eight stores, so that the compiler can make one word of each: 4x faster.
                a, b, c, d = source[p], source[p + _1], source[p + _2], source[p + _3]
                e, f, g, h = source[p + _4], source[p + _5], source[p + _6], source[p + _7]
                target[q], target[q + _1], target[q + _2], target[q + _3] = a, b, c, d
                target[q + _4], target[q + _5], target[q + _6], target[q + _7] = e, f, g, h
                p += _STRIDE
                q += _STRIDE


@kernel
def block_sums(image: np.ndarray, out: np.ndarray) -> None:
    """(15, 20) uint16 sums of the 64 pixels of every block of a (120, 160) uint8 image without gaps."""
    for row in range(GRID_ROWS):
        _sum_bytes(image, np.uint64(row), out)


@kernel
def fit_exposure(now: np.ndarray, before: np.ndarray) -> tuple[int, int]:
    """Gain and offset (1/256) that turn the earlier block sums into the present ones.

    The ratio of the spreads, not a regression of one on the other: that would read motion as a loss of contrast.
    Blocks that do not fit are left out of the next pass, so that a new object is not taken for a new exposure. Every
    second block is used.
    """
    n = now.shape[0]
    half = (n + 1) // 2
    here, there, error = np.empty(half), np.empty(half), np.empty(half)
    for i in range(half):
        here[i], there[i] = now[2 * i], before[2 * i]
        error[i] = abs(here[i] - there[i])
    gain, offset = 1.0, 0.0
    limit = np.inf
    for turn in range(3):
        count, sum_now, sum_before = 0, 0, 0
        for i in range(half):
            is_used = error[i] <= limit
            count += is_used
            sum_now += int(here[i]) if is_used else 0
            sum_before += int(there[i]) if is_used else 0
        if count < n // 16:
            break
        mean_now, mean_before = sum_now / count, sum_before / count
        spread_now, spread_before = 0.0, 0.0
        for i in range(half):
            is_used = error[i] <= limit
            spread_now += abs(here[i] - mean_now) if is_used else 0.0
            spread_before += abs(there[i] - mean_before) if is_used else 0.0
        # A flat picture (fog, a wall, the cover on) has no contrast to measure a gain by: then only an offset.
        gain = 1.0 if spread_before < count * 64 or spread_now < count * 64 else spread_now / spread_before
        gain = min(max(gain, 0.25), 4.0)
        offset = mean_now - gain * mean_before
        if turn == 2:
            break
        total = 0.0
        for i in range(half):
            error[i] = abs(here[i] - gain * there[i] - offset)
            total += error[i]
        limit = 4.0 * total / n + 64.0
    return round(256 * gain), round(4 * offset)


@kernel
def residuals(image: np.ndarray, warped: np.ndarray, gain: int, offset: int, out: np.ndarray) -> None:
    """(15, 20) uint16 sums of |image - exposure-corrected warped reference| of every block; corrects it in place.

    Images are (120, 160) uint8 without gaps.
    """
    # (b * gain + offset + 128) >> 8 in 16 bits: what of gain and offset is below 256 first, then the rest.
    fine, coarse = np.uint16(gain & 255), np.uint16(gain >> 8)
    rest, whole = np.uint16((offset + 128) & 255), np.int16((offset + 128) >> 8)
    pixels = warped.reshape(-1)
    for i in range(pixels.shape[0]):
        b = np.uint16(pixels[i])
        value = np.int16(np.uint16(np.uint16(b * fine + rest) >> np.uint16(8)) + np.uint16(b * coarse)) + whole
        pixels[i] = np.uint8(min(max(np.int16(value), np.int16(0)), np.int16(255)))
    for row in range(GRID_ROWS):
        _sum_differences(image, warped, np.uint64(row), out)


@kernel
def block_residual(
    image: np.ndarray, reference: np.ndarray, top: int, left: int, y: int, x: int, gain: int, offset: int
) -> int:
    """Residual of one block against the reference at (y, x), clipped to the picture."""
    y, x = min(max(y, 0), _LAST_ROW), min(max(x, 0), _LAST_COLUMN)
    factor, shift = np.int32(gain), np.int32(offset + 128)
    total = np.int32(0)
    for j in range(EDGE):
        for i in range(EDGE):  # unsigned indices: no check for negative ones, and the loop becomes wide instructions
            value = (np.int32(reference[np.uint64(y + j), np.uint64(x + i)]) * factor + shift) >> np.int32(8)
            value = min(max(value, np.int32(0)), np.int32(255))
            total += abs(np.int32(image[np.uint64(top + j), np.uint64(left + i)]) - value)
    return int(total)


@kernel
def _best_match(
    image: np.ndarray,
    reference: np.ndarray,
    block: int,
    shifts: np.ndarray,
    turn_x: float,
    turn_y: float,
    gain: int,
    offset: int,
    best: int,
) -> int:
    """The smallest residual over other depths along the same motion (at infinity, half as near, half again as near)
    and one pixel around: what a static world explains is no surprise."""
    top, left = EDGE * (block // GRID_COLUMNS), EDGE * (block % GRID_COLUMNS)
    far_x, far_y = int(np.floor(turn_x + 0.5)), int(np.floor(turn_y + 0.5))
    near_x, near_y = shifts[0, block] - far_x, shifts[1, block] - far_y
    best_x, best_y = far_x + near_x, far_y + near_y
    for depth in (0, 1, 3):
        x, y = far_x + (near_x * depth) // 2, far_y + (near_y * depth) // 2
        total = block_residual(image, reference, top, left, top + y, left + x, gain, offset)
        if total < best:
            best, best_x, best_y = total, x, y
    x, y = best_x, best_y
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        total = block_residual(image, reference, top, left, top + y + dy, left + x + dx, gain, offset)
        best = min(best, total)
    return best


@kernel
def _detail(image: np.ndarray, block: int) -> int:
    """Sum of the differences between neighbouring pixels: the residual that half a pixel of misregistration causes."""
    top, left = EDGE * (block // GRID_COLUMNS), EDGE * (block % GRID_COLUMNS)
    total = np.int32(0)
    for j in range(EDGE):
        for i in range(EDGE - 1):  # unsigned indices, as in `block_residual`
            y, x, below, right = np.uint64(top + j), np.uint64(left + i), np.uint64(top + i), np.uint64(left + j)
            total += abs(np.int32(image[y, x + _1]) - np.int32(image[y, x]))
            total += abs(np.int32(image[below + _1, right]) - np.int32(image[below, right]))
    return int(total)


@kernel
def surprise(
    image: np.ndarray,
    reference: np.ndarray,
    shifts: np.ndarray,
    turns: np.ndarray,
    turn_rad: float,
    gain: int,
    offset: int,
    residual: np.ndarray,
    floor: np.ndarray,
    spread: np.ndarray,
    samples: int,
    out: np.ndarray,
) -> int:
    """How far every block is above its own noise; updates that noise.

    A constant-false-alarm-rate detector over time: the floor of a block is the running mean of its residual, its spread
    the running mean deviation. If the whole camera rises (a bump, a cut), floors rise with it for this tick.

    Args:
        image, reference: (120, 160) uint8, now and then.
        shifts: (2, 300) int16 by the depth prior.
        turns: (2, 300) shifts per radian of turn; with `turn_rad`, the shift of content at infinity.
        gain, offset: exposure, see `fit_exposure`.
        residual: (300,) int64 of the depth prior; lowered in place where another depth explains more.
        floor, spread: (300,) int64, in 1/16; updated.
        samples: ticks that the floors have measured; with few of them, they follow faster.
        out: (300,) int64, written: excess over the floor in 1/16 spreads, 0 … 4095.

    Returns:
        the rise of the whole camera in 1/256; 256 is none.
    """
    n = residual.shape[0]
    if samples == 0:
        for i in range(n):
            floor[i], spread[i], out[i] = 16 * residual[i], 8 * residual[i], 0
        return 256
    total, expected = 0, n * 64
    for i in range(n):
        total += 16 * residual[i]
        expected += floor[i]
    rise: int = min(max((256 * (total + n * 64)) // expected, 256), 4096)
    worst = np.full(SUSPECTS, -1, np.int64)
    excess_of = np.zeros(SUSPECTS, np.int64)
    for i in range(n):
        out[i] = 0
        excess = 16 * residual[i] - ((floor[i] + 3 * spread[i]) * rise >> 8) - 512
        if excess > excess_of[SUSPECTS - 1]:
            place = SUSPECTS - 1
            while place > 0 and excess_of[place - 1] < excess:
                excess_of[place], worst[place] = excess_of[place - 1], worst[place - 1]
                place -= 1
            excess_of[place], worst[place] = excess, i
    for place in range(SUSPECTS):
        i = int(worst[place])
        if i >= 0:
            turn_x, turn_y = turn_rad * turns[0, i], turn_rad * turns[1, i]
            residual[i] = _best_match(image, reference, i, shifts, turn_x, turn_y, gain, offset, residual[i])
            excess = 16 * residual[i] - (floor[i] * rise >> 8)
            noise = (spread[i] * rise >> 8) + 2 * _detail(image, i) + 256
            out[i] = min(max(16 * excess // noise, 0), 4095)
    rate = FLOOR_BITS
    while rate > 0 and samples < 1 << rate:
        rate -= 1
    for i in range(n):
        value = min(16 * residual[i], 4 * floor[i] + 1024)  # one large residual must not raise the block's floor much
        deviation = abs(value - floor[i])
        floor[i] += (value - floor[i]) >> rate
        spread[i] += (deviation - spread[i]) >> rate
    return rise


@kernel
def measure(
    analysis: np.ndarray,
    slot: int,
    ages: np.ndarray,
    shifts: np.ndarray,
    turns: np.ndarray,
    turns_rad: np.ndarray,
    floor: np.ndarray,
    spread: np.ndarray,
    samples: np.ndarray,
    out: np.ndarray,
    rise: np.ndarray,
    gain: np.ndarray,
    offset: np.ndarray,
) -> None:
    """`surprise` of all cameras, one after the other: the result cannot depend on a number of threads.

    Args:
        analysis, slot: of `History`.
        ages, shifts, turns_rad: of `ego_warp.reference_shifts`.
        turns: (8, 2, 300) shifts per radian.
        floor, spread, samples: (8, 300), (8, 300), (8,) int64, the noise floors; updated.
        out: (8, 300) int64, written; 0 where there is no reference.
        rise, gain, offset: (8,) int64 in 1/256, written.
    """
    length, cameras, rows, columns = analysis.shape
    blocks = out.shape[1]
    warped = np.empty((rows, columns), np.uint8)
    sums_now, sums_then = np.empty((GRID_ROWS, GRID_COLUMNS), np.uint16), np.empty((GRID_ROWS, GRID_COLUMNS), np.uint16)
    residual = np.empty(blocks, np.int64)
    for camera in range(cameras):
        if ages[camera] == 0:
            out[camera] = 0
            rise[camera], gain[camera], offset[camera] = 256, 256, 0
            continue
        image, reference = analysis[slot, camera], analysis[(slot - ages[camera]) % length, camera]
        warp(reference, shifts[camera], warped)
        block_sums(image, sums_now)
        block_sums(warped, sums_then)
        gain[camera], offset[camera] = fit_exposure(sums_now.reshape(-1), sums_then.reshape(-1))
        residuals(image, warped, gain[camera], offset[camera], sums_then)
        before = sums_then.reshape(-1)
        for block in range(blocks):
            residual[block] = before[block]
        rise[camera] = surprise(
            image,
            reference,
            shifts[camera],
            turns[camera],
            turns_rad[camera],
            gain[camera],
            offset[camera],
            residual,
            floor[camera],
            spread[camera],
            samples[camera],
            out[camera],
        )
        samples[camera] += 1


@kernel
def misfit(
    analysis: np.ndarray, is_valid: np.ndarray, slot: int, then: int, blocks: np.ndarray, shifts: np.ndarray, limit: int
) -> int:
    """Sum over chosen blocks of all cameras of their residuals under given shifts, none more than `limit`.

    Args:
        analysis, is_valid, slot: of `History`; `then` is the slot of the reference.
        blocks: (8, n) int64; -1 ends a row.
        shifts: (8, 2, 300) int16.
    """
    total = 0
    for camera in range(blocks.shape[0]):
        if not (is_valid[slot, camera] and is_valid[then, camera]):
            continue
        image, reference = analysis[slot, camera], analysis[then, camera]
        for i in range(blocks.shape[1]):
            block = blocks[camera, i]
            if block < 0:
                break
            top, left = EDGE * (block // GRID_COLUMNS), EDGE * (block % GRID_COLUMNS)
            y, x = top + shifts[camera, 1, block], left + shifts[camera, 0, block]
            total += min(block_residual(image, reference, top, left, y, x, 256, 0), limit)
    return total
