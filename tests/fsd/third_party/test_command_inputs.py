"""Route commands as inputs: now, over the last steps, and as a pulse when they begin."""

import numpy as np
import pytest

from fsd.third_party.command_inputs import CommandInputs
from fsd.third_party.input_fields import CommandInput

VALUES = {"none": (0.0, 0.0), "left": (1.0, 0.0), "right": (0.0, 2.0)}


def inputs_after(entry: CommandInput, commands: list[str]) -> np.ndarray:
    tensor = np.full((1, entry.steps, 2), -1.0, np.float32)
    inputs = CommandInputs((entry,), {"turn": tensor})
    for command in commands:
        inputs.load(command)
    return tensor[0]


def test_a_command_the_model_does_not_know_counts_as_none() -> None:
    assert inputs_after(CommandInput("turn", VALUES), ["left", "straight"]).tolist() == [[0, 0]]
    assert inputs_after(CommandInput("turn", VALUES), ["straight", "right"]).tolist() == [[0, 2]]


def test_steps_are_oldest_first_and_none_before_the_first() -> None:
    entry = CommandInput("turn", VALUES, steps=3)
    assert inputs_after(entry, ["left"]).tolist() == [[0, 0], [0, 0], [1, 0]]
    assert inputs_after(entry, ["left", "right", "none", "right"]).tolist() == [[0, 2], [0, 0], [0, 2]]


def test_a_pulse_is_given_only_where_a_command_begins() -> None:
    entry = CommandInput("turn", VALUES, steps=4, pulse=True)
    assert inputs_after(entry, ["left", "left", "right", "right"]).tolist() == [[1, 0], [0, 0], [0, 2], [0, 0]]


@pytest.mark.parametrize("age", range(6))
def test_a_stride_keeps_the_greatest_of_its_steps(age: int) -> None:
    entry = CommandInput("turn", VALUES, steps=2, stride=3, pulse=True)
    seen = inputs_after(entry, ["left", *["none"] * age])
    assert seen.tolist() == [[float(age >= 3), 0], [float(age < 3), 0]]


def test_a_reset_forgets() -> None:
    tensor = np.zeros((2, 2), np.float32)
    inputs = CommandInputs((CommandInput("turn", VALUES, steps=2, pulse=True),), {"turn": tensor})
    inputs.load("left")
    inputs.reset()
    inputs.load("left")
    assert tensor.tolist() == [[0, 0], [1, 0]]
