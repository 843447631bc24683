"""Compressed ticks on disk: Arrow IPC files of one budget, one record batch per tick.

The arrays are those of an episode (`dataset.episode_shapes`), without what does not depend on the budget. Arrow, since
the run-time dependencies read it, a file grows tick by tick in bounded memory, and every record batch is compressed by
itself: one tick is read without its neighbours. (Safetensors needs all of a file at once, does not compress, and is an
extra; one `.npy` per array means about twenty files per clip and the whole clip in memory while it is written.)
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fsd.compression.budget import Budget
from fsd.data.errors import ClipError
from fsd.networks.contract import input_shapes
from fsd.networks.dataset import MAX_COMMITS_PER_ROW, patch_cell_shape
from fsd.networks.input_buffers import TICK_INPUTS

ROWS_PER_FILE = 4096
"""At 76 kB per tick of B100, 310 MB."""

OPEN_FILES = 32
"""Files that a reader keeps mapped into memory."""


def shard_shapes(budget: Budget) -> dict[str, tuple[tuple[int, ...], str]]:
    """Array name -> (shape per tick, dtype) of a shard."""
    shapes = {name: spec for name, spec in input_shapes(budget).items() if name in TICK_INPUTS}
    return {**shapes, **patch_cell_shape(budget), "commit_slots": ((MAX_COMMITS_PER_ROW,), "int16")}


def shard_path(folder: Path, budget: str, number: int) -> Path:
    return folder / f"{budget}-{number:04d}.arrow"


def _schema(budget: Budget) -> pa.Schema:
    return pa.schema(
        [
            (name, pa.fixed_shape_tensor(pa.from_numpy_dtype(np.dtype(dtype)), shape))
            for name, (shape, dtype) in shard_shapes(budget).items()
        ]
    )


class ShardWriter:
    """Writes the ticks of one clip at one budget, in order, to a folder; use `close` at the end.

    `tick_names`: the arrays that come from a `CompressedTick` under the same name.
    """

    def __init__(self, folder: Path, budget: Budget) -> None:
        self._folder, self._budget, self._schema = folder, budget, _schema(budget)
        self.tick_names = tuple(name for name in shard_shapes(budget) if name in TICK_INPUTS)
        self._writer: Any = None
        self.rows = 0

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write one tick; names and shapes are those of `shard_shapes`."""
        if self.rows % ROWS_PER_FILE == 0:
            self.close()
            path = shard_path(self._folder, self._budget.name, self.rows // ROWS_PER_FILE)
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            self._writer = pa.ipc.new_file(str(path), self._schema, options=options)
        columns = []
        for field in self._schema:
            values = pa.array(np.ascontiguousarray(arrays[field.name]).reshape(-1))
            columns.append(
                pa.ExtensionArray.from_storage(field.type, pa.FixedSizeListArray.from_arrays(values, len(values)))
            )
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
        self.rows += 1

    def close(self) -> None:
        """End the file that is written."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class ShardFiles:
    """Reads single ticks of many clips; keeps the newest `OPEN_FILES` files mapped, so memory is bounded."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._shapes = shard_shapes(budget)
        self._open: OrderedDict[Path, Any] = OrderedDict()

    def read(self, folder: Path, row: int) -> dict[str, np.ndarray]:
        """The arrays of one tick; do not write to them.

        Raises:
            ClipError: the file is missing, damaged, or of another budget.
        """
        path = shard_path(folder, self._budget.name, row // ROWS_PER_FILE)
        try:
            batch = self._file(path).get_batch(row % ROWS_PER_FILE)
            return {
                name: batch.column(name).storage.flatten().to_numpy().reshape(shape)
                for name, (shape, _) in self._shapes.items()
            }
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise ClipError(
                f"{path} cannot be read at row {row} ({error}). Delete {folder} and build the data set again."
            ) from error

    def read_column(self, folder: Path, name: str, begin: int, end: int) -> np.ndarray:
        """One array of the ticks `begin` to `end`, (n, *shape); the others are not decompressed.

        Raises:
            ClipError: as of `read`.
        """
        options = pa.ipc.IpcReadOptions(included_fields=[list(self._shapes).index(name)])
        found: list[np.ndarray] = []
        path = folder
        try:
            for first in range(begin - begin % ROWS_PER_FILE, end, ROWS_PER_FILE):
                path = shard_path(folder, self._budget.name, first // ROWS_PER_FILE)
                file = pa.ipc.open_file(pa.memory_map(str(path)), options=options)
                rows = range(max(begin, first), min(end, first + ROWS_PER_FILE))
                found += [file.get_batch(row - first).column(0).storage.flatten().to_numpy() for row in rows]
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise ClipError(
                f"{path} cannot be read ({error}). Delete {folder} and build the data set again."
            ) from error
        return np.stack(found).reshape(len(found), *self._shapes[name][0])

    def _file(self, path: Path) -> Any:
        if path in self._open:
            self._open.move_to_end(path)
        else:
            self._open[path] = pa.ipc.open_file(pa.memory_map(str(path)))
            while len(self._open) > OPEN_FILES:
                self._open.popitem(last=False)
        return self._open[path]
