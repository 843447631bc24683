"""`adapter.json`: how another ONNX model's inputs and outputs map to this program's recordings and plans.

Reads and checks the file only; `adapted_model.py` runs the model. docs/adapter.md describes every field.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from fsd.data.ego import COMMANDS
from fsd.data.errors import ModelError
from fsd.data.frames import CAMERAS

Positive = Annotated[float, msgspec.Meta(gt=0)]
Pixels = Annotated[int, msgspec.Meta(ge=1, le=8192)]
Index = Annotated[int, msgspec.Meta(ge=0)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that is not known is an error, not a setting that does nothing."""


class ImageInput(_Strict, frozen=True):
    """One camera's picture: value = (pixel * scale - mean) / std, by channel.

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
    """The car's own motion, in this order, each times `scale`; 0 where the recording does not tell."""

    name: str
    quantities: tuple[Literal["speed_mps", "yaw_rate_rps"], ...]
    scale: float = 1.0


class CommandInput(_Strict, frozen=True):
    """The route command as a vector; `values` has one for each command that the model knows, and for `none`."""

    name: str
    values: dict[str, tuple[float, ...]]


class StatePair(_Strict, frozen=True):
    """The output of a tick that is the input of the next; zero at the start."""

    output: str
    input: str


class Waypoints(_Strict, frozen=True):
    """A path: numbers `start` … of the flattened output, `points` rows of `columns`, one every `step_s`."""

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
    """A steering wheel angle, radians after `scale`, left positive; the bicycle model makes it a curvature."""

    name: str
    wheelbase_m: Positive
    steering_ratio: Positive
    index: Index = 0
    scale: float = 1.0


class Outputs(_Strict, frozen=True):
    """What the model answers: `waypoints`, or `curvature_per_m` or `steering`; the rest as far as it goes."""

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
        ModelError: names the field, what came and what was expected.
    """
    try:
        adapter = msgspec.json.decode(path.read_bytes(), type=Adapter)
    except OSError as error:
        raise ModelError(f"Cannot read the adapter {path}: {error.strerror}.") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ModelError(f"{path} is not an adapter: {error}. docs/adapter.md describes every field.") from error
    for problem in _problems(adapter):
        raise ModelError(f"{path} cannot be used: {problem} docs/adapter.md describes every field.")
    return adapter


def _problems(adapter: Adapter) -> list[str]:
    """Sentences about what a schema cannot say."""
    found = []
    if not adapter.images:
        found.append("`images` is empty; name at least one camera's input.")
    for index, image in enumerate(adapter.images):
        field = f"`images[{index}]"
        if image.camera not in CAMERAS:
            found.append(f"{field}.camera` is {image.camera!r}; use one of {', '.join(CAMERAS)}.")
        channels = 1 if image.colour == "gray" else 3
        for name, values in (("mean", image.mean), ("std", image.std)):
            if len(values) not in (1, channels):
                found.append(f"{field}.{name}` has {len(values)} numbers; use 1 or {channels}.")
    for index, command in enumerate(adapter.commands):
        unknown = sorted(set(command.values) - set(COMMANDS))
        if unknown or "none" not in command.values:
            known = ", ".join(COMMANDS)
            found.append(
                f"`commands[{index}].values` needs `none` and may have {known}; got {', '.join(command.values)}."
            )
        if len({len(vector) for vector in command.values.values()}) > 1:
            found.append(f"`commands[{index}].values` has vectors of different length.")
    outputs = adapter.outputs
    if outputs.waypoints is None and outputs.curvature_per_m is None and outputs.steering is None:
        found.append("`outputs` has neither `waypoints` nor `curvature_per_m` nor `steering`, so there is no path.")
    if outputs.curvature_per_m is not None and outputs.steering is not None:
        found.append("`outputs` has both `curvature_per_m` and `steering`; keep one.")
    if outputs.waypoints is not None and not {"x_m", "y_m"} <= set(outputs.waypoints.columns):
        found.append(f"`outputs.waypoints.columns` needs x_m and y_m, got {', '.join(outputs.waypoints.columns)}.")
    return found
