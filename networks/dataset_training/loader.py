"""Batches for each step, read in a thread of their own; how long the training waits for them is measured.

Draws are of the whole batch over all processes, which each of them makes alike; it then reads its own clips.
"""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fsd.networks.dataset_training.chunks import ChunkSource
from fsd.networks.dataset_training.mirror import mirrored
from fsd.networks.dataset_training.pool import ChunkPool, DrawnClip

AHEAD = 4
"""Batches that are ready at most: 10 MB each, of 30 rows at F100."""

_POLL_S = 0.2


@dataclass(frozen=True)
class MixConfig:
    """How a batch is mixed.

    Attributes:
        weights: share of each source in the clips of the batches, as any positive numbers.
        clips: in the batch of all processes; rows_per_clip: of each.
        pool_rows: of all sources together; mirrors, balance: as of `ChunkPool`.
    """

    weights: tuple[float, ...]
    clips: int
    rows_per_clip: int
    seed: int = 0
    pool_rows: int = 65_536
    mirrors: bool = True
    balance: float = 0.25


@dataclass(frozen=True)
class Batch:
    """One step of one process: B clips of T rows.

    Attributes:
        rows: (B, T) cache rows, and all_rows: of all processes, in the order of their ranks.
        first_clip: number of the first clip among those of all processes.
        slot_row: (B, T, 112) cache row of what each slot holds, -1 for nothing.
        recorded: arrays of an episode, (B, T, …).
        forgotten: cache rows that belong to other chunks from this step on.
    """

    step: int
    rows: np.ndarray
    all_rows: np.ndarray
    first_clip: int
    slot_row: np.ndarray
    recorded: dict[str, np.ndarray]
    forgotten: np.ndarray


class BatchReader:
    """Draws and reads the batches of one process, step by step; `first_step` is the first one that it is asked for."""

    def __init__(
        self, sources: Sequence[ChunkSource], config: MixConfig, first_step: int, rank: int, world: int
    ) -> None:
        self._sources, self._config = sources, config
        self._own = slice(rank * config.clips // world, (rank + 1) * config.clips // world)
        self._shares = np.array(config.weights, np.float64) / sum(config.weights)
        self._pools: list[ChunkPool] = []
        self.cache_rows = 0
        for number, (source, share) in enumerate(zip(sources, self._shares, strict=True)):
            pool = ChunkPool(
                source,
                number,
                config.seed,
                int(share * config.pool_rows),
                share * config.clips * config.rows_per_clip,
                config.mirrors,
                config.balance,
                self.cache_rows,
            )
            self._pools.append(pool)
            self.cache_rows += pool.rows
        self._step = max(first_step - 1, 0)
        self._is_filled = False

    def read(self, step: int) -> Batch:
        """The batch of a step; steps rise."""
        if not self._is_filled:
            for pool in self._pools:
                pool.move_to(self._step)
            self._is_filled = True
        forgotten = [rows for pool in self._pools for rows in pool.move_to(step)]
        clips = self._draw(step)
        rows = np.stack([clip.cache_row + clip.rows for clip in clips])
        own = clips[self._own]
        slot_row = np.stack([np.where(clip.slot_row >= 0, clip.cache_row + clip.slot_row, -1) for clip in own])
        found = [self._read_clip(clip) for clip in own]
        return Batch(
            step=step,
            rows=rows[self._own],
            all_rows=rows,
            first_clip=self._own.start,
            slot_row=slot_row,
            recorded={name: np.stack([each[name] for each in found]) for name in found[0]},
            forgotten=np.concatenate([np.empty(0, np.int64), *forgotten]),
        )

    def _draw(self, step: int) -> list[DrawnClip]:
        rng = np.random.default_rng([self._config.seed, 13, step])
        chosen = rng.choice(len(self._pools), self._config.clips, p=self._shares)
        return [self._pools[source].draw(rng, self._config.rows_per_clip) for source in chosen]

    def _read_clip(self, clip: DrawnClip) -> dict[str, np.ndarray]:
        rows = self._sources[clip.source].read(clip.chunk, clip.rows.tolist())
        return mirrored(rows) if clip.is_mirrored else rows


class Loader:
    """Reads ahead in a thread.

    Attributes:
        waited_s: time in which the training had nothing to do but wait for a batch.
    """

    def __init__(self, reader: BatchReader) -> None:
        self._reader = reader
        self.waited_s = 0.0

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """The batches of the steps `first` to `last`, without it."""
        ready: queue.Queue[Batch | BaseException] = queue.Queue(AHEAD)
        has_ended = threading.Event()
        thread = threading.Thread(target=self._fill, args=(ready, has_ended, first, last), daemon=True)
        thread.start()
        try:
            for _ in range(first, last):
                started_s = time.perf_counter()
                batch = ready.get()
                self.waited_s += time.perf_counter() - started_s
                if isinstance(batch, BaseException):
                    raise batch
                yield batch
        finally:
            has_ended.set()
            thread.join()

    def _fill(
        self, ready: "queue.Queue[Batch | BaseException]", has_ended: threading.Event, first: int, last: int
    ) -> None:
        try:
            for step in range(first, last):
                if not _put(ready, self._reader.read(step), has_ended):
                    return
        except BaseException as error:  # raised again where the batch is asked for
            _put(ready, error, has_ended)


def _put(ready: "queue.Queue[Batch | BaseException]", item: Batch | BaseException, has_ended: threading.Event) -> bool:
    """Whether there was somebody to take it."""
    while not has_ended.is_set():
        try:
            ready.put(item, timeout=_POLL_S)
            return True
        except queue.Full:
            continue
    return False
