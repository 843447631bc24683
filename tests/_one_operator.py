"""ONNX models of one float operator, for tests that need a model that is not ours."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def one_operator_model(
    operator: str, x_shape: tuple[int, ...], weights: np.ndarray, y_shape: tuple[int, ...], **attributes: list[int]
) -> bytes:
    """`y = operator(x, weights)`, serialised."""
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"], name=operator, **attributes)],
        operator,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y_shape)],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    content: bytes = onnx.ModelProto.SerializeToString(model)
    return content
