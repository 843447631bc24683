"""`adapter.json`: how a third-party model's inputs and outputs map to recordings and plans.

Reads the file and checks it, alone and against a model's signature; `adapter_planner.py` runs the model.
docs/adapter.md describes every field.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from fsd.data.ego import COMMANDS
from fsd.data.errors import ModelError
from fsd.data.frames import CAMERAS
from fsd.data.text_files import read_json
from fsd.networks.onnx_session import Signature

Positive = Annotated[float, msgspec.Meta(gt=0)]
Pixels = Annotated[int, msgspec.Meta(ge=1, le=8192)]
Index = Annotated[int, msgspec.Meta(ge=0)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An unknown field is an error."""


class ImageInput(_Strict, frozen=True):
    """One camera's image: value = (pixel * scale - mean) / std, by channel.

    `camera` is canonical; a camera that the recording lacks is mid grey. The batch axis of 1 is part of the model.
    """

    name: str
    camera: str
    width_px: Pixels
    height_px: Pixels
    colour: Literal["rgb", "bgr", "gray"] = "rgb"
    layout: Literal["nchw", "nhwc", "chw", "hwc"] = "nchw"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[Positive, ...] = (1.0,)


class EgoInput(_Strict, frozen=True):
    """The car's own motion, in this order, each times `scale`; 0 where the recording has none."""

    name: str
    quantities: tuple[Literal["speed_mps", "yaw_rate_rps"], ...]
    scale: float = 1.0


class CommandInput(_Strict, frozen=True):
    """The route command as a vector; `values` has one for each command that the model knows, and for `none`."""

    name: str
    values: dict[str, tuple[float, ...]]


class StatePair(_Strict, frozen=True):
    """An output that is an input of the next tick; zero at the start."""

    output: str
    input: str


class Waypoints(_Strict, frozen=True):
    """A path: from number `start` of the flattened output on, `points` rows of `columns`, one every `step_s`."""

    name: str
    points: Annotated[int, msgspec.Meta(ge=1)]
    step_s: Positive
    columns: tuple[Literal["x_m", "y_m", "yaw_rad", "v_mps", "ignore"], ...] = ("x_m", "y_m")
    start: Index = 0
    y_is_right: bool = False


class Scalar(_Strict, frozen=True):
    """One number of the flattened output: value * `scale` + `offset`, in the unit of its field."""

    name: str
    index: Index = 0
    scale: float = 1.0
    offset: float = 0.0


class Steering(_Strict, frozen=True):
    """A steering wheel angle, radians after `scale`, left positive; the bicycle model converts it to a curvature."""

    name: str
    wheelbase_m: Positive
    steering_ratio: Positive
    index: Index = 0
    scale: float = 1.0


class Outputs(_Strict, frozen=True):
    """What the model computes: at least one of `waypoints`, `curvature_per_m` and `steering`."""

    waypoints: Waypoints | None = None
    curvature_per_m: Scalar | None = None
    steering: Steering | None = None
    acceleration_mps2: Scalar | None = None
    speed_mps: Scalar | None = None


class Adapter(_Strict, frozen=True):
    """A whole `adapter.json`; `trained` is repeated in every result."""

    name: str
    images: tuple[ImageInput, ...]
    outputs: Outputs
    ego: tuple[EgoInput, ...] = ()
    commands: tuple[CommandInput, ...] = ()
    state: tuple[StatePair, ...] = ()
    trained: bool = True


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
    if not adapter.images:
        yield "images", "is empty; name at least one camera's input."
    for index, image in enumerate(adapter.images):
        if image.camera not in CAMERAS:
            yield f"images[{index}].camera", f"is {image.camera!r}; use one of {', '.join(CAMERAS)}."
        channels = 1 if image.colour == "gray" else 3
        for name, values in (("mean", image.mean), ("std", image.std)):
            if len(values) not in (1, channels):
                yield f"images[{index}].{name}", f"has {len(values)} numbers; use 1 or {channels}."
    for index, command in enumerate(adapter.commands):
        field = f"commands[{index}].values"
        if "none" not in command.values or not set(command.values) <= set(COMMANDS):
            yield field, f"needs `none` and may have {', '.join(COMMANDS)}; got {', '.join(command.values)}."
        if len({len(vector) for vector in command.values.values()}) > 1:
            yield field, "has vectors of different lengths."
    outputs = adapter.outputs
    if outputs.waypoints is None and outputs.curvature_per_m is None and outputs.steering is None:
        yield "outputs", "needs `waypoints`, `curvature_per_m` or `steering` to make a path."
    if outputs.curvature_per_m is not None and outputs.steering is not None:
        yield "outputs", "has both `curvature_per_m` and `steering`; keep one."
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
    for field, misfit in _misfits(adapter, inputs, outputs):
        raise ModelError(f"{origin}: {misfit}", field=field)


def _misfits(adapter: Adapter, inputs: Signature, outputs: Signature) -> Iterator[tuple[str, str]]:
    """Fields that do not fit the model, each with a sentence; only the first is meant to be used."""
    wanted: dict[str, tuple[str, tuple[int, ...] | int | None]] = {}
    for index, image in enumerate(adapter.images):
        channels = 1 if image.colour == "gray" else 3
        chw, hwc = (channels, image.height_px, image.width_px), (image.height_px, image.width_px, channels)
        shape = (1,) * image.layout.startswith("n") + (hwc if image.layout.endswith("hwc") else chw)
        wanted[image.name] = (f"images[{index}].name", shape)
    for index, entry in enumerate(adapter.ego):
        wanted[entry.name] = (f"ego[{index}].name", len(entry.quantities))
    for index, choice in enumerate(adapter.commands):
        wanted[choice.name] = (f"commands[{index}].name", len(choice.values["none"]))
    wanted |= {pair.input: (f"state[{index}].input", None) for index, pair in enumerate(adapter.state)}
    for name, (field, expected) in wanted.items():
        if name not in inputs:
            yield field, f"`{field}` is {name!r}, but the model's inputs are {', '.join(inputs)}."
        shape = inputs[name][0]
        if -1 in shape:
            yield field, f"the model's input {name!r} has a free axis {list(shape)}. Fix it (export with a batch of 1)."
        if isinstance(expected, tuple) and shape != expected:
            yield field, f"`{field}` needs shape {list(expected)}, but the model's input has {list(shape)}."
        if isinstance(expected, int) and int(np.prod(shape)) != expected:
            yield field, f"`{field}` needs {expected} numbers, but the model's input has shape {list(shape)}."
    for name in sorted(set(inputs) - set(wanted)):
        yield name, f"the model's input {name!r} has no source; name it in `images`, `ego`, `commands` or `state`."
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
