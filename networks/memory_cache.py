"""Cached network outputs per recorded row, so that rows can be sampled with memory populated.

Training samples rows at random, but a row's memory holds the outputs of up to 112 earlier rows. Running those each time
would cost a hundred times the row itself; instead outputs are cached when computed, and are slightly stale when read.
The staleness decreases with the learning rate. Rows without cached outputs count as empty slots.
"""

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from fsd.data.files import replacing
from fsd.networks.contract import KEY_SIZE, SLOT_TOKENS


class MemoryCache:
    """Keys and values by row in half precision, in files that always hold what they held at a checkpoint.

    Outputs since the last checkpoint are in memory only, so that a run that was killed resumes with the cache that its
    checkpoint was made with. Saving takes two steps around the writing of the checkpoint: `prepare`, then `commit`.

    Args:
        folder: folder of the arrays; rows: size of the training set.
        step: of the checkpoint from which a run resumes; 0 begins with an empty cache.
        kept_rows: size of the training set at that checkpoint, if rows were appended since.
    """

    def __init__(self, folder: Path, rows: int, step: int = 0, kept_rows: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        shape, kept = (rows, SLOT_TOKENS, KEY_SIZE), () if step == 0 else (rows, kept_rows or rows)
        self.keys = _array(folder / "memory_keys.npy", shape, np.float16, kept)
        self.values = _array(folder / "memory_values.npy", shape, np.float16, kept)
        self.known = _array(folder / "memory_known.npy", (rows,), np.bool_, kept)
        self._rows = np.empty(0, np.int64)
        self._new_keys = self._new_values = np.empty((0, *shape[1:]), np.float16)
        self._place = np.full(rows, -1, np.int64)  # of a row in the three arrays above; -1 if they do not have it
        self._forgotten = np.zeros(rows, np.bool_)
        if step and self._prepared(step).exists():
            with np.load(self._prepared(step)) as prepared:
                if "forgotten" in prepared:
                    self.forget(prepared["forgotten"])
                self.write(prepared["rows"], prepared["keys"], prepared["values"])
        self.commit(step)

    def forget(self, rows: np.ndarray) -> None:
        """Have nothing at rows (n,) until they are written again."""
        self._forgotten[rows] = True
        self._place[rows] = -1

    def write(self, rows: np.ndarray, keys: np.ndarray, values: np.ndarray) -> None:
        """Store the outputs (n, 16, 64) of rows (n,)."""
        new = np.unique(rows[self._place[rows] < 0])
        begin, end = len(self._rows), len(self._rows) + len(new)
        self._rows = np.append(self._rows, new)
        self._place[new] = np.arange(begin, end)
        if end > len(self._new_keys):
            longer = ((0, max(end, 2 * begin) - len(self._new_keys)), (0, 0), (0, 0))
            self._new_keys, self._new_values = np.pad(self._new_keys, longer), np.pad(self._new_values, longer)
        self._new_keys[self._place[rows]], self._new_values[self._place[rows]] = keys, values

    def read(self, slot_row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(…, 112) rows or -1 -> keys and values (…, 112, 16, 64) half precision, known (…, 112) bool."""
        rows = np.maximum(slot_row, 0)
        known = (slot_row >= 0) & ((self.known[rows] & ~self._forgotten[rows]) | (self._place[rows] >= 0))
        rows = np.where(known, rows, 0)
        keys, values, place = self.keys[rows], self.values[rows], self._place[rows]
        is_new = place >= 0
        keys[is_new], values[is_new] = self._new_keys[place[is_new]], self._new_values[place[is_new]]
        return keys, values, known

    def prepare(self, step: int) -> None:
        """Before the checkpoint of `step` is written: write the outputs since the one before to a file of their own."""
        rows, kept = self._written()
        forgotten = np.flatnonzero(self._forgotten)
        with replacing(self._prepared(step)) as unfinished, unfinished.open("wb") as file:
            np.savez(file, rows=rows, keys=self._new_keys[kept], values=self._new_values[kept], forgotten=forgotten)

    def commit(self, step: int) -> None:
        """Once the checkpoint of `step` is there: bring the arrays up to date. Being killed here does no harm."""
        rows, kept = self._written()
        self.keys[rows], self.values[rows] = self._new_keys[kept], self._new_values[kept]
        self.known[self._forgotten] = False
        self.known[rows] = True
        self._place[rows] = -1
        self._forgotten[:] = False
        self._rows, self._new_keys, self._new_values = self._rows[:0], self._new_keys[:0], self._new_values[:0]
        for path in self._folder.glob("since-*"):
            if path != self._prepared(step):  # kept until the next checkpoint, to be repeated if this was cut short
                path.unlink()

    def _written(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows written and not forgotten since the last checkpoint, and their places."""
        kept = np.flatnonzero(self._place[self._rows] == np.arange(len(self._rows)))
        return self._rows[kept], kept

    def _prepared(self, step: int) -> Path:
        return self._folder / f"since-{step}.npz"


def _array(path: Path, shape: tuple[int, ...], dtype: type, kept: Collection[int]) -> np.ndarray:
    """Open the array of this file; a new one of zeros begins with its rows if their number is one of `kept`."""
    found = np.load(path, mmap_mode="r+") if path.exists() and kept else None
    if found is not None and (found.shape[1:] != shape[1:] or found.dtype != dtype or len(found) not in kept):
        found = None
    if found is not None and len(found) == shape[0]:
        return found
    with replacing(path) as unfinished:
        array = np.lib.format.open_memmap(unfinished, "w+", dtype, shape)
        # Else a full disk would end the process when a page is written, without a word.
        if hasattr(os, "posix_fallocate"):
            with unfinished.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, unfinished.stat().st_size)
        if found is not None:
            array[: len(found)] = found
        array.flush()
    return array
