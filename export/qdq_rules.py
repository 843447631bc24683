"""Check that a file is explicit quantization as TensorRT 10 and 11 (and OpenVINO) read it, from its structure.

Needs no such runtime, so it works on any machine; it does not check accuracy or speed.

Source: NVIDIA TensorRT documentation, "Working with Quantized Types", explicit quantization: symmetric only (zero
points are zero), biases not quantized, build-time constant scales, per-channel scales for weights only.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from fsd.data.errors import ModelError

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
INTEGER_OPERATORS = ("QLinear", "ConvInteger", "MatMulInteger", "QGemm", "DynamicQuantize")


def check_qdq(model: onnx.ModelProto, origin: str) -> None:
    """Refuse a model that violates a rule.

    Raises:
        ModelError: names the first violations and the number of others.
    """
    broken = list(violations(model))
    if broken:
        more = f" (and {len(broken) - 3} more)" if len(broken) > 3 else ""
        raise ModelError(
            f"{origin} is not explicit quantization as TensorRT and OpenVINO read it: {' '.join(broken[:3])}{more} "
            "Quantize with `--target trt` or `--target openvino`."
        )


def violations(model: onnx.ModelProto) -> Iterator[str]:
    """One sentence per violated rule, in graph order."""
    graph = model.graph
    constants = {entry.name: entry for entry in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    reader = {name: node for node in graph.node for name in node.input}
    producer = {name: node for node in graph.node for name in node.output}
    results = {output.name for output in graph.output}
    for node in graph.node:
        if node.op_type.startswith(INTEGER_OPERATORS) or node.domain not in ("", "ai.onnx"):
            yield f"{_called(node)} is a runtime-specific integer operator, not a Q/DQ pair around a float operator."
        if node.op_type not in (QUANTIZE, DEQUANTIZE):
            continue
        yield from chain(_scale_rules(node, constants), _zero_point_rules(node, constants))
        if readers[node.output[0]] != 1 or node.output[0] in results:
            yield f"{_called(node)} has {readers[node.output[0]]} consumers; a Q/DQ pair has exactly one."
        if node.op_type == QUANTIZE:
            follower = reader.get(node.output[0])
            if follower is not None and follower.op_type != DEQUANTIZE:
                yield f"{_called(node)} is read by {_called(follower)}, not by a DequantizeLinear."
            elif follower is not None and not _same_numbers(node, follower, constants):
                yield f"{_called(node)} and {_called(follower)} use different scales or zero points."
        else:
            source = producer.get(node.input[0])
            stored = constants.get(node.input[0])
            if stored is not None and stored.data_type == TensorProto.INT32:
                yield f"{_called(node)} dequantizes an int32 bias; biases stay in float."
            elif stored is None and (source is None or source.op_type != QUANTIZE):
                yield f"{_called(node)} reads `{node.input[0]}`, which no QuantizeLinear made."


def _scale_rules(node: onnx.NodeProto, constants: dict[str, TensorProto]) -> Iterator[str]:
    entry = constants.get(node.input[1])
    if entry is None:
        yield f"{_called(node)} has a scale that is not a constant."
        return
    scale = numpy_helper.to_array(entry)
    if not (np.isfinite(scale) & (scale > 0)).all():
        yield f"{_called(node)} has a scale that is not a positive number."
    # Only the quantizer is checked: another rule requires its dequantizer to have the same scale.
    if scale.size > 1 and node.op_type == QUANTIZE and node.input[0] not in constants:
        yield f"{_called(node)} scales an activation per channel; only weights may be."


def _zero_point_rules(node: onnx.NodeProto, constants: dict[str, TensorProto]) -> Iterator[str]:
    if len(node.input) < 3 or not node.input[2]:
        if node.op_type == QUANTIZE:
            yield f"{_called(node)} has no zero point, so its type is uint8; int8 is expected."
        return
    entry = constants.get(node.input[2])
    if entry is None:
        yield f"{_called(node)} has a zero point that is not a constant."
        return
    if numpy_helper.to_array(entry).any():
        yield f"{_called(node)} is asymmetric: its zero point is not 0."
    if entry.data_type not in (TensorProto.INT8, TensorProto.INT32):  # int32 is reported as a bias
        yield f"{_called(node)} uses {TensorProto.DataType.Name(entry.data_type)}; INT8 is expected."


def _same_numbers(first: onnx.NodeProto, second: onnx.NodeProto, constants: dict[str, TensorProto]) -> bool:
    for mine, other in zip(first.input[1:], second.input[1:], strict=False):
        if mine != other and (
            mine not in constants
            or other not in constants
            or not np.array_equal(numpy_helper.to_array(constants[mine]), numpy_helper.to_array(constants[other]))
        ):
            return False
    return True


def _called(node: onnx.NodeProto) -> str:
    return f"{node.op_type} `{node.name or node.output[0]}`"
