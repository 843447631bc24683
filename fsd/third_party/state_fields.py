"""Fields of `adapter.json` for a model's state: outputs that become inputs of its next step, and links."""

from typing import Annotated

import msgspec
import numpy as np

from fsd.third_party.input_fields import Index, Strict


class StatePair(Strict, frozen=True):
    """An output that is an input of the next step; `reset` at the start.

    Attributes:
        start: the state begins at this number of the flattened output; None takes the whole output.
        slots: the input has slots along its first axis, and the output is written into those that the compressor names
            (only beside a compressed input).
    """

    output: str
    input: str
    start: Index | None = None
    reset: float = 0.0
    slots: bool = False


class ShiftRegister(Strict, frozen=True):
    """An input that holds the last values of an output, oldest first along `axis`; `reset` before there are any.

    Attributes:
        axis: of the input, the number of values; negative counts from the last axis.
        start: the value begins at this number of the flattened output; its size follows from the input's shape.
        stride: steps of the model between two neighbouring values.
        delay: steps from the newest value to the step that takes it; 0, where an earlier one of several models has the
            output, is the same step.
    """

    output: str
    input: str
    axis: int = 1
    start: Index | None = None
    stride: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    reset: float = 0.0
    delay: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 1


class Link(Strict, frozen=True):
    """Of several models: an output of an earlier one that is an input of a later one in the same step."""

    output: str
    input: str
    start: Index | None = None


def state_size(field: StatePair | ShiftRegister, input_shape: tuple[int, ...]) -> int:
    """How many numbers of its output a field carries in each step, into an input of this shape."""
    size = int(np.prod(input_shape))
    if isinstance(field, ShiftRegister):
        return size // input_shape[field.axis]
    return size // input_shape[0] if field.slots else size


def state_pairs(pairs: tuple[StatePair, ...], registers: tuple[ShiftRegister, ...]) -> tuple[tuple[str, str], ...]:
    """(output, input) of everything that is carried from step to step."""
    carried = [(pair.output, pair.input) for pair in pairs]
    return (*carried, *((register.output, register.input) for register in registers))
