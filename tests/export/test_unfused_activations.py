from pathlib import Path

import numpy as np
import onnx
import pytest

from fsd.export.calibration import calibrate
from fsd.export.node_choice import activations_of
from fsd.export.onnx_runner import OnnxRunner, open_model
from fsd.export.quantize import quantize
from fsd.export.recipes import RECIPES
from fsd.export.variants import to_weights8
from fsd.networks.onnx_session import session_options
from tests.export._small_models import Builder, SmallModel


def perceptron(activation: str) -> SmallModel:
    """Two layers, each before an activation."""
    b = Builder()
    x = "x"
    for _ in range(2):
        x = b.add(activation, b.add("Gemm", x, b.weights(64, 64), b.constant(np.full(64, 0.1))))
    return SmallModel(b.model({"x": ((1, 64), "float32")}, {"plan": (b.add("Gemm", x, b.weights(64, 8)), (1, 8))}))


def operators(model: onnx.ModelProto, folder: Path) -> list[str]:
    """What ONNX Runtime runs."""
    import onnxruntime

    options = session_options(1)
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]


@pytest.mark.parametrize("activation", ["Relu", "Tanh", "Sigmoid"])
def test_products_before_float_activations_run_in_integers(activation: str, tmp_path: Path) -> None:
    small = perceptron(activation)
    nodes = [node.name for node in small.model.graph.node if node.op_type == "Gemm"][:2]
    found = calibrate(small.model, small.make_feeds, activations_of(small.model, nodes), [small.steps(8)], nodes=nodes)
    made = quantize(small.model, nodes, found, RECIPES["ort-cpu"])
    assert operators(made, tmp_path).count("QGemm") == 2
    before, after = (OnnxRunner(open_model(model), small.make_feeds) for model in (small.model, made))
    for step in small.steps(4):
        np.testing.assert_allclose(after.step(step)["plan"], before.step(step)["plan"], atol=0.05)


def test_weights_of_eight_bits_are_not_dequantized_at_every_tick(tmp_path: Path) -> None:
    found = operators(to_weights8(perceptron("Relu").model).graph, tmp_path)
    assert "DequantizeLinear" not in found
