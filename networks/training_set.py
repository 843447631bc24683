"""Recorded episodes as one table of rows, with the row that wrote each memory slot.

Small arrays are kept in memory; images and labels of the block grid are read from disk per batch. NumPy only; samples
and reads rows, and does not know networks or losses.
"""

from collections.abc import Sequence

import numpy as np

from fsd.compression.tick import MEMORY_SLOTS
from fsd.data.errors import ClipError
from fsd.networks.dataset import LABEL_SHAPES, Episode, unknown_label
from fsd.networks.hard_examples import find_hard_examples

ON_DISK = ("retina", "retina_outer", "patches", "retina_meta", "saliency", "semantic", "depth")
"""Labels among them are unknown in the rows of episodes that lack the file; other arrays are left out of all rows."""


class TrainingSet:
    """Rows of all episodes, numbered consecutively.

    Attributes:
        begins: (E + 1,) first row of each episode, and the number of rows.
        slot_row: (R, 112) int32, the row whose outputs each memory slot holds at a row; -1 for an empty slot.
        hard: rows of `hard_examples` by kind; kinds without rows are left out.
    """

    def __init__(self, episodes: Sequence[Episode]) -> None:
        """Open the episodes.

        Raises:
            ClipError: there are none, or one has arrays of unequal length.
        """
        if not episodes:
            raise ClipError("There are no episodes to train on. Record some first with `fsd train`.")
        self.episodes = tuple(episodes)
        self.begins = np.cumsum([0, *(episode.ticks for episode in episodes)])
        tables = [_load_small(episode) for episode in episodes]
        self._on_disk = tuple(
            name
            for name in ON_DISK
            if name in LABEL_SHAPES or all((episode.folder / f"{name}.npy").exists() for episode in episodes)
        )
        names = set.intersection(*(set(table) for table in tables))
        self._in_memory = {name: np.concatenate([table.pop(name) for table in tables]) for name in sorted(names)}
        writers = [memory_writers(self._column("commit_slots", index)) for index in range(len(episodes))]
        self.slot_row = np.concatenate(
            [np.where(local >= 0, first + local, -1) for first, local in zip(self.begins[:-1], writers, strict=True)]
        ).astype(np.int32)
        self.hard = find_hard_examples(self._in_memory)

    def __len__(self) -> int:
        return int(self.begins[-1])

    def episode_of(self, rows: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.begins, rows, side="right") - 1

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Every array at these rows: (…,) -> (…, *shape)."""
        flat = rows.ravel()
        found = {name: column[flat] for name, column in self._in_memory.items()}
        episode = self.episode_of(flat)
        local = flat - self.begins[episode]
        for name in self._on_disk:
            found[name] = np.stack(
                [_read_image(self.episodes[e], name, row) for e, row in zip(episode, local, strict=True)]
            )
        return {name: column.reshape(*rows.shape, *column.shape[1:]) for name, column in found.items()}

    def draw(
        self,
        rng: np.random.Generator,
        clips: int,
        rows_per_clip: int,
        hard_share: float,
        loss_share: float = 0.0,
        weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """(clips, rows_per_clip) rows, rising within a clip, each clip from one episode.

        The last row of a clip is drawn first, `hard_share` of them among the hard examples, `loss_share` of them in
        proportion to `weights` (R,), and the others from all rows equally; the rows before it wrote slots that it
        reads, so that gradients reach the memory writes.
        """
        kinds = list(self.hard.values())
        until = np.cumsum(weights) if loss_share and weights is not None else None
        drawn = np.empty((clips, rows_per_clip), np.int64)
        for clip in range(clips):
            share = rng.uniform()
            if kinds and share < hard_share:
                last = int(rng.choice(kinds[rng.integers(len(kinds))]))
            elif until is not None and hard_share <= share < hard_share + loss_share:
                last = min(int(np.searchsorted(until, rng.uniform() * until[-1], side="right")), len(self) - 1)
            else:
                last = int(rng.integers(len(self)))
            begin = int(self.begins[self.episode_of(np.array(last))])
            drawn[clip] = rows_ending_at(rng, self.slot_row[last], last, begin, len(self), rows_per_clip)
        return drawn

    def _column(self, name: str, episode: int) -> np.ndarray:
        return self._in_memory[name][self.begins[episode] : self.begins[episode + 1]]


def rows_ending_at(
    rng: np.random.Generator, slot_row: np.ndarray, last: int, begin: int, end: int, count: int
) -> np.ndarray:
    """(count,) rising rows, the last one `last` and the others rows that wrote slots which it reads.

    Args:
        slot_row: (112,) of the row `last`; begin, end: rows of its sequence. Near its begin other rows are taken, and
            perhaps a later last one.
    """
    writers = np.unique(slot_row[slot_row >= 0])
    if len(writers) >= count - 1:
        chosen = rng.choice(writers, count - 1, replace=False)
    else:
        last = max(last, min(begin + count - 1, end - 1))
        earlier = np.arange(begin, last)
        chosen = rng.choice(earlier, count - 1, replace=len(earlier) < count - 1)
    return np.sort(np.append(chosen, last))


def memory_writers(commit_slots: np.ndarray) -> np.ndarray:
    """The row of an episode that wrote each slot, at the time when a row reads it.

    Args:
        commit_slots: (R, C) slots written by each row, or by unrecorded ticks since the row before; -1 is none.

    Returns:
        (R, 112) row index, -1 for an empty slot. A slot that the row itself lists counts as empty: if an unrecorded
        tick wrote it, its pose is already new but its content is not.
    """
    writers = np.empty((len(commit_slots), MEMORY_SLOTS), np.int64)
    current = np.full(MEMORY_SLOTS, -1)
    for row, slots in enumerate(commit_slots):
        written = slots[slots >= 0]
        current[written] = -1
        writers[row] = current
        current[written] = row
    return writers


def _load_small(episode: Episode) -> dict[str, np.ndarray]:
    """All arrays of an episode except images, of which only the lengths are checked."""
    table: dict[str, np.ndarray] = {}
    for path in sorted(episode.folder.glob("*.npy")):
        is_image = path.stem in ON_DISK
        column = np.load(path, mmap_mode="r" if is_image else None)
        if len(column) != episode.ticks:
            raise ClipError(
                f"{episode.folder} should have {episode.ticks} ticks, but {path.name} has {len(column)}. "
                "Delete the folder and record the episode again."
            )
        if not is_image:
            table[path.stem] = column
    return table


def _read_image(episode: Episode, name: str, row: int) -> np.ndarray:
    """Opened for each read: thousands of open episodes would exceed a process's limit of open files."""
    path = episode.folder / f"{name}.npy"
    if name in LABEL_SHAPES and not path.exists():
        shape, dtype = LABEL_SHAPES[name]
        return np.full(shape, unknown_label(name), dtype)
    image: np.ndarray = np.load(path, mmap_mode="r")[row]
    return image
