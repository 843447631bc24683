"""Keep ONNX Runtime from fusing a quantized matrix product with the float activation after it.

ONNX Runtime 1.31 fuses Gemm with an activation before it looks for integer products. The product is then computed in
float, and its weights are dequantized at every tick: three layers of 4096 x 4096 took 34 ms instead of 4 ms (FP32: 12).
"""

from collections.abc import Collection

import onnx

from fsd.export.graph_index import GraphIndex

FUSED = (
    "Relu",
    "Sigmoid",
    "Tanh",
    "LeakyRelu",
    "Elu",
    "Selu",
    "Softplus",
    "Softsign",
    "HardSigmoid",
    "ThresholdedRelu",
)
"""Activations that ONNX Runtime fuses with Gemm."""


def separate_activations(model: onnx.ModelProto, nodes: Collection[str]) -> None:
    """Put a Max of one number, which changes nothing, between every Gemm of `nodes` and such an activation, in place.

    Activations whose result is quantized become part of the integer product, and stay.
    """
    graph, chosen = GraphIndex(model), set(nodes)
    separated: dict[str, onnx.NodeProto] = {}
    for node in graph.nodes:
        readers = graph.readers.get(node.output[0], []) if node.op_type == "Gemm" and node.name in chosen else []
        if len(readers) != 1 or readers[0].op_type not in FUSED or node.output[0] in graph.results:
            continue
        activation = readers[0]
        following = graph.readers.get(activation.output[0], [])
        if activation.op_type == "Relu" and following and all(each.op_type == "QuantizeLinear" for each in following):
            continue
        name = f"{node.output[0]}_separated"
        separated[node.name] = onnx.helper.make_node("Max", [node.output[0]], [name], f"{node.name}/Max")
        activation.input[0] = name
    if separated:
        copied = []
        for node in model.graph.node:
            copied += [node, *([separated[node.name]] if node.name in separated else [])]
        copied = [onnx.NodeProto.FromString(node.SerializeToString()) for node in copied]
        del model.graph.node[:]
        model.graph.node.extend(copied)
