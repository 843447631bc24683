"""What rows are drawn from, and how often."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from fsd.data.errors import ClipError
from fsd.networks.dataset_training.chunks import Chunk
from fsd.networks.dataset_training.pool import MOST_OFTEN, ChunkPool, class_weights


@dataclass
class Fixed:
    """A source of chunks of ten rows; each row commits to a slot; a tenth of the rows are bends."""

    count: int
    name: str = "fixed"

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        return tuple(Chunk(index, 0, 10) for index in range(self.count))

    def commit_slots(self, chunk: Chunk) -> np.ndarray:
        slots = np.full((10, 8), -1, np.int16)
        slots[:, 0] = np.arange(10)
        return slots

    def is_used(self, chunk: Chunk) -> np.ndarray:
        return np.arange(10) != 3

    def labels(self, chunk: Chunk) -> dict[str, np.ndarray]:
        bend = np.where(np.arange(10) == 5, 0.03, 0.0)[:, None]
        return {"curvature": bend, "acceleration": np.zeros((10, 1))}

    def read(self, chunk: Chunk, rows: Sequence[int]) -> dict[str, np.ndarray]:
        raise NotImplementedError


def pool_of(count: int, rows: int, balance: float = 0.0, mirrors: bool = True) -> ChunkPool:
    return ChunkPool(Fixed(count), 0, 1, rows, 10.0, mirrors, balance, 100)


def test_a_source_that_fits_is_in_the_pool_as_a_whole_with_its_mirror() -> None:
    pool = pool_of(3, 60)
    assert (pool.is_whole, pool.rows) == (True, 60)
    assert np.concatenate(pool.move_to(0)).tolist() == list(range(100, 160))
    assert pool.move_to(1000) == []
    rng = np.random.default_rng(0)
    drawn = {(clip.chunk.sequence, clip.is_mirrored) for clip in (pool.draw(rng, 2) for _ in range(100))}
    assert drawn == {(sequence, flag) for sequence in range(3) for flag in (False, True)}


def test_a_larger_source_takes_turns_and_every_chunk_has_one() -> None:
    pool, seen, replaced = pool_of(10, 40), set(), 0
    rng = np.random.default_rng(0)
    for step in range(200):
        rows = pool.move_to(step)
        replaced += len(rows) if step else 0
        assert len(rows) <= (4 if step == 0 else 1)  # one after the other
        seen |= {(clip.chunk.sequence, clip.is_mirrored) for clip in (pool.draw(rng, 2) for _ in range(5))}
    assert pool.rows == 40
    assert len(seen) == 20
    assert replaced == pytest.approx(200 * 4 / 16, abs=4)  # 16 steps of 10 rows: 4 draws per row


def test_a_pool_that_starts_later_is_as_one_that_came_there_step_by_step() -> None:
    one, other = pool_of(10, 40), pool_of(10, 40)
    for step in range(51):
        one.move_to(step)
    other.move_to(50)
    clips = [[pool.draw(np.random.default_rng(index), 3) for index in range(20)] for pool in (one, other)]
    for here, there in zip(*clips, strict=True):
        assert (here.chunk, here.is_mirrored, here.cache_row) == (there.chunk, there.is_mirrored, there.cache_row)
        np.testing.assert_array_equal(here.rows, there.rows)


def test_the_last_row_is_one_to_learn_from_and_the_others_wrote_what_it_reads() -> None:
    pool = pool_of(4, 1000)
    pool.move_to(0)
    rng = np.random.default_rng(0)
    for _ in range(100):
        clip = pool.draw(rng, 3)
        assert clip.rows[-1] != 3
        assert set(clip.rows[:-1]) <= set(clip.slot_row[-1]) or clip.rows[-1] <= 2


@pytest.mark.parametrize(("balance", "share"), [(0.0, 1 / 9), (1.0, 0.5 * (0.5 + 1 / 9))])
def test_bends_are_drawn_as_often_as_the_balance_says(balance: float, share: float) -> None:
    pool = pool_of(4, 1000, balance)
    pool.move_to(0)
    rng = np.random.default_rng(0)
    bends = np.mean([pool.draw(rng, 1).rows[-1] == 5 for _ in range(4000)])
    assert bends == pytest.approx(share, abs=0.025)


def test_a_rare_class_is_drawn_more_often_up_to_a_limit() -> None:
    values = np.where(np.arange(1000) == 7, 0.1, 0.0)
    weights = class_weights(values, (0.05,), np.ones(1000, np.bool_))
    assert weights.sum() == pytest.approx(1.0)
    assert weights[7] / weights[0] > 0.9 * MOST_OFTEN
    assert weights[7] <= MOST_OFTEN * 1.1 / 1000 / 0.5


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(ClipError):
        pool_of(0, 10)
