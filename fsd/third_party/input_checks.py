"""Checks of the fields that describe a model's inputs: alone, and against the model's signature."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from fsd.compression.budget import ALL_BUDGETS
from fsd.data.camera_names import canonical_name
from fsd.data.ego import COMMANDS
from fsd.data.errors import ModelError
from fsd.data.frames import CAMERAS
from fsd.networks.contract import input_shapes
from fsd.networks.onnx_session import Signature
from fsd.third_party.calibration_matrices import calibration_cameras
from fsd.third_party.images.layout import CHANNELS, layout_problem, tensor_shape
from fsd.third_party.images.pixel_values import exact_values, value_table
from fsd.third_party.input_fields import (
    CalibrationInput,
    CommandInput,
    CompressedInput,
    ConstantInput,
    EgoInput,
    ImageInput,
)

MEMORY_TENSORS = ("memory_k", "memory_v")
"""Inputs of the contract that come from the model's own outputs."""

_DTYPES = ("float16", "float32", "float64", "uint8", "int8", "int32", "int64", "bool")
"""Types of inputs that `onnx_session.session_signature` names."""

_LUMA_PLACES = {"00", "01", "10", "11"}


class InputFields(Protocol):
    """The part of an `Adapter` that describes inputs."""

    @property
    def images(self) -> tuple[ImageInput, ...]: ...
    @property
    def ego(self) -> tuple[EgoInput, ...]: ...
    @property
    def commands(self) -> tuple[CommandInput, ...]: ...
    @property
    def constants(self) -> tuple[ConstantInput, ...]: ...
    @property
    def calibration(self) -> tuple[CalibrationInput, ...]: ...
    @property
    def compressed(self) -> CompressedInput | None: ...
    @property
    def shapes(self) -> dict[str, tuple[int, ...]]: ...


def input_problems(fields: InputFields) -> Iterator[tuple[str, str]]:
    """Mistakes that the schema cannot express: field, and what is wrong with it."""
    if not fields.images and fields.compressed is None:
        yield "images", "is empty; name at least one camera's input."
    for index, image in enumerate(fields.images):
        for name, problem in _image_problems(image):
            yield f"images[{index}]{name}", problem
    for index, entry in enumerate(fields.ego):
        if not entry.quantities or not entry.history:
            yield f"ego[{index}]", "needs at least one of `quantities` and one step of `history`."
        if isinstance(entry.scale, tuple) and len(entry.scale) != len(entry.quantities):
            yield f"ego[{index}].scale", f"has {len(entry.scale)} numbers; use 1 or {len(entry.quantities)}."
    for index, command in enumerate(fields.commands):
        field = f"commands[{index}].values"
        if "none" not in command.values or not set(command.values) <= set(COMMANDS):
            yield field, f"needs `none` and may have {', '.join(COMMANDS)}; got {', '.join(command.values)}."
        if len({len(vector) for vector in command.values.values()}) > 1:
            yield field, "has vectors of different lengths."
    for index, matrix in enumerate(fields.calibration):
        for name, problem in _calibration_problems(matrix, fields.images):
            yield f"calibration[{index}]{name}", problem
    if fields.compressed is not None:
        yield from _compressed_problems(fields.compressed)


def _image_problems(image: ImageInput) -> Iterator[tuple[str, str]]:
    """Name of the field, with its dot, and what is wrong."""
    if bool(image.camera) == bool(image.cameras):
        yield "", "needs `camera` or `cameras`, and not both."
    field = ".cameras" if image.cameras else ".camera"
    yield from _camera_problems(field, image.sources)
    channels = CHANNELS[image.colour]
    for name, values in (("mean", image.mean), ("std", image.std)):
        if len(values) not in (1, channels):
            yield f".{name}", f"has {len(values)} numbers; use 1 or {channels}."
    if not image.history:
        yield ".history", "is empty; 0 is the present picture."
    if problem := layout_problem(image):
        yield ".layout", problem
    if image.colour == "yuv420":
        for name, pixels in (("width_px", image.width_px), ("height_px", image.height_px)):
            if pixels % 2:
                yield f".{name}", f"is {pixels}; yuv420 needs an even number."
    if set(image.luma_order) != _LUMA_PLACES or len(image.luma_order) != len(_LUMA_PLACES):
        yield ".luma_order", f"needs each of {', '.join(sorted(_LUMA_PLACES))} once; got {', '.join(image.luma_order)}."
    if image.virtual_camera is not None and (image.crop is not None or image.fit != "stretch"):
        yield ".virtual_camera", "takes the place of `crop` and `fit`; remove these."
    crop = image.crop
    if crop is not None and (crop.left + crop.right >= 1 or crop.top + crop.bottom >= 1):
        yield ".crop", "leaves nothing of the picture: opposite shares must be less than 1 together."


