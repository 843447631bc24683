"""The inputs of layers with weights, as rows in the order in which processors add, and their means and covariances.

ONNX Runtime adds the products of a convolution row by row of its window, column by column, and over the input channels
of each pixel; those of a matrix product along its inner axis.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view

ROWS_PER_TICK = 256
"""Rows of a layer that are used per measured tick; a convolution has thousands, and neighbours are similar."""


@dataclass(frozen=True)
class InputMoments:
    """Of one layer's inputs: `mean` (K,), and `covariance` (K, K), float32."""

    mean: np.ndarray
    covariance: np.ndarray

    @property
    def second_moments(self) -> np.ndarray:
        """(K, K) mean of x xᵀ."""
        return self.covariance + np.outer(self.mean, self.mean)


@dataclass
class MomentSum:
    """Sums over rows, from which `InputMoments` are made."""

    rows: int = 0
    total: np.ndarray | None = None
    products: np.ndarray | None = None
    _generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0), repr=False)

    def add(self, node: onnx.NodeProto, weights: np.ndarray, activation: np.ndarray) -> None:
        """Add rows of the input of a layer at one tick."""
        rows = input_rows(node, weights, activation, ROWS_PER_TICK, self._generator).astype(np.float64)
        if self.total is None or self.products is None:
            self.total, self.products = np.zeros(rows.shape[1]), np.zeros((rows.shape[1], rows.shape[1]))
        self.rows += len(rows)
        self.total += rows.sum(axis=0)
        self.products += rows.T @ rows

    def moments(self) -> InputMoments:
        assert self.total is not None, "`add` comes first"
        assert self.products is not None
        mean = self.total / self.rows
        covariance = self.products / self.rows - np.outer(mean, mean)
        return InputMoments(mean.astype(np.float32), covariance.astype(np.float32))


def weighted_layers(model: onnx.ModelProto, nodes: Collection[str]) -> dict[str, onnx.NodeProto]:
    """Name of the weights -> the node that reads them, of the convolutions and matrix products among `nodes`."""
    constants = {initializer.name for initializer in model.graph.initializer}
    return {
        node.input[1]: node
        for node in model.graph.node
        if node.name in nodes and node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in constants
    }


def weight_rows(node: onnx.NodeProto, weights: np.ndarray) -> np.ndarray:
    """(O, K) weights of a layer, a row per output channel, in the order of `input_rows`."""
    if node.op_type == "Conv":
        return weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)
    return weights if _attribute(node, "transB", 0) else weights.T


def weights_of_rows(node: onnx.NodeProto, rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `weight_rows`, for weights of a shape."""
    if node.op_type == "Conv":
        outputs, channels, height, width = shape
        return np.ascontiguousarray(rows.reshape(outputs, height, width, channels).transpose(0, 3, 1, 2))
    return np.ascontiguousarray(rows if _attribute(node, "transB", 0) else rows.T)


def input_rows(
    node: onnx.NodeProto, weights: np.ndarray, activation: np.ndarray, limit: int, generator: np.random.Generator
) -> np.ndarray:
    """(N, K) rows of a layer's input, at most `limit`, drawn at random."""
    if node.op_type != "Conv":
        rows = activation.reshape(-1, activation.shape[-1])
        return rows if len(rows) <= limit else rows[generator.choice(len(rows), limit, replace=False)]
    top, left, bottom, right = _attribute(node, "pads", [0, 0, 0, 0])
    step_y, step_x = _attribute(node, "strides", [1, 1])
    padded = np.pad(activation, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = sliding_window_view(padded, weights.shape[2:], axis=(2, 3))[:, :, ::step_y, ::step_x]
    images, _, height, width = windows.shape[:4]
    count = images * height * width
    chosen = np.arange(count) if count <= limit else generator.choice(count, limit, replace=False)
    image, y, x = np.unravel_index(chosen, (images, height, width))
    return windows[image, :, y, x].transpose(0, 2, 3, 1).reshape(len(chosen), -1)


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            return onnx.helper.get_attribute_value(attribute)
    return default
