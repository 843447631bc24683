"""FP32 ONNX to INT8 QDQ, by a recipe per runtime.

Quantized: the convolutions with their residual sums, and the matrices of the linear layers inside the transformer.
Float: Softmax and the products around it (two silent traps of ONNX Runtime), LayerNorm, the token geometry, the
memory, and every head, where an error would be metres. The bytes of the pictures enter the first convolution as they
are: (pixel - 128) / 64 is itself a DequantizeLinear.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.calibrate import TensorData, TensorsData, save_tensors_data
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration
from fsd.networks.encoders import PIXEL_MEAN, PIXEL_SCALE

TRUNKS = ("retina", "patch")
TRANSFORMER = ("joint", "recall", "look")
FLOAT_LAYERS = ("recall.pose_",)
"""Inside those, but kept in float: the memory's geometry, six numbers of very different size."""


@dataclass(frozen=True)
class Recipe:
    """How one runtime wants its INT8.

    Attributes:
        target: the runtime's name, as in `--target`.
        activation_type, weight_type: ONNX Runtime's names of the integer types.
        symmetric_activations: zero point fixed at the middle.
    """

    target: str
    activation_type: QuantType
    weight_type: QuantType
    symmetric_activations: bool

    def summary(self) -> dict[str, str]:
        """For the metadata."""
        symmetry = "symmetric" if self.symmetric_activations else "asymmetric"
        return {
            "format": "QDQ",
            "activations": f"{self.activation_type.name}, {symmetry}, per tensor",
            "weights": f"{self.weight_type.name}, per channel",
            "float": "Softmax, attention products, LayerNorm, token and memory geometry, memory, heads",
        }


RECIPES = {"ort-cpu": Recipe("ort-cpu", QuantType.QUInt8, QuantType.QInt8, symmetric_activations=False)}


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
        raise ModelError("The graph has no layer to quantize: its nodes are not named after the network's modules.")
    return chosen


def activations_of(model: onnx.ModelProto, nodes: Iterable[str]) -> list[str]:
    """Float tensors that flow in and out of these nodes: what has to be calibrated."""
    constants = {initializer.name for initializer in model.graph.initializer}
    wanted = set(nodes)
    names: dict[str, None] = {}
    for node in model.graph.node:
        if node.name in wanted:
            names.update(dict.fromkeys(name for name in (*node.input, *node.output) if name and name not in constants))
    return list(names)


def quantize(model: onnx.ModelProto, calibration: Calibration, recipe: Recipe) -> onnx.ModelProto:
    """The INT8 model for one runtime.

    Raises:
        ModelError: the calibration was made for another graph.
    """
    nodes = quantized_nodes(model)
    missing = [name for name in activations_of(model, nodes) if name not in calibration.ranges]
    if missing:
        raise ModelError(
            f"The calibration lacks {len(missing)} tensors of this graph (first: {missing[0]}). Calibrate this model."
        )
    ranges = TensorsData(
        CalibrationMethod.MinMax,
        {
            name: TensorData(lowest=np.float32(low), highest=np.float32(high))
            for name, (low, high) in calibration.ranges.items()
        },
    )
    source = onnx.ModelProto()
    source.CopyFrom(model)
    add_pre_process_metadata(source)  # the exporter inferred its shapes already; without this mark ORT warns
    with tempfile.TemporaryDirectory() as folder:
        cache, output = Path(folder, "ranges.json"), Path(folder, "int8.onnx")
        save_tensors_data(ranges, cache)
        quantize_static(
            source,
            output,
            None,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=recipe.activation_type,
            weight_type=recipe.weight_type,
            nodes_to_quantize=nodes,
            op_types_to_quantize=["Conv", "Gemm", "MatMul", "Add", "Relu"],
            extra_options={
                "ActivationSymmetric": recipe.symmetric_activations,
                # Float sums after integer products: exact residuals into LayerNorm, at no cost in ONNX Runtime.
                "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
            },
            calibration_cache_path=cache,
        )
        quantized = onnx.load(output)
    _feed_bytes(quantized)
    quantized.producer_name, quantized.producer_version = "fsd", ""
    del quantized.metadata_props[:]
    onnx.checker.check_model(quantized, full_check=True)
    return quantized


def _feed_bytes(model: onnx.ModelProto) -> None:
    """Let the first convolution of each trunk dequantize the picture's own bytes.

    Cast -> Sub -> Mul -> QuantizeLinear -> DequantizeLinear becomes one DequantizeLinear with the scale and zero
    point that those say, which is exact; otherwise the first convolution runs in float (2x slower).

    Raises:
        ModelError: the pattern is not there, so the file would be slow without a warning.
    """
    graph = model.graph
    producer = {output: node for node in graph.node for output in node.output}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    scale, zero_point = "pixel_scale", "pixel_zero_point"
    found = 0
    for quantizer in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        chain = [quantizer]
        while chain[-1].input and chain[-1].input[0] in producer:
            chain.append(producer[chain[-1].input[0]])
            if chain[-1].op_type == "Cast":
                break
        if [node.op_type for node in chain] != ["QuantizeLinear", "Mul", "Sub", "Cast"]:
            continue
        for dequantizer in consumers[quantizer.output[0]]:
            dequantizer.input[:] = [chain[-1].input[0], scale, zero_point]
        for node in chain:
            graph.node.remove(node)
        found += 1
    if found != len(TRUNKS):
        raise ModelError(f"Expected {len(TRUNKS)} pictures scaled as (pixel - mean) * scale, found {found}.")
    graph.initializer.append(numpy_helper.from_array(np.array(PIXEL_SCALE, np.float32), scale))
    graph.initializer.append(numpy_helper.from_array(np.array(PIXEL_MEAN, np.uint8), zero_point))
    used = {name for node in graph.node for name in node.input}
    for initializer in [entry for entry in graph.initializer if entry.name not in used]:
        graph.initializer.remove(initializer)
