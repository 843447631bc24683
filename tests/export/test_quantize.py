from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration
from fsd.export.network_nodes import quantized_nodes
from fsd.export.onnx_export import serialise, tensor_shapes
from fsd.export.onnx_runner import open_model
from fsd.export.quantize import quantize
from fsd.export.recipes import RECIPES
from fsd.networks.contract import input_shapes, output_shapes
from fsd.networks.model import DrivingNetwork


def producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {output: node for node in model.graph.node for output in node.output}


def fused_operators(model: onnx.ModelProto, folder: str) -> list[str]:
    """Operator types that ONNX Runtime really runs, after its optimiser."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = f"{folder}/optimised.onnx"
    options.log_severity_level = 3
    onnxruntime.InferenceSession(serialise(model), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]


def test_the_interface_stays_that_of_the_contract(int8_model: onnx.ModelProto, network: DrivingNetwork) -> None:
    assert tensor_shapes(int8_model.graph.input) == input_shapes(network.config.budget)
    assert tensor_shapes(int8_model.graph.output) == output_shapes()


def test_uint8_pixels_reach_the_first_convolution_unchanged(int8_model: onnx.ModelProto) -> None:
    producer = producers(int8_model)
    for name in ("retina.trunk.0.1/Conv", "patch.trunk.0.1/Conv"):
        convolution = next(node for node in int8_model.graph.node if node.name == name)
        dequantizer = producer[convolution.input[0]]
        assert dequantizer.op_type == "DequantizeLinear"
        origin = dequantizer.input[0]
        while origin in producer:
            assert producer[origin].op_type in ("Reshape", "Cast")
            origin = producer[origin].input[0]
        assert origin in ("retina", "patches")


def test_every_convolution_and_linear_layer_chosen_runs_in_integers(
    int8_model: onnx.ModelProto, fp32_model: onnx.ModelProto, tmp_path: object
) -> None:
    operators = fused_operators(int8_model, str(tmp_path))
    chosen = [name.rpartition("/")[2] for name in quantized_nodes(fp32_model)]
    assert operators.count("QLinearConv") == chosen.count("Conv")
    assert "Conv" not in operators
    assert operators.count("QGemm") == sum(name.startswith("Gemm") for name in chosen)


@pytest.mark.parametrize("operator", ["Softmax", "LayerNormalization", "Tanh"])
def test_what_breaks_in_integers_stays_in_float(int8_model: onnx.ModelProto, operator: str) -> None:
    producer = producers(int8_model)
    consumers = {name: node for node in int8_model.graph.node for name in node.input}
    nodes = [node for node in int8_model.graph.node if node.op_type == operator]
    assert nodes
    for node in nodes:
        source = producer.get(node.input[0])
        assert source is None or source.op_type != "DequantizeLinear"
        if operator == "Softmax":
            assert consumers[node.output[0]].op_type != "QuantizeLinear"


def test_attention_products_stay_in_float(fp32_model: onnx.ModelProto) -> None:
    constants = {initializer.name for initializer in fp32_model.graph.initializer}
    chosen = set(quantized_nodes(fp32_model))
    products = [n for n in fp32_model.graph.node if n.op_type == "MatMul" and n.input[1] not in constants]
    assert len(products) >= 6
    assert not chosen & {node.name for node in products}


def test_no_head_is_quantized(fp32_model: onnx.ModelProto) -> None:
    heads = ("plan_head", "to_key", "to_value", "saliency", "lead", "light", "occupancy", "geometry", "ego_encoder")
    assert not [name for name in quantized_nodes(fp32_model) if name.startswith(heads)]


def test_quantizing_twice_gives_the_same_bytes(
    fp32_model: onnx.ModelProto, calibration: Calibration, int8_model: onnx.ModelProto
) -> None:
    assert serialise(quantize(fp32_model, quantized_nodes(fp32_model), calibration, RECIPES["ort-cpu"])) == serialise(
        int8_model
    )


def test_a_calibration_of_another_graph_is_refused(fp32_model: onnx.ModelProto) -> None:
    with pytest.raises(ModelError, match=r"\d+ tensors"):
        quantize(fp32_model, quantized_nodes(fp32_model), Calibration({}, 1, 1), RECIPES["ort-cpu"])


def test_a_graph_without_module_names_is_refused(fp32_model: onnx.ModelProto) -> None:
    nameless = onnx.ModelProto()
    nameless.CopyFrom(fp32_model)
    for index, node in enumerate(nameless.graph.node):
        node.name = f"n{index}"
    with pytest.raises(ModelError, match="names"):
        quantized_nodes(nameless)


def test_the_file_loads_with_and_without_the_optimiser(int8_model: onnx.ModelProto) -> None:
    for optimise in (True, False):
        assert open_model(int8_model, optimise=optimise).get_inputs()


def test_every_convolution_runs_on_integers_also_where_biases_are_not_zero(
    fp32_model: onnx.ModelProto, calibration: Calibration, tmp_path: Path
) -> None:
    biased = onnx.ModelProto()
    biased.CopyFrom(fp32_model)
    rng = np.random.default_rng(0)
    convolutions = [node for node in biased.graph.node if node.op_type == "Conv"]
    for node in convolutions:
        channels = next(entry.dims[0] for entry in biased.graph.initializer if entry.name == node.input[1])
        bias = numpy_helper.from_array(rng.normal(size=channels).astype(np.float32), f"{node.name}.bias")
        biased.graph.initializer.append(bias)
        node.input[2:] = [bias.name]
    kinds = fused_operators(quantize(biased, quantized_nodes(biased), calibration, RECIPES["ort-cpu"]), str(tmp_path))
    assert kinds.count("QLinearConv") == len(convolutions)
    assert not {"Conv", "FusedConv", "NhwcFusedConv"} & set(kinds)
