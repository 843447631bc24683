from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration
from fsd.export.network_nodes import quantized_nodes
from fsd.export.qdq_rules import check_qdq, violations
from fsd.export.quantize import quantize
from fsd.export.recipes import RECIPES

Change = Callable[[onnx.GraphProto], object]


def convolution() -> onnx.ModelProto:
    """One convolution as TensorRT wants it: activation and weight behind a Q/DQ pair each, the bias in float."""
    constants = {
        "scale": np.float32(0.1),
        "zero": np.int8(0),
        "weight": np.ones((2, 1, 1, 1), np.float32),
        "weight_scale": np.full(2, 0.01, np.float32),
        "weight_zero": np.zeros(2, np.int8),
        "bias": np.zeros(2, np.float32),
    }
    pairs = {"x": ("scale", "zero"), "weight": ("weight_scale", "weight_zero")}
    nodes = []
    for name, numbers in pairs.items():
        axis = {"axis": 0} if name == "weight" else {}
        nodes.append(helper.make_node("QuantizeLinear", [name, *numbers], [f"{name}_q"], f"{name}/Q", **axis))
        nodes.append(
            helper.make_node("DequantizeLinear", [f"{name}_q", *numbers], [f"{name}_dq"], f"{name}/DQ", **axis)
        )
    nodes.append(helper.make_node("Conv", ["x_dq", "weight_dq", "bias"], ["y"], "conv"))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 4, 4])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def put(graph: onnx.GraphProto, name: str, value: np.generic | np.ndarray) -> None:
    entry = next(entry for entry in graph.initializer if entry.name == name)
    entry.CopyFrom(numpy_helper.from_array(np.asarray(value), name))


def read_twice(graph: onnx.GraphProto) -> None:
    graph.node.append(helper.make_node("Relu", ["x_dq"], ["z"], "relu"))


def int32_bias(graph: onnx.GraphProto) -> None:
    put(graph, "bias", np.zeros(2, np.int32))
    graph.node.insert(0, helper.make_node("DequantizeLinear", ["bias", "scale"], ["bias_dq"], "bias/DQ"))
    graph.node[-1].input[2] = "bias_dq"


def unpaired(graph: onnx.GraphProto) -> None:
    graph.node.insert(1, helper.make_node("Identity", ["x_q"], ["x_same"], "identity"))
    graph.node[2].input[0] = "x_same"


def per_channel_activation(graph: onnx.GraphProto) -> None:
    for node in graph.node[:2]:
        node.input[1:] = ["weight_scale", "weight_zero"]


def other_scale(graph: onnx.GraphProto) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array(0.2, np.float32), "other"))
    graph.node[1].input[1] = "other"


def no_zero_point(graph: onnx.GraphProto) -> None:
    del graph.node[0].input[2]


def runtime_operator(graph: onnx.GraphProto) -> None:
    graph.node[-1].op_type = "QLinearConv"


def scale_from_the_graph(graph: onnx.GraphProto) -> None:
    graph.node[0].input[1] = "x"


def test_a_symmetric_graph_with_pairs_of_its_own_breaks_no_rule() -> None:
    model = convolution()
    onnx.checker.check_model(model)
    assert list(violations(model)) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda graph: put(graph, "zero", np.int8(3)), "asymmetric"),
        (lambda graph: put(graph, "zero", np.uint8(0)), "UINT8"),
        (lambda graph: put(graph, "scale", np.float32(0)), "positive"),
        (lambda graph: put(graph, "scale", np.float32("nan")), "positive"),
        (int32_bias, "`bias/DQ`"),
        (read_twice, "`x/DQ` has 2"),
        (unpaired, "`identity`"),
        (per_channel_activation, "per channel"),
        (other_scale, "different scales"),
        (no_zero_point, "no zero point"),
        (runtime_operator, "integer operator"),
        (scale_from_the_graph, "not a constant"),
    ],
)
def test_each_broken_rule_is_named_with_its_node(change: Change, message: str) -> None:
    model = convolution()
    change(model.graph)
    assert any(message in sentence for sentence in violations(model))
    with pytest.raises(ModelError, match="--target trt"):
        check_qdq(model, "model.onnx")


@pytest.mark.parametrize("target", ["openvino", "trt"])
def test_the_accelerators_recipes_keep_every_rule(
    fp32_model: onnx.ModelProto, calibration: Calibration, target: str
) -> None:
    model = quantize(fp32_model, quantized_nodes(fp32_model), calibration, RECIPES[target])
    assert list(violations(model)) == []
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph.node) > 20


def test_onnx_runtimes_own_form_is_detected(int8_model: onnx.ModelProto) -> None:
    with pytest.raises(ModelError, match="int32 bias"):
        check_qdq(int8_model, "int8.onnx")
