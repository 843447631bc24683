"""Read any ONNX file as one model in memory, with its weights inside and static shapes.

Knows nothing of what the inputs mean; an adapter's shapes come as plain numbers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper
from onnx.onnx_cpp2py_export.shape_inference import InferenceError
from onnxruntime.tools.onnx_model_utils import make_dim_param_fixed

from fsd.data.errors import ModelError, few
from fsd.export.metadata import load_model, tensors_of
from fsd.export.onnx_runner import open_model
from fsd.networks import onnx_session
from fsd.networks.load_errors import check_content

MAX_BYTES = 2**31 - 1
"""Protobuf's limit for one message, and so for one model with its weights."""


def read_onnx(path: Path, shapes: Mapping[str, Sequence[int]] | None = None) -> onnx.ModelProto:
    """The model of a file, as ONNX Runtime can run it.

    Args:
        shapes: input -> its shape, for inputs with free axes.

    Raises:
        ModelError: one line that says what is wrong with the file and how to fix it.
    """
    onnx_session.require_model_file(path, "MODEL")
    model = load_model(path)
    _load_weights(model, path)
    _refuse_bfloat16(model, str(path))
    onnx_session.open_session(path, optimise=False)  # what ONNX Runtime cannot load stops here, named
    return with_fixed_axes(model, str(path), shapes or {})


def with_fixed_axes(model: onnx.ModelProto, origin: str, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """The model with static input shapes, and all shapes that follow from them; changes `model`.

    Raises:
        ModelError: an axis stays free, or a shape does not fit.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]  # files of IR 3 list weights as well
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    _fix_axes(model, origin, shapes)
    del model.graph.value_info[:]  # shapes from before the axes were fixed
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except InferenceError as error:
        raise ModelError(f"{origin} has shapes that contradict each other: {_first_line(error)}") from error


def check_runs(model: onnx.ModelProto, inputs: Mapping[str, np.ndarray], origin: str) -> dict[str, np.ndarray]:
    """Run once, and return the outputs by name.

    Raises:
        ModelError: an operator fails, such as one whose inputs do not fit each other.
    """
    session = open_model(model, optimise=False)
    names = [output.name for output in session.get_outputs()]
    try:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))
    except onnx_session.SESSION_ERRORS as error:
        raise ModelError(
            f"{origin} loads but cannot be run: {_first_line(error)} Check the sizes that the adapter gives its "
            "inputs, or export it again with them."
        ) from error


def _load_weights(model: onnx.ModelProto, path: Path) -> None:
    """Read weights that are kept beside the file into the model."""
    folder, total = path.resolve().parent, path.stat().st_size
    for tensor in tensors_of(model.graph):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        info = external_data_helper.ExternalDataInfo(tensor)
        data = folder / info.location
        if not data.is_file():
            raise ModelError(
                f"{path} needs its weights in {data}, which is missing. Copy that file beside it, under the same name."
            )
        check_content(data)
        size = data.stat().st_size
        length = info.length or size - (info.offset or 0)
        if (info.offset or 0) + length > size:
            raise ModelError(
                f"{data} is truncated: {path.name} needs {(info.offset or 0) + length} bytes of it, and it has {size}. "
                "Copy or download it again."
            )
        total += length
        if total > MAX_BYTES:
            raise ModelError(f"{path} has more than 2 GB of weights, too many for one ONNX file. Split it.")
        external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _refuse_bfloat16(model: onnx.ModelProto, origin: str) -> None:
    graph = model.graph
    typed = [*graph.input, *graph.output, *graph.value_info]
    names = [value.name for value in typed if value.type.tensor_type.elem_type == TensorProto.BFLOAT16]
    names += [tensor.name for tensor in tensors_of(graph) if tensor.data_type == TensorProto.BFLOAT16]
    if names:
        raise ModelError(
            f"{origin} has bfloat16 tensors ({few(names)}), which ONNX Runtime does not compute with on a CPU. Export "
            "it in float32: `module.float()` before the export."
        )


def _fix_axes(model: onnx.ModelProto, origin: str, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give every input its size; an axis of the same name elsewhere gets the same."""
    for value in model.graph.input:
        axes = value.type.tensor_type.shape.dim
        shape = tuple(shapes.get(value.name, ()))
        if shape and len(shape) != len(axes):
            raise ModelError(
                f"{origin}: the adapter gives input {value.name!r} the shape {list(shape)}, but it has {len(axes)} "
                "axes."
            )
        for axis, size in zip(axes, shape, strict=False):
            if axis.HasField("dim_value") and axis.dim_value > 0:
                if axis.dim_value != size:
                    raise ModelError(
                        f"{origin}: the adapter gives input {value.name!r} the shape {list(shape)}, and the model has "
                        f"{axis.dim_value} in place of {size}."
                    )
            elif axis.dim_param:
                make_dim_param_fixed(model.graph, axis.dim_param, size)
            else:
                axis.dim_value = size
    free = [value.name for value in model.graph.input if any(axis.dim_value < 1 for axis in _axes(value))]
    if free:
        raise ModelError(
            f"{origin} has free axes in {few(free)}. Give their sizes in the adapter's `shapes`, or export the model "
            "with static shapes."
        )


def _axes(value: onnx.ValueInfoProto) -> Sequence[onnx.TensorShapeProto.Dimension]:
    return value.type.tensor_type.shape.dim


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
