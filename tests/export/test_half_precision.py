import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fsd.data.errors import ModelError, UsageError
from fsd.export.half_precision import to_half
from fsd.export.onnx_export import serialise, tensor_shapes
from fsd.export.onnx_runner import MakeFeeds, OnnxRunner, open_model
from fsd.export.variants import to_half_anywhere
from fsd.networks.contract import input_shapes, output_shapes
from fsd.networks.input_buffers import TickInput
from fsd.networks.model import DrivingNetwork


@pytest.fixture(scope="module")
def half_model(fp32_model: onnx.ModelProto) -> onnx.ModelProto:
    return to_half(fp32_model)


def test_inputs_and_outputs_stay_those_of_the_contract(half_model: onnx.ModelProto, network: DrivingNetwork) -> None:
    assert tensor_shapes(half_model.graph.input) == input_shapes(network.config.budget)
    assert tensor_shapes(half_model.graph.output) == output_shapes()


def test_the_weights_are_halves_and_the_plan_is_not(half_model: onnx.ModelProto) -> None:
    types = {entry.name: entry.data_type for entry in half_model.graph.initializer}
    of_node = {node.name: [types[name] for name in node.input if name in types] for node in half_model.graph.node}
    convolutions = [kinds for name, kinds in of_node.items() if name.endswith("/Conv")]
    assert convolutions
    assert all(set(kinds) == {TensorProto.FLOAT16} for kinds in convolutions)
    assert set(of_node["plan_head.accelerations/MatMul"]) == {TensorProto.FLOAT}


@pytest.mark.parametrize("optimise", [True, False])
def test_it_loads_and_agrees_over_recurrent_ticks(
    half_model: onnx.ModelProto,
    fp32_model: onnx.ModelProto,
    make_feeds: MakeFeeds,
    steps: list[TickInput],
    optimise: bool,
) -> None:
    half = OnnxRunner(open_model(half_model, optimise=optimise), make_feeds)
    full = OnnxRunner(open_model(fp32_model), make_feeds)
    differences_m = [np.abs(half.step(s)["trajectory"] - full.step(s)["trajectory"])[:, :2].max() for s in steps]
    assert max(differences_m) < 0.02  # half precision keeps 11 bits: about 1 part in 2000 of a 40 m plan
    assert max(differences_m) > 0


def test_the_same_model_gives_the_same_bytes(fp32_model: onnx.ModelProto, half_model: onnx.ModelProto) -> None:
    assert serialise(to_half(fp32_model)) == serialise(half_model)


def test_a_weight_beyond_half_precision_is_refused(fp32_model: onnx.ModelProto) -> None:
    huge = onnx.ModelProto()
    huge.CopyFrom(fp32_model)
    name = next(node for node in huge.graph.node if node.op_type == "Conv").input[1]
    weight = next(entry for entry in huge.graph.initializer if entry.name == name)
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) + np.float32(1e6), name))
    with pytest.raises(ModelError, match=name):
        to_half(huge)


def with_branch() -> onnx.ModelProto:
    """y = (x w) w, or with -1 in place of the second w: a branch that reads results and weights from outside it."""
    node, value = helper.make_node, helper.make_tensor_value_info
    then = helper.make_graph([node("MatMul", ["t", "w"], ["a"], "inner")], "then", [], [value("a", 1, [1, 8])])
    other = helper.make_graph([node("Neg", ["t"], ["b"], "negated")], "other", [], [value("b", 1, [1, 8])])
    nodes = [
        node("Relu", ["x"], ["r"], "relu"),
        node("MatMul", ["r", "w"], ["t"], "product"),
        node("ReduceSum", ["t"], ["sum"], "sum", keepdims=0),
        node("Greater", ["sum", "zero"], ["flag"], "greater"),
        node("If", ["flag"], ["y"], "branch", then_branch=then, else_branch=other),
    ]
    weights = np.random.default_rng(0).normal(0, 0.3, (8, 8)).astype(np.float32)
    stored = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.float32(0), "zero")]
    graph = helper.make_graph(nodes, "g", [value("x", 1, [1, 8])], [value("y", 1, [1, 8])], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_branches_stay_float_with_what_they_read() -> None:
    model = with_branch()
    half, notes = to_half_anywhere(model)
    assert "If" in notes["float"]
    assert any(node.op_type == "Cast" for node in half.graph.node)
    for sign in (1, -1):
        x = {"x": sign * np.linspace(0.1, 1, 8, dtype=np.float32)[None]}
        (wanted,), (found,) = (open_model(each).run(["y"], x) for each in (model, half))
        np.testing.assert_allclose(found, wanted, atol=2e-3)  # half precision keeps 11 bits


def test_a_pattern_of_float_nodes_that_matches_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="relu, product"):
        to_half_anywhere(with_branch(), ["absent*"])
