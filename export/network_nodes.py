"""Which nodes of our own network are quantized: by the names of its modules, which `export_onnx` gave the nodes.

Quantized: the convolutions of the trunks with their residual sums, and the linear layers inside the transformer. Float:
Softmax and the products around it, LayerNorm, the token geometry, the memory, and every head, also those of one
convolution that read saliency from feature maps.
"""

import onnx

from fsd.data.errors import ModelError
from fsd.export.node_choice import layers_of

TRUNKS = ("retina", "retina_outer", "horizon", "patch")
TRANSFORMER = ("joint_blocks", "memory_attention", "cross_attention")
FLOAT_LAYERS = ("memory_attention.pose_",)
"""Exceptions, kept in float: the memory's geometry, six numbers of very different magnitude."""


NOTES = {
    "smoothing": "of channels that linear layers read from a LayerNorm (SmoothQuant)",
    "float": "Softmax, attention products, LayerNorm, token and memory geometry, memory, heads",
}
"""For the metadata of a quantized file."""


def quantized_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes to quantize.

    Raises:
        ModelError: the nodes lack the names of the network's modules.
    """
    constants = {initializer.name for initializer in model.graph.initializer}
    chosen = []
    for node in model.graph.node:
        module = node.name.rpartition("/")[0]
        family = module.partition(".")[0]
        if module.startswith(FLOAT_LAYERS):
            continue
        is_product = node.op_type in ("Gemm", "MatMul")
        # Other products inside a trunk resample a map by constant matrices.
        of_trunk = family in TRUNKS and (
            (is_product and module.endswith(".to_token")) or node.op_type in ("Conv", "Add", "Relu")
        )
        of_transformer = family in TRANSFORMER and (
            (is_product and node.input[1] in constants) or node.op_type == "Relu"
        )
        if of_trunk or of_transformer:
            chosen.append(node.name)
    if not chosen:
        raise ModelError("The graph has no layer to quantize: its nodes lack the names of the network's modules.")
    return chosen


def transformer_layers(model: onnx.ModelProto) -> list[str]:
    """Names of `layers_of` inside the transformer: what float operators lead to."""
    return [layer for layer in layers_of(model, quantized_nodes(model)) if layer.startswith(TRANSFORMER)]
