"""What a faulty camera does to one picture: noise, coding errors, a turned or dirty camera, glare, exposure.

Works on the YUV planes of one picture (8 bit, limited range). Every change depends on its arguments alone.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

Pixels = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The y (H, W), u and v (ceil(H/2), ceil(W/2)) plane of a picture, uint8."""

BLACK, WHITE, NEUTRAL = 16, 235, 128
"""Limits of luma and the chroma of grey, ITU-R BT.601."""

CODED_BLOCK_PX = 16
GROUP_S = 1.0
"""Time from one intact picture of a damaged video to the next: errors persist until then."""

HUNTING_HZ, HUNTING_STOPS = 1.5, 1.5
"""Exposure hunting: how often the exposure swings, and how far to either side, in factors of two."""

DIRTY_SHARE = 0.3
"""Part of the picture that dirt covers, about."""


def noise(pixels: Pixels, seed: int, time_s: float) -> Pixels:
    """Nothing but noise, different in every picture."""
    rng = np.random.default_rng([seed, round(time_s * 1e6)])
    return _map(lambda plane: rng.integers(BLACK, WHITE + 1, plane.shape, np.uint8), pixels)


def black(pixels: Pixels, seed: int, time_s: float) -> Pixels:
    """No light: black with the noise of a sensor."""
    rng = np.random.default_rng([seed, round(time_s * 1e6)])
    luma = rng.integers(BLACK, BLACK + 3, pixels[0].shape, np.uint8)
    return luma, np.full_like(pixels[1], NEUTRAL), np.full_like(pixels[2], NEUTRAL)


