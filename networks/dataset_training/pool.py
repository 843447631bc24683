"""The chunks that rows are drawn from now: all of a source, or as many as fit, each replaced after a while.

So a cache of the network's outputs at these rows has a fixed size, and rows are visited often enough to use it. What
is in the pool, and what is drawn, follows from the seed and the step alone: a resumed run goes on as if it had not
stopped.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fsd.data.errors import ClipError
from fsd.networks.dataset_training.chunks import Chunk, ChunkSource
from fsd.networks.training_set import memory_writers, rows_ending_at

VISITS = 4.0
"""Draws per row, on average, while its chunk is in the pool."""

CURVATURE_EDGES_PER_M = (-0.05, -0.02, -0.01, -0.002, 0.002, 0.01, 0.02, 0.05)
ACCELERATION_EDGES_MPS2 = (-3.0, -1.0, -0.3, 0.3, 1.0, 2.0)
MOST_OFTEN = 10.0
"""A row of a rare class is drawn at most so many times as often as without classes."""


class DrawnClip(NamedTuple):
    """Rows of one chunk for a batch.

    Attributes:
        source: number of the source; rows: (T,) rows of the chunk, rising; cache_row: cache row of its row 0.
        slot_row: (T, 112) row of the chunk that wrote each slot, -1 for none.
    """

    source: int
    chunk: Chunk
    is_mirrored: bool
    rows: np.ndarray
    cache_row: int
    slot_row: np.ndarray


class _Place(NamedTuple):
    chunk: Chunk
    is_mirrored: bool
    writers: np.ndarray
    is_used: np.ndarray
    curvature_per_m: np.ndarray
    acceleration_mps2: np.ndarray


class ChunkPool:
    """The pool of one source.

    Args:
        number: of the source; seed: of the order; rows: at most so many, unless one chunk has more.
        rows_per_step: drawn from this source, on average; mirrors: every chunk is there mirrored as well.
        balance: share of the draws in which all classes of curvature and acceleration are equally likely.
        first_row: cache row at which its own begin.

    Attributes:
        rows: cache rows; is_whole: all chunks are in the pool, always.
    """

    def __init__(
        self,
        source: ChunkSource,
        number: int,
        seed: int,
        rows: int,
        rows_per_step: float,
        mirrors: bool,
        balance: float,
        first_row: int,
    ) -> None:
        if not source.chunks:
            raise ClipError(f"{source.name} has no rows to train on.")
        self._source, self._number, self._seed, self._balance = source, number, seed, balance
        self._versions = 2 if mirrors else 1
        lengths = np.array([len(chunk) for chunk in source.chunks]).repeat(self._versions)
        self._count = len(lengths)
        self.is_whole = int(lengths.sum()) <= rows
        if not self.is_whole:
            lengths = np.full(max(1, rows // int(lengths.max())), int(lengths.max()))
        self._first = first_row + np.concatenate([[0], np.cumsum(lengths)])
        self.rows = int(lengths.sum())
        self._lifetime = max(1, round(VISITS * self.rows / rows_per_step))
        self._turns = np.full(len(lengths), -1)
        self._places: list[_Place | None] = [None] * len(lengths)
        self._order: tuple[int, np.ndarray] = (-1, np.arange(self._count))

    def move_to(self, step: int) -> list[np.ndarray]:
        """Have the chunks of a step; returns the cache rows of places that have another chunk now."""
        places = np.arange(len(self._places))
        # One place after the other has a new chunk.
        turns = 0 * places if self.is_whole else (step + places * self._lifetime // len(places)) // self._lifetime
        changed = np.flatnonzero(turns != self._turns)
        for place in changed.tolist():
            self._places[place] = self._open(self._number_at(int(turns[place]) * len(places) + place))
        self._turns = turns
        if len(changed):
            weights = self._weights()
            self._until, self._last = np.cumsum(weights), int(np.flatnonzero(weights)[-1])
        return [np.arange(self._first[place], self._first[place + 1]) for place in changed]

    def draw(self, rng: np.random.Generator, count: int) -> DrawnClip:
        """Rows of one chunk; the last one is drawn first."""
        row = min(int(np.searchsorted(self._until, rng.uniform() * self._until[-1], side="right")), self._last)
        place = int(np.searchsorted(self._begins, row, side="right")) - 1
        held = self._places[place]
        assert held is not None
        last = row - int(self._begins[place])
        rows = rows_ending_at(rng, held.writers[last], last, 0, len(held.chunk), count)
        return DrawnClip(
            self._number,
            held.chunk,
            held.is_mirrored,
            rows,
            int(self._first[place]),
            held.writers[rows].astype(np.int64),
        )

    def _number_at(self, count: int) -> int:
        """The chunk, mirrored ones counted, that is taken after `count` others: each once, then all again."""
        epoch, at = divmod(count, self._count)
        if self._order[0] != epoch and not self.is_whole:
            self._order = epoch, np.random.default_rng([self._seed, 11, self._number, epoch]).permutation(self._count)
        return int(self._order[1][at])

    def _open(self, number: int) -> _Place:
        chunk = self._source.chunks[number // self._versions]
        writers = memory_writers(self._source.commit_slots(chunk)).astype(np.int16)
        labels = self._source.labels(chunk)
        curvature, acceleration = (labels[name][:, 0] for name in ("curvature", "acceleration"))
        is_mirrored = number % self._versions == 1
        return _Place(chunk, is_mirrored, writers, self._source.is_used(chunk), curvature, acceleration)

    def _weights(self) -> np.ndarray:
        """(R,) how likely each row of the pool is the last one of a clip; not normalised."""
        places = [place for place in self._places if place is not None]
        self._begins = np.concatenate([[0], np.cumsum([len(place.chunk) for place in places])])
        is_used, curvature, acceleration = (
            np.concatenate([getattr(place, name) for place in places])
            for name in ("is_used", "curvature_per_m", "acceleration_mps2")
        )
        equal = is_used / max(int(is_used.sum()), 1)
        by_class = [
            class_weights(values, edges, is_used)
            for values, edges in ((curvature, CURVATURE_EDGES_PER_M), (acceleration, ACCELERATION_EDGES_MPS2))
        ]
        return (1.0 - self._balance) * equal + self._balance * sum(by_class) / len(by_class)


def class_weights(values: np.ndarray, edges: Sequence[float], is_used: np.ndarray) -> np.ndarray:
    """(R,) that sum to 1: the same for every class between `edges` that has rows, up to `MOST_OFTEN` per row.

    Rows without a known value share what they would have without classes.
    """
    equal = is_used / max(int(is_used.sum()), 1)
    known = is_used & np.isfinite(values)
    if not known.any():
        return equal
    classes = np.searchsorted(edges, np.where(known, values, 0.0))
    counts = np.bincount(classes[known], minlength=len(edges) + 1)
    share = known.sum() / is_used.sum()
    weights = np.where(known, share / (np.count_nonzero(counts) * np.maximum(counts, 1)[classes]), equal)
    weights = np.minimum(weights, MOST_OFTEN * equal)
    found: np.ndarray = weights / weights.sum()
    return found
