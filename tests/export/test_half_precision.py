import numpy as np
import onnx
import pytest
from onnx import TensorProto

from fsd.data.errors import ModelError
from fsd.export.half_precision import to_half
from fsd.export.onnx_export import serialise, tensor_shapes
from fsd.export.onnx_runner import MakeFeeds, OnnxRunner, open_model
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
