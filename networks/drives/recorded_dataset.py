"""Read a data set of recorded drives: any row at random, or the rows of a drive in order, in bounded memory.

Only the index is in memory, about 100 bytes per uninterrupted stretch; labels of the newest clips and maps of the newest
files are kept. 1,000 hours are about 100,000 stretches.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsd.compression.budget import BUDGETS
from fsd.data.errors import ClipError, UsageError
from fsd.networks.dataset import LABEL_SHAPES, unknown_label
from fsd.networks.drives.clip_record import CLIPS_FOLDER, LABELS_FILE, ClipRecord
from fsd.networks.drives.label_table import Labels
from fsd.networks.drives.shards import ShardFiles, shard_path
from fsd.networks.drives.splits import PARTS

INDEX_FILE = "index.parquet"
OPEN_LABELS = 16
"""Clips whose labels are kept: 12 MB per hour at 9 rows per second."""

_COLUMNS = ("clip", "drive", "run", "begin", "end", "split", "is_used")


def index_table(records: list[ClipRecord]) -> pa.Table:
    """One row per range of rows with the same clip, run, part and use."""
    rows = [
        (each.key, each.drive, part.run, part.begin, part.end, part.part, part.is_used)
        for each in records
        for part in each.ranges
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_COLUMNS)
    types = (pa.string(), pa.string(), pa.int32(), pa.int64(), pa.int64(), pa.string(), pa.bool_())
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, names=list(_COLUMNS))


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of one clip, run and part: a memory starts empty at `begin` and is rolled to `end`.

    Attributes:
        clip: key of the clip; drive: digest, the same for clips of one drive.
        begin, end: rows of the clip; is_used: (end - begin,) bool, rows to learn from or to score.
    """

    clip: str
    drive: str
    run: int
    part: str
    begin: int
    end: int
    is_used: np.ndarray

    def __len__(self) -> int:
        return self.end - self.begin


class RecordedDataset:
    """The rows of a data set at one budget.

    Attributes:
        folder: of the data set; budget: of its ticks; part: of `splits.PARTS`, None is all of them.
        stretches: in the order of the clips' keys, then of time.
    """

    def __init__(self, folder: Path, budget: str = "B100", part: str | None = None) -> None:
        """Open a data set.

        Raises:
            UsageError: there is no such part or budget.
            ClipError: the folder holds no data set, or none at this budget.
        """
        if part is not None and part not in PARTS:
            raise UsageError(f"There is no part {part!r} of a data set. Use one of {', '.join(PARTS)}.")
        if budget not in BUDGETS:
            raise UsageError(f"There is no budget {budget!r}. Use one of {', '.join(BUDGETS)}.")
        self.folder, self.budget, self.part = folder, BUDGETS[budget], part
        self.stretches = _read_stretches(folder, part)
        if self.stretches:
            clip = self.stretches[0].clip
            if not shard_path(folder / CLIPS_FOLDER / clip, budget, 0).exists():
                raise ClipError(f"{folder} has no ticks of budget {budget}. Build it with `--budget {budget}`.")
        self._used = [np.flatnonzero(each.is_used) + each.begin for each in self.stretches]
        self._begins = np.cumsum([0, *(len(rows) for rows in self._used)])
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
        owners = np.searchsorted(self._begins, rows, side="right") - 1
        found = [
            self._row(self.stretches[owner].clip, int(self._used[owner][row - self._begins[owner]]))
            for owner, row in zip(owners, rows, strict=True)
        ]
        return {name: np.stack([each[name] for each in found]) for name in found[0]} if found else {}

    def place_of(self, row: int) -> tuple[Stretch, int]:
        """The stretch of a row to learn from, and its row there, from 0: for the rows before it."""
        owner = int(np.searchsorted(self._begins, row, side="right")) - 1
        stretch = self.stretches[owner]
        return stretch, int(self._used[owner][row - self._begins[owner]]) - stretch.begin

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
        rows = pq.read_table(str(path)).to_pylist()
    except FileNotFoundError as error:
        raise ClipError(
            f"{folder} is no data set: {INDEX_FILE} is missing. Make one with `fsd dataset build`."
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise ClipError(f"{path} cannot be read ({error}). Build the data set again.") from error
    found: list[list[dict[str, object]]] = []
    for row in rows:
        key = (row["clip"], row["run"], row["split"])
        if found and key == tuple(found[-1][-1][name] for name in ("clip", "run", "split")):
            found[-1].append(row)
        else:
            found.append([row])
    return [_stretch(ranges) for ranges in found if ranges[0]["split"] and part in (None, ranges[0]["split"])]


def _stretch(ranges: list[dict[str, object]]) -> Stretch:
    first, last = ranges[0], ranges[-1]
    is_used = np.concatenate([np.full(int(r["end"]) - int(r["begin"]), bool(r["is_used"])) for r in ranges])  # type: ignore[call-overload]
    return Stretch(
        clip=str(first["clip"]),
        drive=str(first["drive"]),
        run=int(first["run"]),  # type: ignore[call-overload]
        part=str(first["split"]),
        begin=int(first["begin"]),  # type: ignore[call-overload]
        end=int(last["end"]),  # type: ignore[call-overload]
        is_used=is_used,
    )
