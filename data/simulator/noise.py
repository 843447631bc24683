"""Smooth random grain that repeats without a seam."""

import numpy as np


def tileable_noise(size: int = 256) -> np.ndarray:
    """(size, size) uint8: four octaves of blurred noise around 128, always the same."""
    rng = np.random.default_rng(20)
    noise = np.zeros((size, size))
    for cells, weight in ((8, 0.30), (32, 0.28), (64, 0.22), (256, 0.20)):
        spread = np.kron(rng.uniform(0, 1, (cells, cells)), np.ones((size // cells, size // cells)))
        for axis in range(2):
            for _ in range(size // cells // 2):
                spread = 0.25 * (np.roll(spread, 1, axis) + np.roll(spread, -1, axis)) + 0.5 * spread
        noise += weight * (spread - spread.mean()) / max(spread.std(), 1e-6)
    return (np.clip(0.5 + 0.2 * noise / noise.std(), 0, 1) * 255).astype(np.uint8)
