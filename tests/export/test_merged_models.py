from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fsd.data.errors import ModelError
from fsd.export.merged_models import merge_models
from fsd.export.onnx_export import tensor_shapes
from fsd.export.onnx_file import check_runs


@dataclass
class Link:
    output: str
    input: str
    start: int | None = None


def model(
    nodes: list[onnx.NodeProto], inputs: dict[str, list[int]], outputs: dict[str, list[int]], opset: int = 17
) -> onnx.ModelProto:
    def values(shapes: dict[str, list[int]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]

    weights = numpy_helper.from_array(np.full(1, 2, np.float32), "weights")
    graph = helper.make_graph(nodes, "part", values(inputs), values(outputs), [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def vision(opset: int = 17) -> onnx.ModelProto:
    """view (1, 6) times 2 plus speed."""
    nodes = [
        helper.make_node("Mul", ["view", "weights"], ["inner"], name="first"),
        helper.make_node("Add", ["inner", "speed"], ["features"], name="second"),
    ]
    return model(nodes, {"view": [1, 6], "speed": [1, 1]}, {"features": [1, 6]}, opset)


def policy() -> onnx.ModelProto:
    """seen (2, 2) times 2 plus speed."""
    nodes = [
        helper.make_node("Mul", ["seen", "weights"], ["inner"], name="first"),
        helper.make_node("Add", ["inner", "speed"], ["plan"], name="second"),
    ]
    return model(nodes, {"seen": [2, 2], "speed": [1, 1]}, {"plan": [2, 2]})


@pytest.mark.parametrize("opset", [17, 13])
def test_a_part_of_an_output_becomes_the_input_of_the_next_model(opset: int) -> None:
    merged = merge_models([vision(opset), policy()], [Link("features", "seen", 1)], "two files")
    assert list(tensor_shapes(merged.graph.input)) == ["view", "speed"]
    assert list(tensor_shapes(merged.graph.output)) == ["features", "plan"]
    names = [node.name for node in merged.graph.node]
    assert len(names) == len(set(names))
    view, speed = np.arange(6, dtype=np.float32)[None], np.full((1, 1), 0.5, np.float32)
    outputs = check_runs(merged, {"view": view, "speed": speed}, "merged")
    features = view * 2 + 0.5
    np.testing.assert_allclose(outputs["features"], features)
    np.testing.assert_allclose(outputs["plan"], features[0, 1:5].reshape(2, 2) * 2 + 0.5)


@pytest.mark.parametrize(
    ("models", "links", "named"),
    [
        ([vision(), policy()], [Link("features", "seen")], "needs 4 numbers"),
        ([vision(), policy()], [Link("features", "seen", 3)], "needs 4 numbers from 3"),
        ([policy(), vision()], [Link("features", "seen", 1)], "order in which they run"),
        ([vision(), vision()], [], "output 'features'"),
        ([vision(), model([], {"features": [1, 6]}, {})], [], "Say in `links`"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(
    models: list[onnx.ModelProto], links: list[Link], named: str
) -> None:
    with pytest.raises(ModelError, match=named):
        merge_models(models, links, "two files")
