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


def test_a_resumed_run_finds_its_cached_outputs(tmp_path: Path) -> None:
    MemoryCache(tmp_path, 10).write(np.array([3]), outputs(1, 1.0), outputs(1, 1.0))
    assert MemoryCache(tmp_path, 10).known.tolist() == [row == 3 for row in range(10)]


def test_outputs_of_another_training_set_are_discarded(tmp_path: Path) -> None:
    MemoryCache(tmp_path, 10).write(np.array([3]), outputs(1, 1.0), outputs(1, 1.0))
    assert not MemoryCache(tmp_path, 11).known.any()
