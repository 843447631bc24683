from pathlib import Path

import numpy as np

from fsd.networks.memory_cache import MemoryCache


def outputs(count: int, value: float) -> np.ndarray:
    return np.full((count, 16, 64), value, np.float32)


def test_what_was_written_is_read_and_the_rest_is_unknown(tmp_path: Path) -> None:
    cache = MemoryCache(tmp_path, 10)
    cache.write(np.array([2, 5]), outputs(2, 0.5), outputs(2, -1.5))
    slots = np.full((1, 112), -1)
    slots[0, :3] = [5, 2, 7]
    keys, values, known = cache.read(slots)
    assert known[0, :4].tolist() == [True, True, False, False]
    assert keys[0, 0].max() == 0.5
    assert values[0, 1].min() == -1.5


def saved(folder: Path, step: int = 1) -> None:
    """A cache with row 3 at a checkpoint, and row 4 after it."""
    cache = MemoryCache(folder, 10)
    cache.write(np.array([3]), outputs(1, 1.0), outputs(1, 1.0))
    cache.prepare(step)
    cache.commit(step)
    cache.write(np.array([4]), outputs(1, 2.0), outputs(1, 2.0))


def test_a_resumed_run_finds_the_outputs_of_its_checkpoint_and_none_since(tmp_path: Path) -> None:
    saved(tmp_path)
    resumed = MemoryCache(tmp_path, 10, step=1)
    keys, values, known = resumed.read(np.array([3, 4]))
    assert known.tolist() == [True, False]
    assert keys[0].max() == values[0].max() == 1.0


def test_a_run_killed_while_it_saves_finds_the_outputs_of_the_checkpoint_that_is_there(tmp_path: Path) -> None:
    saved(tmp_path)
    cache = MemoryCache(tmp_path, 10, step=1)
    cache.write(np.array([3, 5]), outputs(2, 7.0), outputs(2, 7.0))
    cache.prepare(2)
    before = MemoryCache(tmp_path, 10, step=1).read(np.array([3, 5]))  # the checkpoint of step 2 was not written
    assert (before[2].tolist(), before[0].max()) == ([True, False], 1.0)
    cache.prepare(2)
    cache.keys[3] = 7.0  # killed in the middle of `commit`
    after = MemoryCache(tmp_path, 10, step=2).read(np.array([3, 5]))
    assert (after[2].tolist(), after[0].min(), after[1].min()) == ([True, True], 7.0, 7.0)


def test_without_a_checkpoint_the_cache_of_a_killed_run_is_not_used(tmp_path: Path) -> None:
    saved(tmp_path)
    assert not MemoryCache(tmp_path, 10).read(np.array([3, 4]))[2].any()


def test_outputs_of_another_training_set_are_discarded(tmp_path: Path) -> None:
    saved(tmp_path)
    assert not MemoryCache(tmp_path, 11, step=2).known.any()


def test_rows_that_were_appended_leave_those_before_in_place(tmp_path: Path) -> None:
    saved(tmp_path)
    grown = MemoryCache(tmp_path, 14, step=1, kept_rows=10)
    keys, _, known = grown.read(np.array([3, 4, 13]))
    assert known.tolist() == [True, False, False]
    assert keys[0].max() == 1.0
    # Killed before the next checkpoint, with some arrays longer already.
    again = MemoryCache(tmp_path, 14, step=1, kept_rows=10)
    assert again.read(np.array([3, 13]))[2].tolist() == [True, False]


def test_what_is_forgotten_is_unknown_until_it_is_written_again_after_a_resume_too(tmp_path: Path) -> None:
    saved(tmp_path)
    cache = MemoryCache(tmp_path, 10, step=1)
    cache.write(np.array([4, 5]), outputs(2, 2.0), outputs(2, 2.0))
    cache.forget(np.array([3, 4, 6]))
    cache.write(np.array([6]), outputs(1, 4.0), outputs(1, 4.0))
    for each in (cache, None):
        if each is None:
            cache.prepare(2)  # killed before `commit`
            each = MemoryCache(tmp_path, 10, step=2)
        keys, _, known = each.read(np.array([3, 4, 5, 6]))
        assert known.tolist() == [False, False, True, True]
        assert keys[2:, 0, 0].tolist() == [2.0, 4.0]
