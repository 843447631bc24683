"""Read a data set of recorded drives: any row at random, or the rows of a drive in order, in bounded memory.

Only the index is in memory, a few hundred bytes per uninterrupted range of rows; labels of the newest clips and maps of
the newest files are kept.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET
from fsd.data.errors import ClipError, UsageError
from fsd.networks.dataset import LABEL_SHAPES, unknown_label
from fsd.networks.drives.clip_record import CLIPS_FOLDER, LABELS_FILE, ClipRecord
from fsd.networks.drives.label_table import Labels
from fsd.networks.drives.shards import ShardFiles, shard_path
from fsd.networks.drives.splits import PARTS

INDEX_FILE = "index.parquet"
OPEN_LABELS = 16
"""Clips whose labels are kept: 12 MB per hour at 9 rows per second."""


class _Range(NamedTuple):
    """A row of the index."""

    clip: str
    drive: str
    run: int
    begin: int
    end: int
    split: str
    is_used: bool
    is_simulated: bool = False


_COLUMNS = _Range._fields


def index_table(records: list[ClipRecord]) -> pa.Table:
    """One row per range of rows with the same clip, run, part and use."""
    rows = [
        (each.key, each.drive, part.run, part.begin, part.end, part.part, part.is_used, each.is_simulated)
        for each in records
        for part in each.ranges
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_COLUMNS)
    types = (pa.string(), pa.string(), pa.int32(), pa.int64(), pa.int64(), pa.string(), pa.bool_(), pa.bool_())
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, names=list(_COLUMNS))


def is_dataset(folder: Path) -> bool:
    """Whether a folder looks like what `fsd dataset build` writes."""
    return (folder / INDEX_FILE).is_file() and (folder / CLIPS_FOLDER).is_dir()


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of one clip, run and part: a memory starts empty at `begin` and is rolled to `end`.

    Attributes:
        clip: key of the clip; drive: digest, the same for clips of one drive.
        begin, end: rows of the clip; used: (begin, end) of the rows among them to learn from or to score.
        is_simulated: as of `ClipRecord`.
    """

    clip: str
    drive: str
    run: int
    part: str
    begin: int
    end: int
    used: tuple[tuple[int, int], ...]
    is_simulated: bool = False

    def __len__(self) -> int:
        return self.end - self.begin


