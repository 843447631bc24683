"""Quantize FP32 ONNX to INT8 QDQ, with one recipe per runtime.

Which nodes are quantized is chosen by `node_choice.py` for any graph, and by `network_nodes.py` for our own network.
"""

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.calibrate import TensorData, TensorsData, save_tensors_data
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration
from fsd.export.graph_index import GraphIndex
from fsd.export.layer_inputs import has_known_rows, weighted_layers
from fsd.export.model_file import SERIALISED_LIMIT, proto_bytes
from fsd.export.node_choice import QUANTIZED, activations_of, layers_of
from fsd.export.pair_safe import use_rounded
from fsd.export.pixel_bytes import BYTE_RANGE, feed_bytes, images_into, round_no_pixel
from fsd.export.qdq_rules import check_qdq
from fsd.export.quantizer_log import quiet_quantizer
from fsd.export.recipes import Recipe
from fsd.export.unfused_activations import separate_activations


def quantize(
    model: onnx.ModelProto,
    nodes: Sequence[str],
    calibration: Calibration,
    recipe: Recipe,
    keep_float: Collection[str] = (),
) -> onnx.ModelProto:
    """The INT8 model for one runtime, with these nodes quantized; the layers in `keep_float` (names of `layers_of`)
    stay in float.

    Raises:
        ModelError: the calibration was made for another graph.
    """
    layers = layers_of(model, nodes)
    kept = {node for layer in keep_float for node in layers[layer]}
    nodes = [node for node in nodes if node not in kept]
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
    rows_are_known = _rows_are_known(model, nodes)
    properties = list(model.metadata_props)
    with tempfile.TemporaryDirectory(prefix="fsd-") as folder, quiet_quantizer():
        cache, output = Path(folder, "ranges.json"), Path(folder, "int8.onnx")
        save_tensors_data(ranges, cache)
        add_pre_process_metadata(model)  # shapes are already inferred; without this mark ONNX Runtime warns
        try:
            quantize_static(
                model,
                output,
                None,
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                # Seven bits cannot saturate in any order of the weights.
                reduce_range=not recipe.symmetric and not rows_are_known,
                activation_type=QuantType[recipe.activation_type],
                weight_type=QuantType[recipe.weight_type],
                nodes_to_quantize=nodes,
                op_types_to_quantize=list(QUANTIZED),
                use_external_data_format=proto_bytes(model) >= SERIALISED_LIMIT,
                extra_options=recipe.quantizer_options(),
                calibration_cache_path=cache,
            )
        finally:
            del model.metadata_props[:]
            model.metadata_props.extend(properties)
        quantized = onnx.load(output)
    _spare_float_readers(quantized, nodes)
    if images and recipe.symmetric:
        round_no_pixel(quantized, len(images))
    elif images:
        feed_bytes(quantized, len(images))
    if not recipe.symmetric:
        use_rounded(quantized, model, calibration.layers)
        separate_activations(quantized, nodes)
    quantized.producer_name, quantized.producer_version = "fsd", ""
    del quantized.metadata_props[:]
    if proto_bytes(quantized) < SERIALISED_LIMIT:
        onnx.checker.check_model(quantized)
    if recipe.symmetric:
        check_qdq(quantized, f"The INT8 graph for {recipe.target}")
    return quantized


def _spare_float_readers(quantized: onnx.ModelProto, nodes: Collection[str]) -> None:
    """Let float nodes read what was not rounded, in place.

    ONNX Runtime's quantizer rounds a tensor for all its readers. A recurrent state, for example, is read by a quantized
    product and by its own float update, where the error of one tick would be carried to the next. Results of 8-bit
    operators exist only in 8 bits.
    """
    graph, chosen = GraphIndex(quantized), set(nodes)
    in_bytes = {node.name for node in graph.nodes if node.name in chosen and node.op_type not in ("Gemm", "MatMul")}
    for dequantizer in graph.nodes:
        quantizer = graph.producer.get(dequantizer.input[0])
        if dequantizer.op_type != "DequantizeLinear" or quantizer is None or quantizer.op_type != "QuantizeLinear":
            continue
        source = graph.producer.get(quantizer.input[0])
        if source is not None and (source.op_type == "DequantizeLinear" or source.name in in_bytes):
            continue
        for reader in graph.readers.get(dequantizer.output[0], []):
            if reader.name not in chosen and reader.op_type not in ("QuantizeLinear", "DequantizeLinear"):
                for index, name in enumerate(reader.input):
                    if name == dequantizer.output[0]:
                        reader.input[index] = quantizer.input[0]


def _rows_are_known(model: onnx.ModelProto, nodes: Collection[str]) -> bool:
    """Whether the weights of all layers can be rounded by `pair_safe`."""
    graph = GraphIndex(model)
    return all(has_known_rows(readers, graph.dims(name)) for name, readers in weighted_layers(model, nodes).items())
