"""Corners in an image, and where they are in the next one: pyramidal Lucas-Kanade on luma.

Images are (H, W) float32. Points are (n, 2) float64 x, y in pixels; whole numbers are pixel centres.
Source: Bouguet, "Pyramidal implementation of the Lucas-Kanade feature tracker", 2000; corners by Shi and Tomasi, 1994.
"""

from collections.abc import Sequence

import numpy as np

from fsd.data.kernel import kernel

MAX_WIDTH_PX = 960
"""Wider images are averaged down by a whole factor first: sub-pixel tracking loses nothing that matters here."""

LEVELS = 4
HALF_WINDOW_PX = 7
CELL_PX = 22
"""One corner is taken from every square of this size, so that points cover the image."""

MIN_EIGENVALUE = 6.0
"""Smallest eigenvalue of a corner's mean structure tensor, in grey levels squared: above compression noise."""


def pyramid(luma: np.ndarray) -> tuple[list[np.ndarray], int]:
    """The image at full, half, quarter … size, and the whole factor by which the first was made smaller."""
    factor = -(-luma.shape[1] // MAX_WIDTH_PX)
    image = luma.astype(np.float32) if factor == 1 else _block_mean(luma, factor)
    levels = [image]
    while len(levels) < LEVELS and min(levels[-1].shape) >= 8 * HALF_WINDOW_PX:
        levels.append(_halved(levels[-1]))
    return levels, factor


def _block_mean(luma: np.ndarray, factor: int) -> np.ndarray:
    height, width = (size // factor for size in luma.shape)
    blocks = luma[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def corners(image: np.ndarray) -> np.ndarray:
    """(n, 2) the best corner of every cell that has one; none near the border."""
    return _cell_corners(image, CELL_PX, HALF_WINDOW_PX + 3, MIN_EIGENVALUE)


def track(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], points: np.ndarray, guess: np.ndarray, levels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Follow points from one pyramid to another.

    Args:
        points: (n, 2) in `first`; guess: (n, 2) where they are expected in `second`.
        levels: how many levels to use, 1 being the full image alone.

    Returns:
        (n, 2) positions in `second`, and (n,) bool, whether each was found.
    """
    found = guess.copy()
    is_found = np.ones(len(points), np.bool_)
    for level in range(min(levels, len(first)) - 1, -1, -1):
        scale = 2.0**level
        # Pixel centres: the middle of pixel 0 of a halved image lies at 0.5 of the finer one.
        coarse_points, coarse_guess = ((each + 0.5) / scale - 0.5 for each in (points, found))
        ends, is_found = _lucas_kanade(first[level], second[level], coarse_points, coarse_guess, HALF_WINDOW_PX)
        moved = (ends + 0.5) * scale - 0.5
        found = np.where(is_found[:, None], moved, found)
    return found, is_found


@kernel
def _halved(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[0] // 2, image.shape[1] // 2
    half = np.empty((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            y, x = 2 * row, 2 * column
            half[row, column] = 0.25 * (image[y, x] + image[y, x + 1] + image[y + 1, x] + image[y + 1, x + 1])
    return half


@kernel
def _cell_corners(image: np.ndarray, cell: int, margin: int, least: float) -> np.ndarray:
    height, width = image.shape
    found = np.empty(((height // cell + 1) * (width // cell + 1), 2), np.float64)
    count = 0
    for top in range(margin, height - margin, cell):
        for left in range(margin, width - margin, cell):
            best, best_x, best_y = np.float64(least), -1, -1
            for y in range(top, min(top + cell, height - margin), 2):
                for x in range(left, min(left + cell, width - margin), 2):
                    xx = xy = yy = 0.0
                    for v in range(y - 3, y + 4):
                        for u in range(x - 3, x + 4):
                            dx = 0.5 * (image[v, u + 1] - image[v, u - 1])
                            dy = 0.5 * (image[v + 1, u] - image[v - 1, u])
                            xx += dx * dx
                            xy += dx * dy
                            yy += dy * dy
                    smallest = (0.5 * (xx + yy) - np.sqrt(0.25 * (xx - yy) ** 2 + xy * xy)) / 49.0
                    if smallest > best:
                        best, best_x, best_y = smallest, x, y
            if best_x >= 0:
                found[count, 0], found[count, 1] = best_x, best_y
                count += 1
    return found[:count].copy()


@kernel
def _lucas_kanade(  # noqa: C901, PLR0915 - one kernel, read from top to bottom
    first: np.ndarray, second: np.ndarray, points: np.ndarray, guess: np.ndarray, half: int
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse compositional: the gradient of the template alone, with a free offset of brightness."""
    height, width = first.shape
    size = 2 * half + 1
    ends = guess.copy()
    is_found = np.zeros(len(points), np.bool_)
    patch = np.empty((size, size), np.float64)
    along_x, along_y = np.empty((size, size), np.float64), np.empty((size, size), np.float64)
    bell = np.empty((size, size), np.float64)  # what lies off the corner moves otherwise: it counts less
    for j in range(size):
        for i in range(size):
            bell[j, i] = np.exp(-2.0 * ((i - half) ** 2 + (j - half) ** 2) / half**2)
    bell /= bell.sum()
    for index in range(len(points)):
        px, py = points[index, 0], points[index, 1]
        left, top = int(np.floor(px)), int(np.floor(py))
        if left - half < 1 or top - half < 1 or left + half + 2 >= width or top + half + 2 >= height:
            continue
        fx, fy = px - left, py - top
        mean = mean_x = mean_y = 0.0
        for j in range(size):
            for i in range(size):
                y, x = top - half + j, left - half + i
                a, b, c, d = first[y, x], first[y, x + 1], first[y + 1, x], first[y + 1, x + 1]
                patch[j, i] = (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy
                dx0 = 0.5 * ((b - first[y, x - 1]) * (1 - fx) + (first[y, x + 2] - a) * fx)
                dx1 = 0.5 * ((d - first[y + 1, x - 1]) * (1 - fx) + (first[y + 1, x + 2] - c) * fx)
                dy0 = 0.5 * ((c - first[y - 1, x]) * (1 - fy) + (first[y + 2, x] - a) * fy)
                dy1 = 0.5 * ((d - first[y - 1, x + 1]) * (1 - fy) + (first[y + 2, x + 1] - b) * fy)
                along_x[j, i] = dx0 * (1 - fy) + dx1 * fy
                along_y[j, i] = dy0 * (1 - fx) + dy1 * fx
                mean += bell[j, i] * patch[j, i]
                mean_x += bell[j, i] * along_x[j, i]
                mean_y += bell[j, i] * along_y[j, i]
        xx = xy = yy = 0.0
        for j in range(size):
            for i in range(size):
                along_x[j, i] -= mean_x
                along_y[j, i] -= mean_y
                patch[j, i] -= mean
                xx += bell[j, i] * along_x[j, i] * along_x[j, i]
                xy += bell[j, i] * along_x[j, i] * along_y[j, i]
                yy += bell[j, i] * along_y[j, i] * along_y[j, i]
        determinant = xx * yy - xy * xy
        if determinant < 1e-3 * (xx + yy) ** 2 or xx + yy < 1.0:
            continue
        ex, ey = guess[index, 0], guess[index, 1]
        for _ in range(12):
            ex_left, ey_top = int(np.floor(ex)), int(np.floor(ey))
            inside = ex_left - half >= 0 and ey_top - half >= 0
            if not inside or ex_left + half + 1 >= width or ey_top + half + 1 >= height:
                break
            gx, gy = ex - ex_left, ey - ey_top
            total = sum_x = sum_y = error = power = 0.0
            for j in range(size):
                for i in range(size):
                    y, x = ey_top - half + j, ex_left - half + i
                    above = second[y, x] * (1 - gx) + second[y, x + 1] * gx
                    below = second[y + 1, x] * (1 - gx) + second[y + 1, x + 1] * gx
                    total += bell[j, i] * (above * (1 - gy) + below * gy)
            for j in range(size):
                for i in range(size):
                    y, x = ey_top - half + j, ex_left - half + i
                    above = second[y, x] * (1 - gx) + second[y, x + 1] * gx
                    below = second[y + 1, x] * (1 - gx) + second[y + 1, x + 1] * gx
                    difference = above * (1 - gy) + below * gy - total - patch[j, i]
                    sum_x += bell[j, i] * difference * along_x[j, i]
                    sum_y += bell[j, i] * difference * along_y[j, i]
                    error += bell[j, i] * difference * difference
                    power += bell[j, i] * patch[j, i] * patch[j, i]
            step_x = (yy * sum_x - xy * sum_y) / determinant
            step_y = (xx * sum_y - xy * sum_x) / determinant
            ex -= step_x
            ey -= step_y
            if step_x * step_x + step_y * step_y < 4e-4:
                is_found[index] = error < 0.25 * power
                break
        ends[index, 0], ends[index, 1] = ex, ey
    return ends, is_found