def _camera_problems(field: str, cameras: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for camera in cameras:
        if canonical_name(camera) is None:
            yield field, f"is {camera!r}; use one of {', '.join(CAMERAS)}, or an alias."


def _calibration_problems(entry: CalibrationInput, images: tuple[ImageInput, ...]) -> Iterator[tuple[str, str]]:
    names = [image.name for image in images]
    if entry.image and entry.image not in names:
        yield ".image", f"is {entry.image!r}; the names in `images` are {', '.join(names)}."
    if not entry.image and entry.matrix in ("intrinsics", "image_from_ego"):
        yield ".image", f"is missing; {entry.matrix} needs the `name` of the image input whose pixels it refers to."
    if not entry.image and not entry.cameras:
        yield "", "needs `image` or `cameras`."
    yield from _camera_problems(".cameras", entry.cameras)


def _compressed_problems(compressed: CompressedInput) -> Iterator[tuple[str, str]]:
    if compressed.budget not in ALL_BUDGETS:
        yield "compressed.budget", f"is {compressed.budget!r}; use one of {', '.join(ALL_BUDGETS)}."
        return
    known = [name for name in input_shapes(ALL_BUDGETS[compressed.budget]) if name not in MEMORY_TENSORS]
    for name in compressed.tensors:
        if name in MEMORY_TENSORS:
            yield f"compressed.tensors.{name}", "is the model's own state; name it in `state`, with `slots`."
        elif name not in known:
            yield f"compressed.tensors.{name}", f"is no tensor of the compressor; use one of {', '.join(known)}."
    if not compressed.tensors:
        yield "compressed.tensors", f"is empty; name at least one of {', '.join(known)}."


def fixed_signature(fields: InputFields, signature: Signature) -> Signature:
    """The model's inputs with `shapes` in place of free axes.

    Raises:
        ModelError: an input has a free axis and no entry, or an entry does not fit; the field is named.
    """
    for name, shape in fields.shapes.items():
        field = f"shapes.{name}"
        if name not in signature:
            raise ModelError(f"`{field}` names no input of the model; it has {', '.join(signature)}.", field=field)
        declared = signature[name][0]
        if len(shape) != len(declared) or any(size not in (-1, given) for size, given in zip(declared, shape)):  # noqa: B905
            message = (
                f"`{field}` is {list(shape)}, but the model's input has {_axes(declared)}; only free axes can change."
            )
            raise ModelError(message, field=field)
    fixed: Signature = {}
    for name, (declared, dtype) in signature.items():
        shape = tuple(fields.shapes.get(name, declared))
        if -1 in shape:
            raise ModelError(
                f"the model's input {name!r} has free axes, {_axes(declared)}; fix them in `shapes`, such as "
                f'"shapes": {{"{name}": {list(_suggested(fields, name, declared))}}}.',
                field=f"shapes.{name}",
            )
        fixed[name] = (shape, dtype)
    return fixed


def _axes(shape: tuple[int, ...]) -> str:
    return f"[{', '.join('?' if size == -1 else str(size) for size in shape)}]"


def _suggested(fields: InputFields, name: str, declared: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that an input is likely to have: its image's, else 1 for each free axis."""
    for image in fields.images:
        if image.name == name and len(tensor_shape(image)) == len(declared):
            return tensor_shape(image)
    return tuple(1 if size == -1 else size for size in declared)


def input_misfits(
    fields: InputFields, signature: Signature, other_sources: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Fields that do not fit the model, each with a sentence; only the first is meant to be used.

    Args:
        signature: of the model's inputs, without free axes (`fixed_signature`).
        other_sources: inputs that come from outputs, each with the field that names it.
    """
    named = [*_named_inputs(fields), *other_sources]
    sources: dict[str, str] = {}
    for name, field in named:
        if name not in signature:
            yield field, f"`{field}` is {name!r}, but the model's inputs are {', '.join(signature)}."
        if signature[name][1] not in _DTYPES:
            yield (
                field,
                f"the model's input {name!r} is {signature[name][1]}; export it as one of {', '.join(_DTYPES)}.",
            )
        if name in sources:
            yield field, f"`{field}` is {name!r}, which `{sources[name]}` names already; keep one."
        sources[name] = field
    yield from _image_misfits(fields, signature)
    yield from _number_misfits(fields, signature)
    if fields.compressed is not None:
        yield from _compressed_misfits(fields.compressed, signature)
    for name in sorted(set(signature) - set(sources)):
        yield (
            name,
            f"the model's input {name!r} has no source; name it in `images`, `ego`, `commands`, `constants`, "
            "`calibration`, `compressed`, `state` or `shift_registers`.",
        )


def _named_inputs(fields: InputFields) -> Iterator[tuple[str, str]]:
    """Every input that does not come from outputs, and the field that names it."""
    for kind in ("images", "ego", "commands", "constants", "calibration"):
        for index, entry in enumerate(getattr(fields, kind)):
            yield entry.name, f"{kind}[{index}].name"
    if fields.compressed is not None:
        for tensor, name in fields.compressed.tensors.items():
            yield name, f"compressed.tensors.{tensor}"


def _image_misfits(fields: InputFields, signature: Signature) -> Iterator[tuple[str, str]]:
    for index, image in enumerate(fields.images):
        shape, dtype = signature[image.name]
        field, expected = f"images[{index}].name", tensor_shape(image)
        if shape != expected:
            yield field, f"`{field}` needs shape {list(expected)}, but the model's input has {list(shape)}."
        try:
            value_table(image, dtype)
        except ValueError as error:
            field = f"images[{index}].scale"
            yield field, f"`{field}`, with `mean` and `std`: the model's input {image.name!r} {error}."


def _number_misfits(fields: InputFields, signature: Signature) -> Iterator[tuple[str, str]]:
    """Ego motion, commands, constants and matrices: as many numbers as the input has, in a type that holds them."""
    for index, entry in enumerate(fields.ego):
        field = f"ego[{index}].name"
        yield from _size_misfit(field, entry.name, len(entry.quantities) * len(entry.history), signature)
        yield from _float_misfit(field, entry.name, signature)
    for index, command in enumerate(fields.commands):
        size = len(command.values["none"]) * command.steps
        yield from _size_misfit(f"commands[{index}].name", command.name, size, signature)
        vectors = np.array(list(command.values.values()))
        yield from _value_misfit(f"commands[{index}].values", command.name, vectors, signature)
    for index, constant in enumerate(fields.constants):
        field, size = f"constants[{index}].values", int(np.prod(signature[constant.name][0]))
        if len(constant.values) not in (1, size):
            yield field, f"`{field}` has {len(constant.values)} numbers; the model's input takes {size}, or 1 for all."
        yield from _value_misfit(field, constant.name, np.array(constant.values), signature)
    for index, matrix in enumerate(fields.calibration):
        field, shape = f"calibration[{index}].name", signature[matrix.name][0]
        cameras = len(calibration_cameras(matrix, fields.images))
        if shape[-2:] != matrix.size or int(np.prod(shape[:-2])) != cameras:
            expected = [cameras, *matrix.size]
            yield (
                field,
                f"`{field}` needs shape {expected}, with or without axes of 1, but the input has {list(shape)}.",
            )
        yield from _float_misfit(field, matrix.name, signature)


def _size_misfit(field: str, name: str, size: int, signature: Signature) -> Iterator[tuple[str, str]]:
    shape = signature[name][0]
    if int(np.prod(shape)) != size:
        yield field, f"`{field}` needs {size} numbers, but the model's input has shape {list(shape)}."


def _float_misfit(field: str, name: str, signature: Signature) -> Iterator[tuple[str, str]]:
    dtype = signature[name][1]
    if not dtype.startswith("float"):
        yield field, f"`{field}` has fractions, but the model's input {name!r} is {dtype}; export it as a float."


def _value_misfit(field: str, name: str, values: np.ndarray, signature: Signature) -> Iterator[tuple[str, str]]:
    try:
        exact_values(values, signature[name][1])
    except (ValueError, TypeError) as error:
        yield field, f"`{field}`: the model's input {name!r} {error}."


def _compressed_misfits(compressed: CompressedInput, signature: Signature) -> Iterator[tuple[str, str]]:
    shapes = input_shapes(ALL_BUDGETS[compressed.budget])
    for tensor, name in compressed.tensors.items():
        field, (expected, dtype) = f"compressed.tensors.{tensor}", shapes[tensor]
        shape, received = signature[name]
        if shape not in (expected, (1, *expected)) or received != dtype:
            yield (
                field,
                f"`{field}` is {dtype} {list(expected)}, with or without a leading axis of 1, but the model's input "
                f"{name!r} is {received} {list(shape)}.",
            )
