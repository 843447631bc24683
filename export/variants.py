"""Smaller or faster files of any float graph that need no calibration: FP16, stored weights of 8 or 4 bits, and matrix
products in 8 bits whose ranges are found while they run.
"""

import copy
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from fsd.data.errors import ModelError, UsageError
from fsd.export.graph_index import GraphIndex, attribute, names_read
from fsd.export.half_precision import to_half
from fsd.export.layer_inputs import WEIGHTED
from fsd.export.model_file import SERIALISED_LIMIT, proto_bytes
from fsd.export.node_choice import SMALLEST_PRODUCT, matches
from fsd.export.prepared_graph import opset_of
from fsd.export.quantizer_log import quiet_quantizer
from fsd.export.unfused_activations import separate_activations
from fsd.export.weight_rounding import PAIR_LIMIT, WEIGHT_LIMIT

HALF_MAX = float(np.finfo(np.float16).max)
BLOCK_SIZE = 32
"""Weights that share a scale in 4 bits."""


@dataclass(frozen=True)
class Variant:
    """A graph for one runtime, with notes for its metadata."""

    graph: onnx.ModelProto
    notes: dict[str, str]
    target: str = "any"
    pair_safe: bool = False


def to_half_anywhere(model: onnx.ModelProto, float_nodes: Sequence[str] = ()) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The FP16 graph and notes on it; inputs and outputs keep their types.

    Float stay: nodes that a pattern of `float_nodes` matches, operators without half precision, other domains, nodes
    that read a constant beyond its range, and branches and loops with the nodes whose results they read.

    Raises:
        UsageError: a pattern matches no node.
    """
    graph, opset = GraphIndex(model), opset_of(model)
    for pattern in float_nodes:
        if not any(matches(node.name, (pattern,)) for node in graph.nodes):
            first = ", ".join(node.name for node in graph.nodes[:5])
            raise UsageError(f"--float-nodes {pattern!r} matches no node. The first are: {first}.")
    huge = {name for name in graph.constants if graph.is_float(name) and _exceeds_half(graph.array(name))}
    holders = [node for node in graph.nodes if any(each.HasField("g") for each in node.attribute)]
    read_inside = {name for node in holders for name in names_read(node)}
    kept = {node.name for node in holders} | {
        node.name
        for node in graph.nodes
        if matches(node.name, float_nodes)
        or huge.intersection(node.input)
        or read_inside.intersection(node.output)
        or not _has_half(graph, node, opset)
    }
    half = to_half(model, lambda node: node.name in kept, is_strict=False)
    kinds = sorted({node.op_type for node in graph.nodes if node.name in kept})
    return half, {"format": "FP16", "float": ", ".join([*kinds, "inputs and outputs"])}


def to_weights8(model: onnx.ModelProto, exclude: Sequence[str] = ()) -> Variant:
    """Weights stored in 8 bits per channel and dequantized where they are read; the graph computes in float.

    ONNX Runtime 1.31 on the CPU fuses both into a product that also rounds activations to 8 bits.
    """
    graph = GraphIndex(model)
    layers = {node.input[1]: node for node in _large_layers(graph, exclude)}
    made = onnx.ModelProto()
    made.CopyFrom(_without_constants(model))
    made.graph.initializer.extend(entry for name, entry in graph.constants.items() if name not in layers)
    pairs: list[onnx.NodeProto] = []
    for name, node in layers.items():
        weights = graph.array(name)
        axis = 0 if node.op_type == "Conv" or attribute(node, "transB", 0) else weights.ndim - 1
        scale = np.abs(weights).max(axis=tuple(i for i in range(weights.ndim) if i != axis), keepdims=True)
        scale = np.where(scale > 0, scale, 1.0).astype(np.float32) / WEIGHT_LIMIT
        values = np.rint(weights / scale).astype(np.int8)
        stored, step = f"{name}_quantized", f"{name}_scale"
        made.graph.initializer.extend(
            [numpy_helper.from_array(values, stored), numpy_helper.from_array(scale.reshape(-1), step)]
        )
        pairs.append(
            helper.make_node("DequantizeLinear", [stored, step], [name], f"{name}/DequantizeLinear", axis=axis)
        )
    nodes = [*pairs, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    separate_activations(made, {node.name for node in layers.values()})
    notes = {
        "weights": f"INT8, symmetric, per channel, of {len(layers)} layers",
        "activations": "float; ONNX Runtime rounds them where it fuses",
    }
    return Variant(made, notes)


def to_weights4(model: onnx.ModelProto, exclude: Sequence[str] = ()) -> Variant:
    """Matrix products with weights stored in 4 bits, in ONNX Runtime's own operator.

    Raises:
        ModelError: the graph has no large matrix product.
    """
    made = copy.deepcopy(model)
    wrapped = ONNXModel(made)
    wrapped.replace_gemm_with_matmul()
    kept = _float_products(made, exclude)
    with quiet_quantizer():
        quantizer = MatMulNBitsQuantizer(
            made, bits=4, block_size=BLOCK_SIZE, is_symmetric=True, nodes_to_exclude=sorted(kept)
        )
        quantizer.process()
    result = quantizer.model.model
    count = sum(node.op_type == "MatMulNBits" for node in result.graph.node)
    if not count:
        raise ModelError("The graph has no matrix product for `weights4`. Leave that variant out.")
    notes = {"weights": f"INT4, symmetric, blocks of {BLOCK_SIZE}, of {count} layers", "activations": "float"}
    return Variant(result, notes, "ort-cpu")


def to_dynamic(model: onnx.ModelProto, exclude: Sequence[str] = ()) -> Variant:
    """Matrix products in 8 bits; the range of an activation is that of the tick.

    Weights have seven bits, so that no two products saturate on any processor.

    Raises:
        ModelError: the graph has no large matrix product.
    """
    kept = _float_products(model, exclude)
    products = [
        node.name
        for node in model.graph.node
        if node.op_type in ("MatMul", "Gemm") and node.name not in kept and len(node.input) > 1
    ]
    if not products:
        raise ModelError("The graph has no matrix product for `dynamic`. Leave that variant out.")
    properties = list(model.metadata_props)
    with tempfile.TemporaryDirectory(prefix="fsd-") as folder, quiet_quantizer():
        output = Path(folder, "dynamic.onnx")
        add_pre_process_metadata(model)
        try:
            quantize_dynamic(
                model,
                output,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                reduce_range=True,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=sorted(kept | {f"{name}_MatMul" for name in kept}),
                use_external_data_format=proto_bytes(model) >= SERIALISED_LIMIT,
            )
        finally:
            del model.metadata_props[:]
            model.metadata_props.extend(properties)
        made = onnx.load(output)
    del made.metadata_props[:]
    notes = {"weights": "INT8, 7 bits, per channel", "activations": "QUInt8, range of each tick"}
    return Variant(made, notes, "ort-cpu", pair_safe=_has_small_weights(made))


def _large_layers(graph: GraphIndex, exclude: Sequence[str]) -> Iterator[onnx.NodeProto]:
    """Layers with float weights that are worth storing in fewer bits, and that all read them in the same way."""
    for node in graph.nodes:
        if node.op_type not in WEIGHTED or len(node.input) < 2 or not graph.is_float(node.input[1]):
            continue
        shape = graph.dims(node.input[1])
        readers = graph.readers[node.input[1]]
        is_one_way = all(
            reader.op_type == node.op_type and attribute(reader, "transB", 0) == attribute(node, "transB", 0)
            for reader in readers
        )
        if len(shape) > 1 and np.prod(shape) >= SMALLEST_PRODUCT and is_one_way and not matches(node.name, exclude):
            yield node


def _float_products(model: onnx.ModelProto, exclude: Sequence[str]) -> set[str]:
    """Names of the matrix products that are excluded, small, or of two activations."""
    graph = GraphIndex(model)
    large = {node.name for node in _large_layers(graph, exclude) if len(graph.dims(node.input[1])) == 2}
    return {node.name for node in graph.nodes if node.op_type in ("MatMul", "Gemm") and node.name not in large}


def _without_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model without its stored tensors."""
    made = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph, source = made.graph, model.graph
    graph.name = source.name
    graph.node.extend(source.node)
    graph.input.extend(source.input)
    graph.output.extend(source.output)
    graph.value_info.extend(source.value_info)
    return made


