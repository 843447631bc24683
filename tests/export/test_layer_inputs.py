from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.reference import ReferenceEvaluator

from fsd.export.layer_inputs import MomentSum, input_rows, moment_sums, weight_rows, weights_of_rows
from fsd.export.onnx_runner import open_model


def outputs_of(node: onnx.NodeProto, activation: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What ONNX's reference implementation computes for one node."""
    (output,) = ReferenceEvaluator(node).run(None, {"x": activation, "w": weights})
    return output


def onnx_runtime_output(node: onnx.NodeProto, activation: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What ONNX Runtime computes for one node."""
    x, w = (make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xw")
    graph = make_graph([node], "one", [x, w], [make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=9)
    return np.asarray(open_model(model).run(None, {"x": activation, "w": weights})[0])


@pytest.mark.parametrize(("stride", "pad", "size"), [(1, 1, 3), (2, 1, 3), (1, 0, 1), (2, 0, 2)])
def test_rows_times_weights_are_the_convolution(stride: int, pad: int, size: int) -> None:
    generator = np.random.default_rng(0)
    activation = generator.normal(size=(2, 5, 8, 6)).astype(np.float32)
    weights = generator.normal(size=(4, 5, size, size)).astype(np.float32)
    node = make_node("Conv", ["x", "w"], ["y"], pads=[pad] * 4, strides=[stride] * 2)
    expected = outputs_of(node, activation, weights)  # (image, output, y, x)
    rows = input_rows(node, weights, activation, 10_000, generator)[:, 0]
    found = rows @ weight_rows(node, weights).T
    np.testing.assert_allclose(found, expected.transpose(0, 2, 3, 1).reshape(found.shape), atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "kernel", "attributes"),
    [
        ((1, 6, 17), (4, 6, 3), {"strides": [2], "dilations": [2], "pads": [3, 1]}),
        ((1, 6, 9, 8), (6, 1, 3, 3), {"group": 6, "pads": [1, 1, 1, 1]}),
        ((2, 6, 9, 8), (4, 3, 3, 2), {"group": 2, "dilations": [2, 1], "pads": [2, 0, 2, 1]}),
        ((1, 3, 9, 8), (4, 3, 3, 2), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        ((1, 3, 9, 8), (4, 3, 2, 4), {"auto_pad": "SAME_LOWER", "strides": [1, 2]}),
        ((1, 3, 9, 8), (4, 3, 3, 3), {"auto_pad": "VALID"}),
        ((1, 2, 4, 5, 6), (3, 2, 2, 3, 2), {"strides": [1, 2, 1]}),
    ],
)
def test_rows_of_every_group_times_its_weights_are_the_convolution(
    shape: tuple[int, ...], kernel: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    generator = np.random.default_rng(3)
    activation, weights = (generator.normal(size=size).astype(np.float32) for size in (shape, kernel))
    node = make_node("Conv", ["x", "w"], ["y"], **attributes)
    expected = np.moveaxis(onnx_runtime_output(node, activation, weights), 1, -1).reshape(-1, kernel[0])
    rows = input_rows(node, weights, activation, 10_000, generator)  # (N, G, K)
    by_group = weight_rows(node, weights).reshape(rows.shape[1], -1, rows.shape[2])  # (G, O / G, K)
    found = np.einsum("ngk,gok->ngo", rows, by_group).reshape(len(rows), -1)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_array_equal(weights_of_rows(node, weight_rows(node, weights), kernel), weights)


def test_rows_of_a_transposed_first_factor_and_of_batches() -> None:
    generator = np.random.default_rng(4)
    activation, weights = generator.normal(size=(5, 7)), generator.normal(size=(5, 3))
    rows = input_rows(make_node("Gemm", ["x", "w"], ["y"], transA=1), weights, activation, 100, generator)[:, 0]
    np.testing.assert_allclose(rows @ weights, activation.T @ weights)
    batches = generator.normal(size=(2, 3, 4, 5))
    rows = input_rows(make_node("MatMul", ["x", "w"], ["y"]), weights, batches, 100, generator)[:, 0]
    np.testing.assert_allclose(rows @ weights, (batches @ weights).reshape(-1, 3))


def test_large_layers_have_variances_alone() -> None:
    node = make_node("MatMul", ["x", "w"], ["y"])
    sums = moment_sums({"small": (node, (64, 8)), "large": (node, (2048, 8))})
    assert [each.has_covariance for each in sums.values()] == [True, False]
    rows = np.random.default_rng(5).normal(1.0, 2.0, size=(30, 2048))
    sums["large"].add(node, np.zeros((2048, 8)), rows)
    found = sums["large"].moments()
    np.testing.assert_allclose(found.covariance[0], rows.var(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.second_moments[0], (rows**2).mean(axis=0), rtol=1e-4)


@pytest.mark.parametrize(("operator", "transposed"), [("MatMul", 0), ("Gemm", 0), ("Gemm", 1)])
def test_rows_times_weights_are_the_matrix_product(operator: str, transposed: int) -> None:
    generator = np.random.default_rng(1)
    activation = generator.normal(size=(7, 5)).astype(np.float32)
    weights = generator.normal(size=(3, 5) if transposed else (5, 3)).astype(np.float32)
    attributes = {"transB": 1} if transposed else {}
    node = make_node(operator, ["x", "w"], ["y"], **attributes)
    rows = input_rows(node, weights, activation, 10_000, generator)[:, 0]
    np.testing.assert_allclose(rows @ weight_rows(node, weights).T, outputs_of(node, activation, weights), atol=1e-5)


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        (make_node("Conv", ["x", "w"], ["y"]), (4, 5, 3, 2)),
        (make_node("MatMul", ["x", "w"], ["y"]), (5, 3)),
        (make_node("Gemm", ["x", "w"], ["y"], transB=1), (3, 5)),
    ],
)
def test_weights_return_from_rows(node: onnx.NodeProto, shape: tuple[int, ...]) -> None:
    weights = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(weights_of_rows(node, weight_rows(node, weights), shape), weights)


def test_moments_are_those_of_all_rows() -> None:
    generator = np.random.default_rng(2)
    node, weights = make_node("MatMul", ["x", "w"], ["y"]), np.zeros((4, 2))
    ticks = [generator.normal(1.0, 2.0, size=(50, 4)) for _ in range(3)]
    total = MomentSum()
    for tick in ticks:
        total.add(node, weights, tick)
    found, rows = total.moments(), np.concatenate(ticks)
    np.testing.assert_allclose(found.mean[0], rows.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.covariance[0], np.cov(rows.T, bias=True), rtol=1e-4)
    np.testing.assert_allclose(found.second_moments[0], rows.T @ rows / len(rows), rtol=1e-4)
