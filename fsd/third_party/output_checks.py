"""Checks of the fields that describe a model's outputs, state and rate: alone, and against the model's signature."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from fsd.data.ego import COMMANDS
from fsd.data.frames import RATE_HZ
from fsd.networks.contract import output_shapes
from fsd.networks.onnx_session import Signature
from fsd.third_party.controls import accelerations
from fsd.third_party.input_fields import CompressedInput
from fsd.third_party.model_chain import describe, part_problem
from fsd.third_party.output_fields import CONTRACT_FIELDS, STEERING_FIELDS, Outputs, Place, Waypoints
from fsd.third_party.output_reader import Number
from fsd.third_party.state_fields import ShiftRegister, StatePair, state_size


class OutputFields(Protocol):
    """The part of an `Adapter` that describes outputs."""

    @property
    def outputs(self) -> Outputs: ...
    @property
    def state(self) -> tuple[StatePair, ...]: ...
    @property
    def shift_registers(self) -> tuple[ShiftRegister, ...]: ...
    @property
    def compressed(self) -> CompressedInput | None: ...
    @property
    def rate_hz(self) -> float | None: ...


class Read(NamedTuple):
    """Numbers of an output that are read: from 0 to `end`, or all of a `size`."""

    field: str
    output: str
    end: int = 0
    size: int | None = None


def output_problems(fields: OutputFields) -> Iterator[tuple[str, str]]:
    """Mistakes that the schema cannot express: field, and what is wrong with it."""
    outputs = fields.outputs
    steering = [name for name in STEERING_FIELDS if getattr(outputs, name) is not None]
    if outputs.waypoints is None and not steering:
        yield "outputs", f"needs `waypoints` or one of {', '.join(STEERING_FIELDS)} to make a path."
    if len(steering) > 1:
        yield "outputs", f"has {' and '.join(f'`{name}`' for name in steering)}; keep one."
    if outputs.acceleration_mps2 == ():
        yield "outputs.acceleration_mps2", "is empty; name an output, or leave it out."
    if outputs.waypoints is not None:
        for name, problem in _path_problems(outputs.waypoints):
            yield f"outputs.waypoints{name}", problem
    for field, places in _by_command(outputs):
        for command in places:
            if command not in COMMANDS:
                yield f"{field}.by_command", f"has {command!r}; the route commands are {', '.join(COMMANDS)}."
    if outputs.saliency is not None and fields.compressed is None:
        yield "outputs.saliency", "needs `compressed`: without a compressor nothing is chosen. Remove it."
    has_slots = any(pair.slots for pair in fields.state)
    if has_slots and fields.compressed is None:
        yield "state", "has `slots`, which the compressor names; add `compressed`, or remove `slots`."
    if fields.rate_hz is not None and fields.rate_hz > RATE_HZ:
        yield "rate_hz", f"is {fields.rate_hz:g}, and there are {RATE_HZ} ticks per second; use at most {RATE_HZ}."
    if fields.rate_hz is not None and has_slots and fields.rate_hz != RATE_HZ:
        yield "rate_hz", "cannot be used with `slots` in `state`: the compressor names slots at every tick. Remove it."


def _path_problems(path: Waypoints) -> Iterator[tuple[str, str]]:
    if (path.step_s is None) == (not path.times_s):
        yield "", "needs `step_s` or `times_s`, and not both."
    if path.times_s:
        times = path.times_s
        if len(times) != path.points:
            yield ".times_s", f"has {len(times)} times for {path.points} `points`; give one for each."
        if times[0] < 0 or any(later <= earlier for earlier, later in pairwise(times)):
            yield ".times_s", "must rise, and begin at 0 or later."
        if times[-1] <= 0:
            yield ".times_s", "has no time after now; a path needs one."
    named = [column for column in path.columns if column != "ignore"]
    if not {"x_m", "y_m"} <= set(named):
        yield ".columns", f"needs x_m and y_m, got {', '.join(path.columns)}."
    if len(set(named)) < len(named):
        yield ".columns", f"names a column twice: {', '.join(path.columns)}. Write `ignore` for what is not used."
    if path.scale == 0:
        yield ".scale", "is 0, which makes every point the same."
    if path.scale_start is None and (path.scale_is_log or path.scale_name is not None):
        yield ".scale_start", "is missing; `scale_is_log` and `scale_name` need it."
    mixture = path.mixture
    if mixture is not None and mixture.count > 1 and mixture.stride < path.points * len(path.columns):
        size = path.points * len(path.columns)
        yield ".mixture.stride", f"is {mixture.stride}, less than the {size} numbers of one path."


def _by_command(outputs: Outputs) -> Iterator[tuple[str, Mapping[str, Place]]]:
    """Every field that has `by_command`, and its places."""
    if outputs.waypoints is not None:
        yield "outputs.waypoints", outputs.waypoints.by_command
    for field, scalar in _numbers(outputs):
        yield field, scalar.by_command


def _numbers(outputs: Outputs) -> Iterator[tuple[str, Number]]:
    """Every field that is one number of an output."""
    for name in (*STEERING_FIELDS, "speed_mps", "curvature_scale", "acceleration_scale"):
        scalar = getattr(outputs, name)
        if scalar is not None:
            yield f"outputs.{name}", scalar
    several = accelerations(outputs)
    for index, scalar in enumerate(several):
        yield f"outputs.acceleration_mps2{f'[{index}]' if len(several) > 1 else ''}", scalar


def plan_reads(outputs: Outputs) -> Iterator[Read]:
    """What a plan is made of."""
    if outputs.waypoints is not None:
        yield from _path_reads(outputs.waypoints)
    for field, scalar in _numbers(outputs):
        yield Read(field, scalar.name, scalar.index + 1)
        for command, place in scalar.by_command.items():
            index = scalar.index if place.start is None else place.start
            yield Read(f"{field}.by_command.{command}", place.name or scalar.name, index + 1)
    shapes = output_shapes()
    for name in CONTRACT_FIELDS:
        if (output := getattr(outputs, name)) is not None:
            yield Read(f"outputs.{name}", output, size=int(np.prod(shapes[name][0])))


def _path_reads(path: Waypoints) -> Iterator[Read]:
    size, mixture = path.points * len(path.columns), path.mixture
    last = 0 if mixture is None else (mixture.count - 1) * mixture.stride
    places = {"outputs.waypoints": Place(path.name, path.start)}
    places |= {f"outputs.waypoints.by_command.{command}": place for command, place in path.by_command.items()}
    for field, place in places.items():
        name, start = place.name or path.name, path.start if place.start is None else place.start
        moved = start - path.start
        yield Read(field, name, start + last + size)
        if path.scale_start is not None and path.scale_name is None:
            yield Read(_inside(field, "scale_start"), name, path.scale_start + moved + last + size)
        if mixture is not None and mixture.probability_name is None:
            yield Read(_inside(field, "mixture.probability_start"), name, moved + _probabilities_end(path))
    if path.scale_start is not None and path.scale_name is not None:
        yield Read("outputs.waypoints.scale_name", path.scale_name, path.scale_start + last + size)
    if mixture is not None and mixture.probability_name is not None:
        yield Read("outputs.waypoints.mixture.probability_name", mixture.probability_name, _probabilities_end(path))


def _inside(field: str, name: str) -> str:
    """A field of the path itself; of a command's place, the place, which has no such fields."""
    return f"{field}.{name}" if field == "outputs.waypoints" else field