def _exceeds_half(values: np.ndarray) -> bool:
    return bool(values.size and np.abs(values[np.isfinite(values)]).max(initial=0.0) > HALF_MAX)


def _has_half(graph: GraphIndex, node: onnx.NodeProto, opset: int) -> bool:
    """Whether an operator takes half precision wherever it takes float32."""
    if node.domain not in ("", "ai.onnx") or node.op_type in ("Resize", "GRU", "LSTM", "RNN", "ConstantOfShape"):
        return False
    try:
        schema = onnx.defs.get_schema(node.op_type, opset)
    except onnx.defs.SchemaError:
        return False
    values = zip((*node.input, *node.output), _formal(node, schema), strict=False)
    return all("tensor(float16)" in types or "tensor(float)" not in types for _, types in values)


def _formal(node: onnx.NodeProto, schema: onnx.defs.OpSchema) -> Iterator[Collection[str]]:
    """Types that an operator allows for each input and output of a node."""
    for count, parameters in ((len(node.input), schema.inputs), (len(node.output), schema.outputs)):
        for index in range(count):
            yield parameters[min(index, len(parameters) - 1)].types


def _has_small_weights(model: onnx.ModelProto) -> bool:
    """Whether no two of the stored 8-bit weights can saturate, in whatever order they are read."""
    stored = [entry for entry in model.graph.initializer if entry.data_type == TensorProto.INT8 and len(entry.dims) > 1]
    return all(np.abs(numpy_helper.to_array(each).astype(np.int16)).max() <= PAIR_LIMIT // 2 for each in stored)
