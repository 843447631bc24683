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
from fsd.export.layer_inputs import InputMoments, weight_rows, weights_of_rows
from fsd.export.weight_rounding import round_weights, violating_pairs

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
    rounded = round_weights(rows, moments.covariance if has_bias else moments.second_moments)
    difference = rows - rounded.values * rounded.scale[:, None].astype(np.float64)
    shift = difference @ moments.mean if has_bias else np.zeros(len(rows))
    return RoundedLayer(rounded.values, rounded.scale, shift.astype(np.float32))


def use_rounded(quantized: onnx.ModelProto, model: onnx.ModelProto, layers: Mapping[str, RoundedLayer]) -> None:
    """Replace the weights, scales and biases of a quantized model, in place.

    Args:
        model: the float model; layers: by the name of their weights there.

    Raises:
        ModelError: a layer is missing.
    """
    floats = {entry.name: entry for entry in model.graph.initializer}
    graph = _Graph(quantized)
    for dequantizer, node in graph.weight_layers():
        stored = dequantizer.input[0]
        layer = layers.get(stored.removesuffix(_STORED))
        if layer is None:
            raise ModelError(
                f"The calibration lacks the weights of {stored}. Calibrate again: leave `--calibration` out."
            )
        graph.replace(stored, weights_of_rows(node, layer.values, graph.array(stored).shape))
        graph.replace(dequantizer.input[1], layer.scale)
        bias = graph.bias_dequantizer(node)
        if bias is not None:
            exact = numpy_helper.to_array(floats[bias.input[0].removesuffix(_STORED)]) + layer.bias_shift
            scale = layer.scale * graph.input_scale(node)
            graph.replace(bias.input[0], np.rint(exact / scale).astype(np.int32))
            graph.replace(bias.input[1], scale.astype(np.float32))


def saturating_pairs(quantized: onnx.ModelProto) -> int:
    """Pairs of weights of an INT8 model whose products saturate for some activations, where 16 bits are added."""
    graph = _Graph(quantized)
    return sum(
        violating_pairs(weight_rows(node, graph.array(dequantizer.input[0])))
        for dequantizer, node in graph.weight_layers()
    )


class _Graph:
    """A quantized graph, by the names of its tensors."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._nodes = model.graph.node
        self._constants = {entry.name: entry for entry in model.graph.initializer}
        self._producer = {output: node for node in model.graph.node for output in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def array(self, name: str) -> np.ndarray:
        return numpy_helper.to_array(self._constants[name])

    def weight_layers(self) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
        """Every dequantizer of stored int8 weights, and the layer that reads them."""
        for node in self._nodes:
            stored = self._constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
            if stored is not None and stored.data_type == onnx.TensorProto.INT8 and len(stored.dims) > 1:
                yield node, self._readers[node.output[0]][0]

    def bias_dequantizer(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        if len(node.input) < 3:
            return None
        return self._producer[node.input[2]]

    def input_scale(self, node: onnx.NodeProto) -> np.ndarray:
        return self.array(self._producer[node.input[0]].input[1])

    def replace(self, name: str, values: np.ndarray) -> None:
        before = self.array(name)
        assert (before.dtype, before.shape) == (values.dtype, values.shape), name
        self._constants[name].CopyFrom(numpy_helper.from_array(values, name))
