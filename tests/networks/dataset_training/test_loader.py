"""Batches are read ahead in a thread, and waiting for them is measured."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from fsd.data.errors import ClipError
from fsd.networks.dataset_training.chunks import RecordedChunks
from fsd.networks.dataset_training.loader import AHEAD, Batch, BatchReader, Loader, MixConfig
from tests.networks.dataset_training._made import SMALL

MIX = MixConfig(weights=(3.0, 1.0), clips=4, rows_per_clip=2, pool_rows=48)


def reader_of(drives: Path, rank: int = 0, world: int = 1) -> BatchReader:
    sources = [RecordedChunks(drives, SMALL.budget, part, chunk_rows=8) for part in ("train", "validation")]
    return BatchReader(sources, MIX, 0, rank, world)


def test_processes_read_the_two_halves_of_what_one_reads(drives: Path) -> None:
    whole, *halves = (reader_of(drives, rank, world) for rank, world in ((0, 1), (0, 2), (1, 2)))
    for step in range(3):
        both, one, other = (reader.read(step) for reader in (whole, *halves))
        assert (both.first_clip, one.first_clip, other.first_clip) == (0, 0, 2)
        for name in both.recorded:
            np.testing.assert_array_equal(both.recorded[name], [*one.recorded[name], *other.recorded[name]])
        np.testing.assert_array_equal(both.slot_row, [*one.slot_row, *other.slot_row])
        np.testing.assert_array_equal(both.all_rows, other.all_rows)


def test_sources_are_mixed_by_weight(drives: Path) -> None:
    reader = reader_of(drives)
    first = reader._pools[0].rows  # cache rows of the second source lie behind it
    rows = np.concatenate([reader.read(step).rows[:, -1] for step in range(40)])
    assert (rows >= first).mean() == pytest.approx(0.25, abs=0.08)
    assert rows.max() < reader.cache_rows


def test_slots_point_to_rows_of_the_same_chunk(drives: Path) -> None:
    batch = reader_of(drives).read(0)
    known = batch.slot_row >= 0
    assert known.any()
    assert (batch.slot_row[known] < np.broadcast_to(batch.rows[..., None], known.shape)[known]).all()


class Slow:
    """Takes a time per batch; fails at a step."""

    def __init__(self, seconds: float, fails_at: int = -1) -> None:
        self.seconds, self.fails_at, self.steps = seconds, fails_at, []

    def read(self, step: int) -> Batch:
        if step == self.fails_at:
            raise ClipError("damaged")
        time.sleep(self.seconds)
        self.steps.append(step)
        nothing = np.zeros((1, 1), np.int64)
        return Batch(step, nothing, nothing, 0, nothing, {}, nothing)


def test_only_the_time_in_which_nothing_was_ready_counts() -> None:
    slow = Loader(Slow(0.05))  # type: ignore[arg-type]
    assert [batch.step for batch in slow.batches(3, 6)] == [3, 4, 5]
    assert slow.waited_s > 0.1
    quick = Loader(Slow(0.0))  # type: ignore[arg-type]
    for _ in quick.batches(0, 5):
        time.sleep(0.05)
    assert quick.waited_s < slow.waited_s


def test_an_error_of_the_reader_is_raised_at_its_step() -> None:
    batches = Loader(Slow(0.0, 2)).batches(0, 5)  # type: ignore[arg-type]
    assert [next(batches).step, next(batches).step] == [0, 1]
    with pytest.raises(ClipError):
        next(batches)


def test_the_thread_ends_with_the_loop_and_reads_a_few_batches_ahead_only() -> None:
    reader, before = Slow(0.0), threading.active_count()
    batches = Loader(reader).batches(0, 1000)  # type: ignore[arg-type]
    next(batches)
    time.sleep(0.3)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert len(reader.steps) <= AHEAD + 3
