"""Quantize FP32 ONNX to INT8 QDQ, with one recipe per runtime.

Quantized: the convolutions with their residual sums, and the linear layers inside the transformer. Float: Softmax and
the products around it (their INT8 forms in ONNX Runtime are wrong without a warning), LayerNorm, the token geometry,
the memory, and every head, where errors would be metres.
"""

import copy
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.calibrate import TensorData, TensorsData, save_tensors_data
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration
from fsd.export.pair_safe import use_rounded
from fsd.export.pixel_bytes import BYTE_RANGE, feed_bytes, images_into, round_no_pixel
from fsd.export.qdq_rules import check_qdq
from fsd.export.recipes import Recipe
from fsd.networks.network_cost import Tensor, operator_cost

TRUNKS = ("retina", "patch")
TRANSFORMER = ("joint_blocks", "memory_attention", "cross_attention")
FLOAT_LAYERS = ("memory_attention.pose_",)
"""Exceptions, kept in float: the memory's geometry, six numbers of very different magnitude."""


def quantized_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes to quantize; needs the module names that `export_onnx` gave them."""
    constants = {initializer.name for initializer in model.graph.initializer}
    chosen = []
    for node in model.graph.node:
        module = node.name.rpartition("/")[0]
        family = module.partition(".")[0]
        if module.startswith(FLOAT_LAYERS):
            continue
        of_trunk = family in TRUNKS and node.op_type in ("Conv", "Gemm", "MatMul", "Add", "Relu")
        of_transformer = family in TRANSFORMER and (
            (node.op_type in ("Gemm", "MatMul") and node.input[1] in constants) or node.op_type == "Relu"
        )
        if of_trunk or of_transformer:
            chosen.append(node.name)
    if not chosen:
        raise ModelError("The graph has no layer to quantize: its nodes lack the names of the network's modules.")
    return chosen


def activations_of(model: onnx.ModelProto, nodes: Iterable[str]) -> list[str]:
    """Float inputs and outputs of these nodes: the tensors to calibrate."""
    constants = {initializer.name for initializer in model.graph.initializer}
    wanted = set(nodes)
    names: dict[str, None] = {}
    for node in model.graph.node:
        if node.name in wanted:
            names.update(dict.fromkeys(name for name in (*node.input, *node.output) if name and name not in constants))
    return list(names)


def layers_of(model: onnx.ModelProto) -> dict[str, list[str]]:
    """Layer -> names of its nodes: a layer is a module with weights, and the sums and ReLUs that follow it.

    Named as the network's modules; a convolution has the name of the BatchNorm that was folded into it.
    """
    chosen = set(quantized_nodes(model))
    constants = {initializer.name for initializer in model.graph.initializer}
    layer_of_tensor: dict[str, str] = {}
    layers: dict[str, list[str]] = {}
    for node in model.graph.node:
        # A residual sum belongs to the convolution that feeds it last.
        sources = [layer_of_tensor[name] for name in node.input if name in layer_of_tensor]
        has_weights = len(node.input) > 1 and node.input[1] in constants
        layer = sources[-1] if sources else node.name.rpartition("/")[0]
        if node.name in chosen:
            layer = node.name.rpartition("/")[0] if has_weights else layer
            layers.setdefault(layer, []).append(node.name)
        layer_of_tensor.update(dict.fromkeys(node.output, layer))
    return layers


def transformer_layers(model: onnx.ModelProto) -> list[str]:
    """Names of `layers_of` inside the transformer: what float operators lead to."""
    return [layer for layer in layers_of(model) if layer.startswith(TRANSFORMER)]


def macs_of(model: onnx.ModelProto) -> dict[str, int]:
    """Layer of `layers_of` -> multiply-accumulates with its weights per tick."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.value_info, *graph.output)
    shapes = {each.name: tuple(axis.dim_value for axis in each.type.tensor_type.shape.dim) for each in values}
    shapes |= {constant.name: tuple(constant.dims) for constant in graph.initializer}
    layers = {node: layer for layer, nodes in layers_of(model).items() for node in nodes}
    macs = dict.fromkeys(layers.values(), 0)
    for node in graph.node:
        if node.name in layers:
            inputs, outputs = ([Tensor("float", shapes[name]) for name in names] for names in (node.input, node.output))
            macs[layers[node.name]] += operator_cost(node.name, node.op_type, inputs, outputs).macs
    return macs


def quantize(
    model: onnx.ModelProto, calibration: Calibration, recipe: Recipe, keep_float: Collection[str] = ()
) -> onnx.ModelProto:
    """The INT8 model for one runtime; the layers in `keep_float` (names of `layers_of`) stay in float.

    Raises:
        ModelError: the calibration was made for another graph.
    """
    layers = layers_of(model)
    kept = {node for layer in keep_float for node in layers[layer]}
    nodes = [node for node in quantized_nodes(model) if node not in kept]
    images = images_into(model, nodes)
    missing = [name for name in activations_of(model, nodes) if name not in calibration.ranges]
    if missing:
        raise ModelError(
            f"The calibration lacks {len(missing)} tensors of this graph (first: {missing[0]}). Calibrate again: leave "
            "`--calibration` out."
        )
    measured = dict(calibration.ranges)
    if not recipe.symmetric:
        # Biases use their input's scale; a bias with another scale keeps the convolution in float.
        measured |= dict.fromkeys(images, BYTE_RANGE)
    ranges = TensorsData(
        CalibrationMethod.MinMax,
        {name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in measured.items()},
    )
    source = copy.deepcopy(model)
    add_pre_process_metadata(source)  # shapes are already inferred; without this mark ONNX Runtime warns
    with tempfile.TemporaryDirectory() as folder:
        cache, output = Path(folder, "ranges.json"), Path(folder, "int8.onnx")
        save_tensors_data(ranges, cache)
        quantize_static(
            source,
            output,
            None,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType[recipe.activation_type],
            weight_type=QuantType[recipe.weight_type],
            nodes_to_quantize=nodes,
            op_types_to_quantize=["Conv", "Gemm", "MatMul", "Add", "Relu"],
            extra_options=recipe.quantizer_options(),
            calibration_cache_path=cache,
        )
        quantized = onnx.load(output)
    if recipe.symmetric:
        round_no_pixel(quantized, len(images))
    else:
        feed_bytes(quantized, len(images))
        use_rounded(quantized, model, calibration.layers)
    quantized.producer_name, quantized.producer_version = "fsd", ""
    del quantized.metadata_props[:]
    onnx.checker.check_model(quantized, full_check=True)
    if recipe.symmetric:
        check_qdq(quantized, f"The INT8 graph for {recipe.target}")
    return quantized
