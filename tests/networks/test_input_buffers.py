from dataclasses import replace

import numpy as np
import pytest

from fsd.compression.budget import FOVEATED_BUDGETS, Budget
from fsd.compression.compressor import Compressor
from fsd.data.ego import EgoSample
from fsd.data.errors import ModelError
from fsd.data.frames import Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.contract import input_shapes
from fsd.networks.input_buffers import InputBuffers, TickInput
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


def compressed(budget: Budget) -> TickInput:
    """The first tick of eight cameras of noise."""
    rng, ages, is_valid = np.random.default_rng(2), np.zeros(8, np.int64), np.ones(8, bool)
    sizes = (60, 80), (30, 40), (30, 40)
    frames = tuple(Frame(*(rng.integers(0, 256, size, np.uint8) for size in sizes), 0, 0) for _ in range(8))
    frame_set = FrameSet(0, 0, frames, ages, is_valid, is_valid)
    return TickInput(Compressor(canonical_rig(80, 60), budget).step(frame_set, None, None))


def test_a_network_of_many_patches_takes_ticks_with_fewer() -> None:
    few, many = FOVEATED_BUDGETS["F200"], FOVEATED_BUDGETS["F100"].with_patches(10)
    feeds, step = InputBuffers(many), compressed(few)
    for array in feeds.arrays.values():
        array.fill(7)
    feeds.load(step)
    patches, meta = feeds.arrays["patches"], feeds.arrays["patch_meta"]
    assert np.array_equal(patches[:21], step.tick.patches)
    assert np.array_equal(meta[:21], step.tick.patch_meta)
    assert np.array_equal(feeds.arrays["retina_outer"], step.tick.retina_outer)
    assert len(patches) == len(meta) == 69
    assert (patches[21:] == 128).all()
    assert (meta[21:, 0] == -1).all()
    assert not meta[21:, 1:].any()


def test_a_network_of_few_patches_refuses_ticks_with_more() -> None:
    few, many = FOVEATED_BUDGETS["F200"], FOVEATED_BUDGETS["F100"]
    with pytest.raises(ModelError, match="`patches`"):
        InputBuffers(few).load(compressed(many))
    with pytest.raises(ModelError, match="`patches`"):
        InputBuffers(few.with_patches(10)).load(compressed(many))
    with pytest.raises(ModelError, match="`retina`"):
        InputBuffers(replace(few, patch_count=BUDGET.patch_count)).load(STEP)


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


def test_further_sensors_of_a_robot_are_inputs_and_those_that_are_not_given_are_zero() -> None:
    feeds = InputBuffers(BUDGET)
    feeds.load(STEP._replace(ego=EgoSample(0.0, 0.0, proprio=(0.5, -1.0))))
    assert feeds.arrays["proprio"].tolist() == [0.5, -1.0, *[0.0] * 14]
    assert feeds.arrays["proprio_valid"][0] == 1
    for unusable in (None, (float("nan"),), ()):
        feeds.load(STEP._replace(ego=EgoSample(0.0, 0.0, proprio=unusable)))
        assert not feeds.arrays["proprio"].any()
        assert feeds.arrays["proprio_valid"][0] == 0
    with pytest.raises(ModelError):
        feeds.load(STEP._replace(ego=EgoSample(0.0, 0.0, proprio=(0.0,) * 17)))
