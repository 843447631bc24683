from pathlib import Path

import onnx
import pytest

from fsd.export.network_reference import network_reference
from fsd.export.onnx_export import FORBIDDEN_OPERATORS, export_onnx, serialise, tensor_shapes
from fsd.export.onnx_runner import MakeFeeds, OnnxRunner, ReferenceRunner, open_model
from fsd.networks.contract import input_shapes, output_shapes
from fsd.networks.input_buffers import TickInput
from fsd.networks.model import DrivingNetwork

ROOT = Path(__file__).parents[2]


def test_inputs_and_outputs_are_static_and_named_as_the_contract_says(
    fp32_model: onnx.ModelProto, network: DrivingNetwork
) -> None:
    assert tensor_shapes(fp32_model.graph.input) == input_shapes(network.config.budget)
    assert tensor_shapes(fp32_model.graph.output) == output_shapes()


def test_two_exports_are_the_same_bytes(fp32_model: onnx.ModelProto, network: DrivingNetwork) -> None:
    assert serialise(export_onnx(network)) == serialise(fp32_model)


def test_no_source_path_is_left_in_the_file(fp32_model: onnx.ModelProto) -> None:
    content = serialise(fp32_model)
    assert str(ROOT).encode() not in content
    assert b".py" not in content
    assert b"site-packages" not in content


def test_no_operator_without_a_static_shape_is_used(fp32_model: onnx.ModelProto) -> None:
    assert not {node.op_type for node in fp32_model.graph.node} & FORBIDDEN_OPERATORS


def test_nodes_are_named_after_modules(fp32_model: onnx.ModelProto) -> None:
    names = [node.name for node in fp32_model.graph.node]
    assert len(names) == len(set(names))
    assert "retina.to_token/Conv" in names
    assert "joint_blocks.0.query/Gemm" in names


def test_the_file_uses_the_opset_that_was_asked_for(fp32_model: onnx.ModelProto) -> None:
    assert {entry.domain: entry.version for entry in fp32_model.opset_import}[""] == 20


@pytest.mark.parametrize("optimise", [True, False])
def test_onnx_runtime_gives_what_pytorch_gives_over_recurrent_ticks(
    fp32_model: onnx.ModelProto, network: DrivingNetwork, make_feeds: MakeFeeds, steps: list[TickInput], optimise: bool
) -> None:
    runner, reference = (
        OnnxRunner(open_model(fp32_model, optimise=optimise), make_feeds),
        ReferenceRunner(network_reference(network), make_feeds),
    )
    for step in steps:
        came, expected = runner.step(step), reference.step(step)
        # 1e-4 m is the project's limit; float rounding of a network this size gives some 1e-6.
        assert abs(came["trajectory"] - expected["trajectory"]).max() < 1e-4
        assert abs(came["new_k"] - expected["new_k"]).max() < 1e-4
