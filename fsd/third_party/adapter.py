"""`adapter.json`: how a third-party model's inputs and outputs map to recordings and plans.

Reads the file and checks it, alone and against a model's signature; `adapter_planner.py` runs the model.
docs/adapter.md describes every field.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from fsd.data.errors import ModelError
from fsd.data.text_files import read_json
from fsd.networks.onnx_session import Signature
from fsd.third_party.input_checks import fixed_signature, input_misfits, input_problems
from fsd.third_party.input_fields import (
    CalibrationInput,
    CommandInput,
    CompressedInput,
    ConstantInput,
    EgoInput,
    ImageInput,
    Positive,
    Strict,
)
from fsd.third_party.output_fields import Outputs
from fsd.third_party.state_fields import Link, ShiftRegister, StatePair

SCHEMA_VERSION = 2
"""Of `adapter.json`. Version 1, which had no such field, is a part of version 2."""


class Adapter(Strict, frozen=True):
    """A whole `adapter.json`; `trained` and `trained_on` are repeated in every result.

    Attributes:
        rate_hz: steps per second of the model; its plan is held in between, and its age counted. None is every tick.
        shapes: input -> shape, for inputs whose declared shape has free axes.
        assumed_speed_mps: for a model that only steers, where the recording has no speed.
        links: from one model to the next, where several files are given.
    """

    name: str
    outputs: Outputs
    images: tuple[ImageInput, ...] = ()
    schema_version: Literal[1, 2] = 2
    ego: tuple[EgoInput, ...] = ()
    commands: tuple[CommandInput, ...] = ()
    constants: tuple[ConstantInput, ...] = ()
    calibration: tuple[CalibrationInput, ...] = ()
    compressed: CompressedInput | None = None
    state: tuple[StatePair, ...] = ()
    shift_registers: tuple[ShiftRegister, ...] = ()
    links: tuple[Link, ...] = ()
    shapes: dict[str, tuple[Annotated[int, msgspec.Meta(ge=1)], ...]] = msgspec.field(default_factory=dict)
    rate_hz: Positive | None = None
    assumed_speed_mps: Positive = 10.0
    trained: bool = True
    trained_on: str = ""


def load_adapter(path: Path) -> Adapter:
    """Read and check an adapter file.

    Raises:
        ModelError: names the field, what was expected and what was received.
    """
    try:
        adapter = msgspec.convert(read_json(path, ModelError), Adapter)
    except msgspec.ValidationError as error:
        raise ModelError(f"{path} is not an adapter: {error}. docs/adapter.md describes every field.") from error
    for field, problem in _problems(adapter):
        message = f"{path} cannot be used: `{field}` {problem} docs/adapter.md describes every field."
        raise ModelError(message, field=field)
    return adapter


def _problems(adapter: Adapter) -> Iterator[tuple[str, str]]:
    """Mistakes that the schema cannot express: field, and what is wrong with it."""
    yield from input_problems(adapter)
    outputs = adapter.outputs
    if outputs.waypoints is None and outputs.curvature_per_m is None and outputs.steering is None:
        yield "outputs", "needs `waypoints`, `curvature_per_m` or `steering` to make a path."
    if outputs.curvature_per_m is not None and outputs.steering is not None:
        yield "outputs", "has both `curvature_per_m` and `steering`; keep one."
    if outputs.waypoints is not None and (outputs.waypoints.step_s is None) == (not outputs.waypoints.times_s):
        yield "outputs.waypoints", "needs `step_s` or `times_s`, and not both."
    if outputs.waypoints is not None and not {"x_m", "y_m"} <= set(outputs.waypoints.columns):
        yield "outputs.waypoints.columns", f"needs x_m and y_m, got {', '.join(outputs.waypoints.columns)}."


def outputs_used(adapter: Adapter) -> dict[str, tuple[str, int]]:
    """Output -> (field that names it, smallest number of elements)."""
    outputs = adapter.outputs
    used: dict[str, tuple[str, int]] = {}
    if outputs.waypoints is not None:
        path = outputs.waypoints
        used[path.name] = ("outputs.waypoints", path.start + path.points * len(path.columns))
    for field in ("curvature_per_m", "steering", "acceleration_mps2", "speed_mps"):
        scalar = getattr(outputs, field)
        if scalar is not None:
            used[scalar.name] = (f"outputs.{field}", max(scalar.index + 1, used.get(scalar.name, ("", 0))[1]))
    used |= {pair.output: (f"state[{i}].output", 1) for i, pair in enumerate(adapter.state) if pair.output not in used}
    return used


def check_model(adapter: Adapter, inputs: Signature, outputs: Signature, origin: str) -> None:
    """Check that an adapter fits a model with these inputs and outputs.

    Raises:
        ModelError: names the first field that does not fit; its message begins with `origin`.
    """
    try:
        fixed = fixed_signature(adapter, inputs)
    except ModelError as error:
        raise ModelError(f"{origin}: {error}", field=error.field) from error
    for field, misfit in _misfits(adapter, fixed, outputs):
        raise ModelError(f"{origin}: {misfit}", field=field)


def _misfits(adapter: Adapter, inputs: Signature, outputs: Signature) -> Iterator[tuple[str, str]]:
    """Fields that do not fit the model, each with a sentence; only the first is meant to be used."""
    others = [(pair.input, f"state[{index}].input") for index, pair in enumerate(adapter.state)]
    others += [(each.input, f"shift_registers[{index}].input") for index, each in enumerate(adapter.shift_registers)]
    others += [(link.input, f"links[{index}].input") for index, link in enumerate(adapter.links)]
    yield from input_misfits(adapter, inputs, others)
    for name, (field, size) in outputs_used(adapter).items():
        if name not in outputs:
            yield field, f"`{field}` is {name!r}, but the model's outputs are {', '.join(outputs)}."
        shape = outputs[name][0]
        if -1 not in shape and int(np.prod(shape)) < size:
            yield field, f"`{field}` needs {size} numbers, but the model's output {name!r} has shape {list(shape)}."
    for index, pair in enumerate(adapter.state):
        if inputs[pair.input] != outputs[pair.output]:
            yield (
                f"state[{index}]",
                f"`state[{index}]` pairs {pair.output!r} {outputs[pair.output]} with {pair.input!r} "
                f"{inputs[pair.input]}; shape and type must be the same.",
            )
