"""Make the integer sums of an INT8 model the same on every processor, by weights whose products cannot saturate.

Weights, their scales and biases of a quantized model are replaced by those of `weight_rounding`; the graph stays as it
is, and so does its speed. Only for unsigned activations: signed ones are added otherwise.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from fsd.data.errors import ModelError
from fsd.export.graph_index import GraphIndex
from fsd.export.layer_inputs import WEIGHTED, InputMoments, has_known_rows, weight_rows, weights_of_rows
from fsd.export.weight_rounding import PAIR_LIMIT, round_weights, round_weights_alone, violating_pairs

_STORED = "_quantized"
"""What ONNX Runtime's quantizer adds to the name of a constant."""


@dataclass(frozen=True, eq=False)
class RoundedLayer:
    """A layer's weights for any mix of quantized layers.

    Attributes:
        values: (O, K) int8, in the order of `layer_inputs`; scale: (O,) float32, of a step.
        bias_shift: (O,) float32, to add to the float bias: the mean error of the rounding.
    """

    values: np.ndarray
    scale: np.ndarray
    bias_shift: np.ndarray


def round_layer(rows: np.ndarray, moments: InputMoments, has_bias: bool) -> RoundedLayer:
    """Round (O, K) weights; a bias makes up for the mean error exactly, so that only deviations from the mean count."""
    groups = len(moments.mean)
    weighting = moments.covariance if has_bias else moments.second_moments
    rounding = round_weights if weighting.ndim == 3 else round_weights_alone
    parts = [rounding(part, of_group) for part, of_group in zip(np.array_split(rows, groups), weighting, strict=True)]
    values = np.concatenate([part.values for part in parts])
    scale = np.concatenate([part.scale for part in parts])
    shift = np.zeros(len(rows))
    if has_bias:
        difference = rows - values * scale[:, None].astype(np.float64)
        means = zip(np.array_split(difference, groups), moments.mean, strict=True)
        shift = np.concatenate([part @ mean for part, mean in means])
    return RoundedLayer(values, scale, shift.astype(np.float32))


def use_rounded(quantized: onnx.ModelProto, model: onnx.ModelProto, layers: Mapping[str, RoundedLayer]) -> None:
    """Replace the weights, scales and biases of a quantized model, in place.

    Layers whose order of weights is not known keep what ONNX Runtime made of them.

    Args:
        model: the float model; layers: by the name of their weights there.

    Raises:
        ModelError: a layer is missing.
    """
    floats = GraphIndex(model)
    bias_of = {node.name: node.input[2] for node in floats.nodes if node.op_type in WEIGHTED and len(node.input) > 2}
    graph = GraphIndex(quantized)
    for dequantizer, readers in _weight_layers(graph):
        stored = dequantizer.input[0]
        shape = graph.dims(stored)
        layer = layers.get(stored.removesuffix(_STORED))
        if layer is None:
            if not has_known_rows(readers, shape):
                continue
            raise ModelError(
                f"The calibration lacks the weights of {stored}. Calibrate again: leave `--calibration` out."
            )
        _replace(graph, stored, weights_of_rows(readers[0], layer.values, shape))
        _replace(graph, dequantizer.input[1], layer.scale)
        for node in readers:
            bias = graph.producer.get(node.input[2]) if len(node.input) > 2 else None
            if bias is None or bias.op_type != "DequantizeLinear":
                continue
            exact = floats.array(bias_of[node.name]) + layer.bias_shift
            scale = layer.scale * graph.array(graph.producer[node.input[0]].input[1])
            _replace(graph, bias.input[0], np.rint(exact / scale).astype(np.int32))
            _replace(graph, bias.input[1], scale.astype(np.float32))


def saturating_pairs(quantized: onnx.ModelProto) -> int:
    """Pairs of weights of an INT8 model whose products saturate for some activations, where 16 bits are added.

    Where the order of the weights is not known, every weight counts that is too large beside one of its size.
    """
    graph = GraphIndex(quantized)
    found = 0
    for dequantizer, readers in _weight_layers(graph):
        values = graph.array(dequantizer.input[0])
        if has_known_rows(readers, values.shape):
            found += violating_pairs(weight_rows(readers[0], values))
        else:
            found += int((np.abs(values.astype(np.int16)) > PAIR_LIMIT // 2).sum())
    return found


def _weight_layers(graph: GraphIndex) -> Iterator[tuple[onnx.NodeProto, list[onnx.NodeProto]]]:
    """Every dequantizer of stored int8 weights, and the layers that read them."""
    for node in graph.nodes:
        stored = graph.constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if stored is not None and stored.data_type == onnx.TensorProto.INT8 and len(stored.dims) > 1:
            yield node, graph.readers[node.output[0]]


def _replace(graph: GraphIndex, name: str, values: np.ndarray) -> None:
    before = graph.constants[name]
    kind = onnx.helper.tensor_dtype_to_np_dtype(before.data_type)
    assert (kind, tuple(before.dims)) == (values.dtype, values.shape), name
    before.CopyFrom(numpy_helper.from_array(values, name))
