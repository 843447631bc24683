import numpy as np
import onnx
import pytest
from onnx.helper import make_node
from onnx.reference import ReferenceEvaluator

from fsd.export.layer_inputs import MomentSum, input_rows, weight_rows, weights_of_rows


def outputs_of(node: onnx.NodeProto, activation: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What ONNX's reference implementation computes for one node."""
    (output,) = ReferenceEvaluator(node).run(None, {"x": activation, "w": weights})
    return output


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
