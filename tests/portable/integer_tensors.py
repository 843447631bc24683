"""The 8-bit tensors inside an INT8 file as outputs, and which of them follow from the images by integer sums alone."""

import onnx

IMAGES = ("retina", "retina_outer", "patches")
_SUMS = ("Conv", "Gemm", "MatMul")
_EXACT = ("QuantizeLinear", "DequantizeLinear", "Relu", "Reshape", "Transpose", "Flatten", "Slice", "Concat")
"""Operators between 8-bit tensors that have no float sum: an Add of two scaled tensors rounds in float."""


def with_integer_tensors(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that also outputs every 8-bit tensor."""
    wider = onnx.ModelProto()
    wider.CopyFrom(model)
    unsigned = onnx.TensorProto.UINT8
    wider.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, unsigned, None) for name in integer_tensors(model)
    )
    return wider


def integer_tensors(model: onnx.ModelProto) -> list[str]:
    """Results of every QuantizeLinear, in graph order."""
    return [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]


def exact_tensors(model: onnx.ModelProto, additions: bool = False) -> list[str]:
    """Those before the first float operator: what leads to them is the images, constants and integer sums.

    Args:
        additions: also those behind additions of two tensors, which are within few steps on every processor.
    """
    kept = {*_EXACT, "Add"} if additions else _EXACT
    stored = {entry.name for entry in model.graph.initializer}
    dequantized = {
        node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in stored
    }
    exact = set(IMAGES)
    for node in model.graph.node:
        sources = [name for name in node.input if name and name not in stored and name not in dequantized]
        is_quantized_sum = node.op_type in _SUMS and node.input[1] in dequantized
        if sources and exact.issuperset(sources) and (is_quantized_sum or node.op_type in kept):
            exact.update(node.output)
    return [name for name in integer_tensors(model) if name in exact]
