"""`adapter.json`: how a third-party model's inputs and outputs map to recordings and plans.

Reads the file and checks it, alone and against a model's signature; `adapter_planner.py` runs the model.
docs/adapter.md describes every field.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

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
from fsd.third_party.output_checks import output_misfits, output_problems, recurrent_inputs
from fsd.third_party.output_fields import Outputs
from fsd.third_party.ready_adapters import adapter_file
from fsd.third_party.state_fields import Link, ShiftRegister, StatePair

SCHEMA_VERSION = 2
"""Of `adapter.json`. Version 1, which had no such field, is a part of version 2."""

TODO = "TODO"
"""What `fsd adapter init` writes in place of a value that only the user knows."""


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
    """Read and check an adapter file; the name of a ready adapter is one as well.

    Raises:
        ModelError: names the field, what was expected and what was received.
    """
    path = adapter_file(path)
    content = read_json(path, ModelError)
    if undecided := next(_undecided(content), None):
        raise ModelError(f"{path}: `{undecided}` is still {TODO}. Write its value there.", field=undecided)
    try:
        adapter = msgspec.convert(content, Adapter)
    except msgspec.ValidationError as error:
        choices = _choices_at(str(error).rpartition("`")[0].rpartition("`$.")[2]) if "enum" in str(error) else ()
        use = f"; use one of {', '.join(map(str, choices))}" if choices else ""
        raise ModelError(f"{path} is not an adapter: {error}{use}. docs/adapter.md describes every field.") from error
    for field, problem in _problems(adapter):
        message = f"{path} cannot be used: `{field}` {problem} docs/adapter.md describes every field."
        raise ModelError(message, field=field)
    return adapter


def _choices_at(place: str) -> tuple[object, ...]:
    """The values that a field with a few fixed ones takes, such as `images[0].colour`."""
    kinds: list[Any] = [msgspec.inspect.type_info(Adapter)]
    for part in place.replace("[", ".[").split("."):
        found: list[Any] = []
        for kind in _members(kinds):
            if part.startswith("["):
                found += [getattr(kind, "item_type", None) or getattr(kind, "value_type", None)]
                found += getattr(kind, "item_types", ())
            else:
                found += [field.type for field in getattr(kind, "fields", ()) if field.encode_name == part]
        kinds = [kind for kind in found if kind is not None]
    literals = (kind for kind in _members(kinds) if isinstance(kind, msgspec.inspect.LiteralType))
    return tuple(dict.fromkeys(chain.from_iterable(literal.values for literal in literals)))


def _members(kinds: Iterable[Any]) -> Iterator[Any]:
    """Types, and those that a union consists of."""
    for kind in kinds:
        yield from getattr(kind, "types", (kind,))


def _undecided(content: object, place: str = "") -> Iterator[str]:
    """Fields that hold `TODO`, such as `images[0].camera`."""
    if content == TODO:
        yield place
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from _undecided(value, f"{place}.{name}".lstrip("."))
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from _undecided(value, f"{place}[{index}]")


def _problems(adapter: Adapter) -> Iterator[tuple[str, str]]:
    """Mistakes that the schema cannot express: field, and what is wrong with it."""
    yield from input_problems(adapter)
    yield from output_problems(adapter)


def check_model(adapter: Adapter, inputs: Signature, outputs: Signature, origin: str) -> None:
    """Check that an adapter fits a model with these inputs and outputs.

    Raises:
        ModelError: names the first field that does not fit; its message begins with `origin`.
    """
    try:
        fixed = fixed_signature(adapter, inputs)
    except ModelError as error:
        raise ModelError(f"{origin}: {error}", field=error.field) from error
    misfits = chain(input_misfits(adapter, fixed, recurrent_inputs(adapter)), output_misfits(adapter, fixed, outputs))
    for field, misfit in misfits:
        raise ModelError(f"{origin}: {misfit}", field=field)
