"""Bring a third-party graph into the form that quantization needs; its function stays the same.

Constants are folded, BatchNorm and sums are fused into the layers before them (ONNX Runtime's basic optimisations,
which use standard operators only), and every node has a name of its own.
"""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper, version_converter

from fsd.data.errors import ModelError
from fsd.export.graph_index import GraphIndex, attribute
from fsd.export.model_file import SERIALISED_LIMIT, proto_bytes, write_file
from fsd.export.onnx_export import scopes_of
from fsd.networks.onnx_session import save_optimised

OLDEST_OPSET, NEW_OPSET = 13, 17
"""Weights have a scale per channel since opset 13; older graphs are converted to 17."""


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """The prepared graph; `model` gets names for its nodes, and is otherwise not changed.

    Raises:
        ModelError: ONNX Runtime does not load the model, or its opset is too old and cannot be converted.
    """
    name_nodes(model)
    opset = opset_of(model)
    if opset < OLDEST_OPSET:
        try:
            model = version_converter.convert_version(model, NEW_OPSET)
        except Exception as error:  # the converter raises RuntimeError and its own ConvertError
            raise ModelError(
                f"The model has opset {opset}, which cannot be quantized per channel, and its conversion to opset "
                f"{NEW_OPSET} failed: {error} Export it with opset {NEW_OPSET} or later."
            ) from error
    is_large = proto_bytes(model) >= SERIALISED_LIMIT
    with tempfile.TemporaryDirectory(prefix="fsd-") as folder:
        source, optimised = Path(folder, "source.onnx"), Path(folder, "optimised.onnx")
        write_file(model, source)
        save_optimised(source, optimised, weights_beside=is_large)
        prepared = onnx.load(optimised)
    _fold_casts(prepared)
    _split_sums(prepared)
    _flatten_biases(prepared)
    _drop_shapes_of_constants(prepared)
    name_nodes(prepared)
    if not is_large and not prepared.graph.value_info:
        prepared = onnx.shape_inference.infer_shapes(prepared, data_prop=True)
    return prepared


def _drop_shapes_of_constants(model: onnx.ModelProto) -> None:
    """Remove them: ONNX Runtime's dynamic quantizer transposes weights and then fails for the shape they had."""
    constants = {entry.name for entry in model.graph.initializer}
    kept = [value for value in model.graph.value_info if value.name not in constants]
    if len(kept) < len(model.graph.value_info):
        copied = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in kept]
        del model.graph.value_info[:]
        model.graph.value_info.extend(copied)


def _fold_casts(model: onnx.ModelProto) -> None:
    """Store FP16 weights in FP32, which ONNX Runtime computes with on the CPU: it casts them at every tick."""
    graph = GraphIndex(model)
    casts = [
        node
        for node in graph.nodes
        if node.op_type == "Cast" and attribute(node, "to") == TensorProto.FLOAT and node.input[0] in graph.constants
    ]
    for node in casts:
        values = graph.array(node.input[0]).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        model.graph.node.remove(node)
    used = set(GraphIndex(model).readers)
    for name in {node.input[0] for node in casts} - used:
        model.graph.initializer.remove(graph.constants[name])


def _split_sums(model: onnx.ModelProto) -> None:
    """Undo the fusion of a product and a sum of activations, as in the gates of a recurrent cell: only a stored bias
    can be quantized with the product.
    """
    constants = {entry.name for entry in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes.append(node)
        is_sum = node.op_type == "Gemm" and len(node.input) > 2 and node.input[2] and node.input[2] not in constants
        if not is_sum or attribute(node, "beta", 1.0) != 1.0:
            continue
        addend, result = node.input[2], node.output[0]
        product = node.output[0] = f"{result}_product"
        del node.input[2:]
        nodes.append(onnx.helper.make_node("Add", [product, addend], [result], f"{node.name}/Add"))
    if len(nodes) > len(model.graph.node):
        copied = [_copy(node) for node in nodes]
        del model.graph.node[:]
        model.graph.node.extend(copied)


def _flatten_biases(model: onnx.ModelProto) -> None:
    """Give the biases of matrix products, which may be rows, one axis."""
    graph = GraphIndex(model)
    for node in graph.nodes:
        if node.op_type != "Gemm" or len(node.input) < 3 or node.input[2] not in graph.constants:
            continue
        bias = graph.constants[node.input[2]]
        if len(bias.dims) == 2 and bias.dims[0] == 1 and len(graph.readers[bias.name]) == 1:
            del bias.dims[0]


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copied = onnx.NodeProto()
    copied.CopyFrom(node)
    return copied


def opset_of(model: onnx.ModelProto) -> int:
    """Version of the standard operators."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def name_nodes(model: onnx.ModelProto) -> None:
    """Give a name to nodes that have none or share one: that of the module, where torch's exporter stored it."""
    names = Counter(node.name for node in model.graph.node)
    taken = {name for name, count in names.items() if name and count == 1}
    for node in model.graph.node:
        if node.name in taken and not _is_generic(node):
            continue
        scopes = [scope for scope in scopes_of(node)[:-1] if scope]
        base = f"{scopes[-1]}/{node.op_type}" if scopes else node.name or node.op_type
        if base == node.name and base in taken:
            continue
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        node.name = name


def _is_generic(node: onnx.NodeProto) -> bool:
    """Whether torch's exporter numbered a node, such as `node_Conv_12`, which changes with the version."""
    return node.name.startswith("node_") and bool(scopes_of(node))