def corrupt(pixels: Pixels, seed: int, time_s: float) -> Pixels:
    """A damaged video, as decoders show it: from some row on, blocks are smeared downwards, displaced or green.

    The damage persists for `GROUP_S`, then lies elsewhere.
    """
    rng = np.random.default_rng([seed, math.floor(time_s / GROUP_S)])
    height, width = pixels[0].shape
    rows, columns = math.ceil(height / CODED_BLOCK_PX), math.ceil(width / CODED_BLOCK_PX)
    first = int(rng.integers(rows // 6, rows // 2 + 1))
    intact, smeared, displaced, green_block = range(4)
    damage = rng.choice(np.arange(4, dtype=np.uint8), (rows, columns), p=(0.15, 0.45, 0.2, 0.2))
    shift = int(rng.integers(2, 8)) * CODED_BLOCK_PX
    damage[:first] = intact

    def damaged(plane: np.ndarray, scale: int, green: int) -> np.ndarray:
        block_px = CODED_BLOCK_PX // scale
        of_pixel = np.repeat(np.repeat(damage, block_px, 0), block_px, 1)[: plane.shape[0], : plane.shape[1]]
        result = np.where(of_pixel == smeared, plane[max(first * block_px - 1, 0)], plane)
        result = np.where(of_pixel == displaced, np.roll(plane, shift // scale, axis=1), result)
        return np.where(of_pixel == green_block, np.uint8(green), result)

    return damaged(pixels[0], 1, BLACK + 60), damaged(pixels[1], 2, 43), damaged(pixels[2], 2, 21)


def size_change(pixels: Pixels, seed: int, time_s: float) -> Pixels:
    """The sensor changes its mode: half the width and height, from the middle of the picture only."""
    height, width = (size // 4 * 2 for size in pixels[0].shape)  # even: chroma has half
    top, left = (pixels[0].shape[0] - height) // 4 * 2, (pixels[0].shape[1] - width) // 4 * 2

    def middle(plane: np.ndarray, scale: int) -> np.ndarray:
        rows = slice(top // scale, (top + height) // scale)
        return np.ascontiguousarray(plane[rows, left // scale : (left + width) // scale])

    return middle(pixels[0], 1), middle(pixels[1], 2), middle(pixels[2], 2)


def upside_down(pixels: Pixels, seed: int, time_s: float) -> Pixels:
    """The camera is mounted upside down."""
    return _map(lambda plane: np.ascontiguousarray(plane[::-1, ::-1]), pixels)


def rotated(pixels: Pixels, seed: int, time_s: float) -> Pixels:
    """The camera is turned by a quarter on its optical axis: a picture of the same size, of the middle of the view."""
    return _map(_quarter_turn, pixels)


def dirt(pixels: Pixels, seed: int, time_s: float) -> Pixels:
    """Blots on the lens, out of focus, at the same place in every picture."""
    cover = _blots(pixels[0].shape, seed)
    return (
        _mixed(pixels[0], 52.0, cover),
        _mixed(pixels[1], 120.0, cover[::2, ::2]),
        _mixed(pixels[2], 136.0, cover[::2, ::2]),
    )


def glare(pixels: Pixels, seed: int, time_s: float) -> Pixels:
    """A light shines into the lens: a saturated disc, and a veil over the whole picture."""
    cover = _light(pixels[0].shape, seed)
    return (
        _mixed(pixels[0], WHITE, cover),
        _mixed(pixels[1], NEUTRAL, cover[::2, ::2]),
        _mixed(pixels[2], NEUTRAL, cover[::2, ::2]),
    )


def exposure_hunting(pixels: Pixels, seed: int, time_s: float) -> Pixels:
    """The exposure control swings from too dark to too bright and back."""
    phase = np.random.default_rng(seed).uniform(0.0, 2.0 * math.pi)
    gain = 2.0 ** (HUNTING_STOPS * math.sin(2.0 * math.pi * HUNTING_HZ * time_s + phase))
    levels = np.arange(256, dtype=np.float64)
    luma = np.clip(np.rint((levels - BLACK) * gain + BLACK), BLACK, WHITE).astype(np.uint8)
    chroma = np.clip(np.rint((levels - NEUTRAL) * gain + NEUTRAL), BLACK, 240).astype(np.uint8)
    return luma[pixels[0]], chroma[pixels[1]], chroma[pixels[2]]


PICTURE_FAULTS: dict[str, Callable[[Pixels, int, float], Pixels]] = {
    change.__name__: change
    for change in (noise, black, corrupt, size_change, upside_down, rotated, dirt, glare, exposure_hunting)
}
"""Fault -> what it makes of a picture: (pixels, seed, time in seconds) -> pixels."""


def _map(change: Callable[[np.ndarray], np.ndarray], pixels: Pixels) -> Pixels:
    luma, u, v = pixels
    return change(luma), change(u), change(v)


def _mixed(plane: np.ndarray, colour: float, cover: np.ndarray) -> np.ndarray:
    """`plane` covered by a colour; `cover` is 0 where it shows and 1 where it does not."""
    return np.rint((1.0 - cover) * plane + cover * colour).astype(np.uint8)


def _quarter_turn(plane: np.ndarray) -> np.ndarray:
    """Turned by 90 degrees and enlarged to the old size about the middle, by the nearest pixel."""
    height, width = plane.shape
    scale = min(height, width) / max(height, width)
    rows, columns = np.arange(height) - 0.5 * (height - 1), np.arange(width) - 0.5 * (width - 1)
    source_row = np.rint(0.5 * (height - 1) + scale * columns).astype(np.intp).clip(0, height - 1)
    source_column = np.rint(0.5 * (width - 1) - scale * rows).astype(np.intp).clip(0, width - 1)
    return plane[source_row[None, :], source_column[:, None]]


@lru_cache(maxsize=8)
def _light(shape: tuple[int, int], seed: int) -> np.ndarray:
    """(H, W) share of stray light in each pixel, 0-1."""
    rng = np.random.default_rng(seed)
    height, width = shape
    row, column = rng.uniform(0.25, 0.55) * height, rng.uniform(0.35, 0.65) * width
    y, x = np.ogrid[:height, :width]
    distance = np.hypot(y - row, x - column) / height
    return np.clip(1.3 * np.exp(-((distance / 0.33) ** 2)) + 0.25, 0.0, 1.0)


@lru_cache(maxsize=8)
def _blots(shape: tuple[int, int], seed: int) -> np.ndarray:
    """(H, W) how much of each pixel is covered, 0-1: blurred discs on `DIRTY_SHARE` of the picture."""
    rng = np.random.default_rng(seed)
    height, width = shape
    y, x = np.ogrid[:height, :width]
    cover = np.zeros(shape)
    while (cover > 0.5).mean() < DIRTY_SHARE:
        row, column, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0.06, 0.2) * height
        distance = np.hypot(y - row, x - column)
        cover = np.maximum(cover, 0.95 / (1.0 + np.exp((distance - radius) / (0.12 * radius))))
    return cover
