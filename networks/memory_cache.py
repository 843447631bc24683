"""What the network last answered at every recorded row, so that any row can be drawn with its memory filled.

Training draws rows at random, but a row's memory holds the answers of up to 112 earlier ones. Running those every time
would cost a hundred times the row itself; instead each answer is kept when it is made, and is a little stale when it
is read. Drift fades as the learning rate does. Rows never answered yet count as empty slots.
"""

from pathlib import Path

import numpy as np

from fsd.networks.contract import KEY_SIZE, SLOT_TOKENS


class MemoryCache:
    """Keys and values by row, half precision; on disk, so that a broken training goes on with them.

    Args:
        folder: where the arrays lie; rows: of the training set.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        shape = (rows, SLOT_TOKENS, KEY_SIZE)
        self.keys = _array(folder / "memory_keys.npy", shape, np.float16)
        self.values = _array(folder / "memory_values.npy", shape, np.float16)
        self.known = _array(folder / "memory_known.npy", (rows,), np.bool_)

    def write(self, rows: np.ndarray, keys: np.ndarray, values: np.ndarray) -> None:
        """Keep the answers (n, 16, 64) of rows (n,)."""
        self.keys[rows], self.values[rows] = keys, values
        self.known[rows] = True

    def read(self, slot_row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(…, 112) rows or -1 -> keys and values (…, 112, 16, 64) half precision, known (…, 112) bool."""
        known = (slot_row >= 0) & self.known[np.maximum(slot_row, 0)]
        rows = np.where(known, slot_row, 0)
        return self.keys[rows], self.values[rows], known


def _array(path: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """The array of this file; a new one of zeros if there is none, or it belongs to another training set."""
    if path.exists():
        found = np.load(path, mmap_mode="r+")
        if found.shape == shape and found.dtype == dtype:
            return found
    return np.lib.format.open_memmap(path, "w+", dtype, shape)
