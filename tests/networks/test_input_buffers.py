from dataclasses import replace

import numpy as np
import pytest

from fsd.data.ego import EgoSample
from fsd.data.errors import ModelError
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.contract import input_shapes
from fsd.networks.input_buffers import InputBuffers
from tests.networks._tiny import TINY

BUDGET = TINY.budget
STEP = next(synthetic_steps(BUDGET, 1))


def test_every_input_of_the_contract_is_there() -> None:
    arrays = InputBuffers(BUDGET).arrays
    assert {name: (array.shape, str(array.dtype)) for name, array in arrays.items()} == input_shapes(BUDGET)


def test_loading_copies_and_never_reallocates() -> None:
    feeds = InputBuffers(BUDGET)
    address = feeds.arrays["retina"].ctypes.data
    feeds.load(STEP)
    assert feeds.arrays["retina"].ctypes.data == address
    assert np.array_equal(feeds.arrays["retina"], STEP.tick.retina)


@pytest.mark.parametrize("ego", [None, EgoSample(float("nan"), 0.0), EgoSample(3.0, float("inf"))])
def test_an_ego_sample_that_is_not_usable_counts_as_none(ego: EgoSample | None) -> None:
    feeds = InputBuffers(BUDGET)
    feeds.load(STEP._replace(ego=ego))
    assert feeds.arrays["ego_valid"][0] == 0
    assert not feeds.arrays["ego"].any()


def test_the_command_is_one_hot() -> None:
    feeds = InputBuffers(BUDGET)
    feeds.load(STEP._replace(command="left"))
    feeds.load(STEP._replace(command="right"))
    assert feeds.arrays["command"].tolist() == [0, 0, 0, 1, 0, 0]


def test_an_unknown_command_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'up'.*straight"):
        InputBuffers(BUDGET).load(STEP._replace(command="up"))


def test_a_tick_of_another_budget_is_refused() -> None:
    with pytest.raises(ModelError, match="`retina`"):
        InputBuffers(replace(BUDGET, base_height_px=60)).load(STEP)


def test_a_commit_writes_the_named_slots_only() -> None:
    feeds = InputBuffers(BUDGET)
    new = np.ones((16, 64), np.float32)
    feeds.commit(np.array([3, -1, 70, -1], np.int16), new, 2 * new)
    written = np.flatnonzero(feeds.arrays["memory_k"].any(axis=(1, 2)))
    assert written.tolist() == [3, 70]
    assert feeds.arrays["memory_v"][70].max() == 2


def test_reset_forgets_the_memory() -> None:
    feeds = InputBuffers(BUDGET)
    feeds.commit(np.array([3, -1, -1, -1], np.int16), np.ones((16, 64)), np.ones((16, 64)))
    feeds.reset()
    assert not feeds.arrays["memory_k"].any()