class RecordedDataset:
    """The rows of a data set at one budget.

    Attributes:
        folder: of the data set; budget: of its ticks; part: of `splits.PARTS`, None is all of them.
        stretches: in the order of the clips' keys, then of time.
    """

    def __init__(self, folder: Path, budget: str = DEFAULT_BUDGET, part: str | None = None) -> None:
        """Open a data set.

        Raises:
            UsageError: there is no such part or budget.
            ClipError: the folder holds no data set, or none at this budget.
        """
        if part is not None and part not in PARTS:
            raise UsageError(f"There is no part {part!r} of a data set. Use one of {', '.join(PARTS)}.")
        if budget not in ALL_BUDGETS:
            raise UsageError(f"There is no budget {budget!r}. Use one of {', '.join(ALL_BUDGETS)}.")
        self.folder, self.budget, self.part = folder, ALL_BUDGETS[budget], part
        self.stretches = _read_stretches(folder, part)
        if self.stretches:
            clip = self.stretches[0].clip
            if not shard_path(folder / CLIPS_FOLDER / clip, budget, 0).exists():
                raise ClipError(f"{folder} has no ticks of budget {budget}. Build it with `--budget {budget}`.")
        used = [(owner, *rows) for owner, each in enumerate(self.stretches) for rows in each.used]
        self._used = np.array(used, np.int64).reshape(-1, 3)  # stretch, begin, end
        self._begins = np.concatenate([[0], np.cumsum(self._used[:, 2] - self._used[:, 1])])
        self._shards = ShardFiles(self.budget)
        self._labels: OrderedDict[str, Labels] = OrderedDict()

    def __len__(self) -> int:
        """Rows to learn from or to score."""
        return int(self._begins[-1])

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """All arrays of rows to learn from, by their number from 0 to `len`: (n,) -> name -> (n, *shape).

        The names are those of an episode, besides `trajectory_valid` (n, 16) bool, `tick` and `timestamp_ns`.
        """
        rows = np.asarray(rows, np.int64)
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(self)):
            raise IndexError(f"rows must lie from 0 to {len(self) - 1}.")
        found = [self._row(stretch.clip, row) for stretch, row in map(self._locate, rows.tolist())]
        return {name: np.stack([each[name] for each in found]) for name in found[0]} if found else {}

    def place_of(self, row: int) -> tuple[Stretch, int]:
        """The stretch of a row to learn from, and its row there, from 0: for the rows before it."""
        stretch, clip_row = self._locate(row)
        return stretch, clip_row - stretch.begin

    def _locate(self, row: int) -> tuple[Stretch, int]:
        """The stretch of a row to learn from, and its row in the clip."""
        index = int(np.searchsorted(self._begins, row, side="right")) - 1
        owner, begin, _ = self._used[index]
        return self.stretches[owner], int(begin + row - self._begins[index])

    def drives(self) -> Iterator[list[Stretch]]:
        """The stretches of each drive."""
        drives: dict[str, list[Stretch]] = {}
        for stretch in self.stretches:
            drives.setdefault(stretch.drive, []).append(stretch)
        yield from drives.values()

    def rows_of(self, stretch: Stretch) -> Iterator[dict[str, np.ndarray]]:
        """Every row of a stretch in order, used or not: name -> (*shape)."""
        for row in range(stretch.begin, stretch.end):
            yield self._row(stretch.clip, row)

    def read_from(self, stretch: Stretch, begin: int, end: int) -> dict[str, np.ndarray]:
        """Rows `begin` to `end` of a stretch, from 0: name -> (n, *shape), as of `Episode.read`."""
        found = [self._row(stretch.clip, stretch.begin + row) for row in range(begin, min(end, len(stretch)))]
        return {name: np.stack([each[name] for each in found]) for name in found[0]} if found else {}

    def commit_slots_of(self, stretch: Stretch, begin: int, end: int) -> np.ndarray:
        """(n, 8) `commit_slots` of rows `begin` to `end` of a stretch, from 0; reads nothing else."""
        first = stretch.begin
        return self._shards.read_column(
            self.folder / CLIPS_FOLDER / stretch.clip, "commit_slots", first + begin, first + end
        )

    def labels_of(self, clip: str) -> Labels:
        """The labels of a clip; the newest `OPEN_LABELS` are kept."""
        if clip in self._labels:
            self._labels.move_to_end(clip)
        else:
            self._labels[clip] = Labels(self.folder / CLIPS_FOLDER / clip / LABELS_FILE)
            while len(self._labels) > OPEN_LABELS:
                self._labels.popitem(last=False)
        return self._labels[clip]

    def _row(self, clip: str, row: int) -> dict[str, np.ndarray]:
        arrays = self._shards.read(self.folder / CLIPS_FOLDER / clip, row)
        labels = {name: values[row] for name, values in self.labels_of(clip).arrays.items()}
        unknown = {
            name: np.full(shape, unknown_label(name), dtype)
            for name, (shape, dtype) in LABEL_SHAPES.items()
            if name not in labels
        }
        return {**arrays, **labels, **unknown}


def _read_stretches(folder: Path, part: str | None) -> list[Stretch]:
    path = folder / INDEX_FILE
    try:
        names = _columns_of(pq.read_schema(str(path)))
        rows = pq.read_table(str(path), columns=names).to_pydict()
    except FileNotFoundError as error:
        raise ClipError(
            f"{folder} is no data set: {INDEX_FILE} is missing. Make one with `fsd dataset build`."
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise ClipError(f"{path} cannot be read ({error}). Build the data set again.") from error
    ranges = map(_Range, *(rows[name] for name in names))
    stretches = (tuple(group) for _, group in groupby(ranges, key=lambda each: (each.clip, each.run, each.split)))
    return [_stretch(each) for each in stretches if each[0].split and part in (None, each[0].split)]


def _columns_of(schema: pa.Schema) -> list[str]:
    """The columns to read; an index of an earlier version does not say which clips are simulated."""
    return [name for name in _COLUMNS if name in schema.names or name not in _Range._field_defaults]


def _stretch(ranges: tuple[_Range, ...]) -> Stretch:
    first = ranges[0]
    used = tuple((each.begin, each.end) for each in ranges if each.is_used)
    return Stretch(
        first.clip, first.drive, first.run, first.split, first.begin, ranges[-1].end, used, first.is_simulated
    )
