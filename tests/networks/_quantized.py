"""Small INT8 models as others export them, whose 8-bit sums saturate where pairs are added in 16 bits."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TERMS = 64
LARGEST_SUM = 255 * 127 * TERMS


def quantized_model(layers: int = 1, of_results: bool = False, operator: str = "MatMul") -> bytes:
    """y (1, 8): the largest possible sum where `activations` (1, 64) uint8 are all 255.

    Args:
        layers: that share their weights' scale and zero point; y is the largest of their results.
        of_results: the second factor is an int8 result, as between queries and keys, and not stored weights.
        operator: `MatMul` between Q/DQ pairs, or `MatMulInteger`.
    """
    weights = np.full((TERMS, 8), 127, np.int8)
    stored: dict[str, np.ndarray] = {
        "one": np.array(1, np.float32),
        "zero_u8": np.array(0, np.uint8),
        "zero_s8": np.array(0, np.int8),
    }
    nodes: list[Any] = []

    def add(operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"t{len(nodes)}"
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    results = []
    for layer in range(layers):
        stored[f"w{layer}"] = weights.astype(np.float32) if of_results else weights
        factor = f"w{layer}"
        if of_results:  # not a constant for the optimiser: it depends on an input
            factor = add("QuantizeLinear", add("Mul", factor, "gain"), "one", "zero_s8")
        if operator == "MatMulInteger":
            results.append(add("Cast", add("MatMulInteger", "activations", factor), to=TensorProto.FLOAT))
        else:
            first = add("DequantizeLinear", "activations", "one", "zero_u8")
            results.append(add("MatMul", first, add("DequantizeLinear", factor, "one", "zero_s8")))
    nodes.append(helper.make_node("Max", results, ["y"]))
    inputs = [helper.make_tensor_value_info("activations", TensorProto.UINT8, (1, TERMS))]
    if of_results:
        inputs.append(helper.make_tensor_value_info("gain", TensorProto.FLOAT, (1,)))
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8))]
    constants = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    graph = helper.make_graph(nodes, "quantized", inputs, outputs, constants)
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    content: bytes = onnx.ModelProto.SerializeToString(model)
    return content


def largest_feeds(of_results: bool = False) -> dict[str, np.ndarray]:
    """Inputs of the largest sum."""
    feeds: dict[str, np.ndarray] = {"activations": np.full((1, TERMS), 255, np.uint8)}
    return feeds | ({"gain": np.ones(1, np.float32)} if of_results else {})
