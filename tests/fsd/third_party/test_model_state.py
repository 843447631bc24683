"""Recurrent inputs of a third-party model: pairs, memory slots, shift registers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsd.networks.onnx_session import Signature
from fsd.third_party.adapter import Adapter
from fsd.third_party.model_state import ModelState
from fsd.third_party.output_fields import Outputs
from fsd.third_party.state_fields import ShiftRegister, StatePair


def state_of(signature: Signature, *fields: StatePair | ShiftRegister) -> ModelState:
    pairs = tuple(each for each in fields if isinstance(each, StatePair))
    registers = tuple(each for each in fields if isinstance(each, ShiftRegister))
    return ModelState(Adapter("a", Outputs(), state=pairs, shift_registers=registers), signature)


def test_a_pair_is_carried_in_the_shape_of_its_input() -> None:
    state = state_of({"in": ((1, 2, 3), "float32")}, StatePair("out", "in", reset=0.5))
    assert np.array_equal(state.arrays["in"], np.full((1, 2, 3), 0.5, np.float32))
    state.carry({"out": np.arange(6, dtype=np.float32).reshape(6)})
    assert np.array_equal(state.arrays["in"][0], [[0, 1, 2], [3, 4, 5]])
    state.reset()
    assert (state.arrays["in"] == 0.5).all()


def test_a_part_of_an_output_is_cast_to_the_type_of_the_input() -> None:
    state = state_of({"in": ((2,), "float16")}, StatePair("out", "in", start=3))
    state.carry({"out": np.array([[0, 1, 2, 3.25, 4.5, 5]], np.float32)})
    assert state.arrays["in"].dtype == np.float16
    assert state.arrays["in"].tolist() == [3.25, 4.5]


def test_the_named_slots_are_overwritten_and_the_others_stay() -> None:
    state = state_of({"memory": ((4, 2), "float32")}, StatePair("new", "memory", slots=True))
    state.carry({"new": np.array([1, 2], np.float32)}, np.array([2, -1, 0]))
    state.carry({"new": np.array([3, 4], np.float32)}, np.array([-1, 2]))
    state.carry({"new": np.array([9, 9], np.float32)})
    assert state.arrays["memory"].tolist() == [[1, 2], [0, 0], [3, 4], [0, 0]]


def test_arrays_stay_where_they_are() -> None:
    state = state_of(
        {"a": ((1,), "float32"), "b": ((1, 3), "float32")}, StatePair("o", "a"), ShiftRegister("o", "b", axis=-1)
    )
    before = dict(state.arrays)
    state.carry({"o": np.ones(1, np.float32)})
    state.reset()
    assert all(state.arrays[name] is array for name, array in before.items())


def test_free_axes_come_from_the_adapter() -> None:
    adapter = Adapter("a", Outputs(), state=(StatePair("o", "i"),), shapes={"i": (1, 7)})
    assert ModelState(adapter, {"i": ((-1, 7), "float32")}).arrays["i"].shape == (1, 7)


@pytest.mark.parametrize("axis", [0, 1, -1])
@given(
    length=st.integers(1, 5),
    stride=st.integers(1, 4),
    delay=st.integers(1, 6),
    steps=st.integers(0, 30),
    reset=st.integers(-2, 2),
)
def test_a_shift_register_holds_every_nth_of_the_last_outputs(
    axis: int, length: int, stride: int, delay: int, steps: int, reset: int
) -> None:
    shape = {0: (length, 2, 3), 1: (2, length, 3), -1: (2, 3, length)}[axis]
    state = state_of({"in": (shape, "float32")}, ShiftRegister("out", "in", axis, 1, stride, reset, delay))
    history = [np.full((2, 3), reset, np.float32)] * (length * stride + delay)
    for step in range(steps):
        output = np.arange(8, dtype=np.float32) + 10 * step
        state.carry({"out": output})
        history.append(output[1:7].reshape(2, 3))
    expected = np.stack(history[::-1][delay - 1 :: stride][:length][::-1], axis=axis)
    assert np.array_equal(state.arrays["in"], expected)


def test_a_register_without_delay_is_filled_between_the_models_of_one_step() -> None:
    state = state_of({"in": ((1, 2, 1), "float32")}, ShiftRegister("out", "in", delay=0))
    for value in (1.0, 2.0, np.nan):
        state.carry_within({"out": np.full(1, value, np.float32)})
        state.carry_within({"other": np.zeros(1, np.float32)})
        state.carry({"out": np.full(1, value, np.float32)})
    assert state.arrays["in"].ravel().tolist() == [1, 2]  # what is not finite is left out


def test_only_the_parts_that_are_carried_are_read() -> None:
    signature: Signature = {"a": ((2,), "float32"), "b": ((1, 3, 2), "float32")}
    state = state_of(signature, StatePair("x", "a", start=1), ShiftRegister("y", "b"))
    outputs = {"x": np.arange(5, dtype=np.float32), "y": np.array([7, 8], np.float32)}
    parts = [(name, part.tolist()) for name, part in state.carried_parts(outputs)]
    assert parts == [("x", [1, 2]), ("y", [7, 8])]