def _probabilities_end(path: Waypoints) -> int:
    assert path.mixture is not None
    return path.mixture.probability_start + (path.mixture.count - 1) * path.mixture.probability_stride + 1


def _state_fields(fields: OutputFields) -> Iterator[tuple[str, StatePair | ShiftRegister]]:
    yield from ((f"state[{index}]", pair) for index, pair in enumerate(fields.state))
    yield from ((f"shift_registers[{index}]", each) for index, each in enumerate(fields.shift_registers))


def outputs_read(fields: OutputFields) -> list[str]:
    """The outputs that the adapter names, each once."""
    names = [read.output for read in plan_reads(fields.outputs)]
    return list(dict.fromkeys([*names, *(each.output for _, each in _state_fields(fields))]))


def recurrent_inputs(fields: OutputFields) -> list[tuple[str, str]]:
    """Inputs that come from the model's own outputs, and the field that names each."""
    return [(each.input, f"{field}.input") for field, each in _state_fields(fields)]


def output_misfits(fields: OutputFields, inputs: Signature, outputs: Signature) -> Iterator[tuple[str, str]]:
    """Fields that do not fit the model, each with a sentence; only the first is meant to be used.

    Args:
        inputs: without free axes (`input_checks.fixed_signature`); its recurrent ones exist (`input_misfits`).
        outputs: free axes are allowed, and then the size is seen only when the model runs.
    """
    for read in plan_reads(fields.outputs):
        if read.output not in outputs:
            yield read.field, f"`{read.field}` is {read.output!r}, but the model's outputs are {', '.join(outputs)}."
        shape = outputs[read.output][0]
        size = int(np.prod(shape))
        found = f"but the model's output {read.output!r} has shape {list(shape)}."
        if -1 not in shape and size < read.end:
            yield read.field, f"`{read.field}` needs {read.end} numbers, {found}"
        if -1 not in shape and read.size is not None and size != read.size:
            yield read.field, f"`{read.field}` needs {read.size} numbers, {found}"
    for field, each in _state_fields(fields):
        if each.output not in outputs:
            yield (
                f"{field}.output",
                f"`{field}.output` is {each.output!r}, but the model's outputs are {', '.join(outputs)}.",
            )
        yield from ((field, problem) for problem in _state_misfits(field, each, inputs, outputs))


def _state_misfits(field: str, each: StatePair | ShiftRegister, inputs: Signature, outputs: Signature) -> Iterator[str]:
    given, taken = outputs[each.output], inputs[each.input]
    shape, dtype = taken
    if isinstance(each, ShiftRegister):
        if not -len(shape) <= each.axis < len(shape):
            yield f"`{field}.axis` is {each.axis}, but the model's input {each.input!r} has {len(shape)} axes."
    elif each.slots and len(shape) < 2:
        yield f"`{field}` has `slots`, but the model's input {each.input!r} has no axis beside them: {list(shape)}."
    if problem := part_problem(given, taken, each.start, state_size(each, shape)):
        yield f"`{field}` ({each.output!r} {describe(given)} to {each.input!r} {describe(taken)}) {problem}"
    if not dtype.startswith("float") and float(each.reset) != int(each.reset):
        yield f"`{field}.reset` is {each.reset:g}, but the model's input {each.input!r} is {dtype}; use a whole number."
