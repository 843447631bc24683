"""Cached network outputs per recorded row, so that rows can be sampled with memory populated.

Training samples rows at random, but a row's memory holds the outputs of up to 112 earlier rows. Running those each time
would cost a hundred times the row itself; instead outputs are cached when computed, and are slightly stale when read.
The staleness decreases with the learning rate. Rows without cached outputs count as empty slots.
"""

import os
from pathlib import Path

import numpy as np

from fsd.networks.contract import KEY_SIZE, SLOT_TOKENS


class MemoryCache:
    """Keys and values by row in half precision; on disk, so that an interrupted training resumes with them.

    Args:
        folder: folder of the arrays; rows: size of the training set.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        shape = (rows, SLOT_TOKENS, KEY_SIZE)
        self.keys = _array(folder / "memory_keys.npy", shape, np.float16)
        self.values = _array(folder / "memory_values.npy", shape, np.float16)
        self.known = _array(folder / "memory_known.npy", (rows,), np.bool_)

    def write(self, rows: np.ndarray, keys: np.ndarray, values: np.ndarray) -> None:
        """Store the outputs (n, 16, 64) of rows (n,)."""
        self.keys[rows], self.values[rows] = keys, values
        self.known[rows] = True

    def read(self, slot_row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(…, 112) rows or -1 -> keys and values (…, 112, 16, 64) half precision, known (…, 112) bool."""
        known = (slot_row >= 0) & self.known[np.maximum(slot_row, 0)]
        rows = np.where(known, slot_row, 0)
        return self.keys[rows], self.values[rows], known


def _array(path: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Open the array of this file; create zeros if it is missing or belongs to another training set."""
    if path.exists():
        found = np.load(path, mmap_mode="r+")
        if found.shape == shape and found.dtype == dtype:
            return found
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):  # else a full disk would end the process when a page is written, without a word
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
