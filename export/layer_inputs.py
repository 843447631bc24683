"""The inputs of layers with weights, as rows in the order in which processors add, and their means and covariances.

ONNX Runtime adds the products of a convolution row by row of its window, column by column, and over the input channels
of each pixel; those of a matrix product along its inner axis. A convolution in groups has rows for each group.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view

from fsd.export.graph_index import GraphIndex, attribute

ROWS_PER_TICK = 256
"""Rows of a layer that are used per measured tick; a convolution has thousands, and neighbours are similar."""

LARGEST_COVARIANCE = 1536
"""Inputs of a row above which only variances are measured: covariances of 4608 inputs are 170 MB per layer."""

COVARIANCE_BYTES = 1 << 30
"""Memory for the covariances of all layers; the smallest layers have them first."""

WEIGHTED = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True)
class InputMoments:
    """Of one layer's inputs: `mean` (G, K), and `covariance` (G, K, K), or (G, K) variances alone; float32."""

    mean: np.ndarray
    covariance: np.ndarray

    @property
    def second_moments(self) -> np.ndarray:
        """(G, K, K) mean of x xᵀ, or (G, K) mean of x²."""
        if self.covariance.ndim == 2:
            return self.covariance + self.mean**2
        return self.covariance + self.mean[:, :, None] * self.mean[:, None, :]


@dataclass
class MomentSum:
    """Sums over rows, from which `InputMoments` are made; without `has_covariance`, of variances alone."""

    has_covariance: bool = True
    rows: int = 0
    total: np.ndarray | None = None
    products: np.ndarray | None = None
    _generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0), repr=False)

    def add(self, node: onnx.NodeProto, weights: np.ndarray, activation: np.ndarray) -> None:
        """Add rows of the input of a layer at one tick."""
        rows = input_rows(node, weights, activation, ROWS_PER_TICK, self._generator).astype(np.float64)
        _, groups, inputs = rows.shape
        if self.total is None or self.products is None:
            self.total = np.zeros((groups, inputs))
            self.products = np.zeros((groups, inputs, inputs) if self.has_covariance else (groups, inputs))
        self.rows += len(rows)
        self.total += rows.sum(axis=0)
        if not self.has_covariance:
            self.products += (rows**2).sum(axis=0)
        elif groups == 1:
            self.products[0] += rows[:, 0].T @ rows[:, 0]
        else:
            self.products += np.matmul(rows.transpose(1, 2, 0), rows.transpose(1, 0, 2))

    def merge(self, other: "MomentSum") -> None:
        """Add the rows of another sum over the same layer."""
        if self.total is None or self.products is None:
            self.total, self.products = other.total, other.products
        elif other.total is not None and other.products is not None:
            self.total = self.total + other.total
            self.products = self.products + other.products
        self.rows += other.rows

    def moments(self) -> InputMoments:
        assert self.total is not None, "`add` comes first"
        assert self.products is not None
        mean = self.total / self.rows
        square = mean[:, :, None] * mean[:, None, :] if self.products.ndim == 3 else mean**2
        covariance = self.products / self.rows - square
        return InputMoments(mean.astype(np.float32), covariance.astype(np.float32))


def moment_sums(layers: Mapping[str, tuple[onnx.NodeProto, tuple[int, ...]]]) -> dict[str, MomentSum]:
    """Name -> sums for a layer with weights of a shape, with covariances where there is memory for them."""
    inputs = {name: _row_size(node, shape) for name, (node, shape) in layers.items()}
    left, sums = COVARIANCE_BYTES, {}
    for name in sorted(inputs, key=lambda name: inputs[name]):
        groups = attribute(layers[name][0], "group", 1)
        needed = groups * inputs[name] ** 2 * 8
        has_covariance = inputs[name] <= LARGEST_COVARIANCE and needed <= left
        left -= needed * has_covariance
        sums[name] = MomentSum(has_covariance)
    return {name: sums[name] for name in layers}


def weighted_layers(model: onnx.ModelProto, nodes: Collection[str]) -> dict[str, list[onnx.NodeProto]]:
    """Name of the weights -> the nodes that read them, of the convolutions and matrix products among `nodes`."""
    graph = GraphIndex(model)
    layers: dict[str, list[onnx.NodeProto]] = {}
    chosen = set(nodes)
    for node in graph.nodes:
        if node.name in chosen and node.op_type in WEIGHTED and node.input[1] in graph.constants:
            layers.setdefault(node.input[1], []).append(node)
    return layers


def has_known_rows(readers: list[onnx.NodeProto], shape: tuple[int, ...]) -> bool:
    """Whether the functions below know the order of a layer's weights, which all its readers must share."""
    first = readers[0]
    if first.op_type == "Conv":
        return len(shape) > 2 and all(node.op_type == "Conv" for node in readers)
    if len(shape) != 2 or any(node.op_type == "Conv" for node in readers):
        return False
    if any(attribute(node, name, 1.0) != 1.0 for node in readers for name in ("alpha", "beta")):
        return False
    return len({bool(attribute(node, "transB", 0)) for node in readers}) == 1


def _row_size(node: onnx.NodeProto, shape: tuple[int, ...]) -> int:
    """Inputs of one output: K of the rows."""
    if node.op_type == "Conv":
        return int(np.prod(shape[1:]))
    return shape[1] if attribute(node, "transB", 0) else shape[0]


def weight_rows(node: onnx.NodeProto, weights: np.ndarray) -> np.ndarray:
    """(O, K) weights of a layer, a row per output channel, in the order of `input_rows`."""
    if node.op_type == "Conv":
        return np.moveaxis(weights, 1, -1).reshape(len(weights), -1)
    return weights if attribute(node, "transB", 0) else weights.T


def weights_of_rows(node: onnx.NodeProto, rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `weight_rows`, for weights of a shape."""
    if node.op_type == "Conv":
        outputs, channels, *kernel = shape
        return np.ascontiguousarray(np.moveaxis(rows.reshape(outputs, *kernel, channels), -1, 1))
    return np.ascontiguousarray(rows if attribute(node, "transB", 0) else rows.T)


def input_rows(
    node: onnx.NodeProto, weights: np.ndarray, activation: np.ndarray, limit: int, generator: np.random.Generator
) -> np.ndarray:
    """(N, G, K) rows of a layer's input by group, at most `limit`, drawn at random."""
    if node.op_type != "Conv":
        if attribute(node, "transA", 0):
            activation = activation.T
        rows = activation.reshape(-1, activation.shape[-1])
        chosen = rows if len(rows) <= limit else rows[generator.choice(len(rows), limit, replace=False)]
        return chosen[:, None]
    kernel = weights.shape[2:]
    axes = tuple(range(2, 2 + len(kernel)))
    strides = attribute(node, "strides", [1] * len(kernel))
    dilations = attribute(node, "dilations", [1] * len(kernel))
    reach = tuple((size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True))
    padded = np.pad(activation, [(0, 0), (0, 0), *_pads(node, activation.shape[2:], reach, strides)])
    windows = sliding_window_view(padded, reach, axis=axes)
    windows = windows[(slice(None), slice(None), *(slice(None, None, step) for step in strides))]
    taps = tuple(slice(None, None, step) for step in dilations)
    windows = windows[(*(slice(None) for _ in windows.shape[: -len(kernel)]), *taps)]
    images, _, *places = windows.shape[: 2 + len(kernel)]
    count = images * int(np.prod(places))
    drawn = np.arange(count) if count <= limit else generator.choice(count, limit, replace=False)
    image, *place = np.unravel_index(drawn, (images, *places))
    rows = np.moveaxis(windows, 1, 1 + len(kernel))[(image, *place)]  # (N, C, *kernel)
    groups = attribute(node, "group", 1)
    rows = rows.reshape(len(drawn), groups, -1, *kernel)
    return np.moveaxis(rows, 2, -1).reshape(len(drawn), groups, -1)


def _pads(
    node: onnx.NodeProto, sizes: tuple[int, ...], reach: tuple[int, ...], strides: list[int]
) -> list[tuple[int, int]]:
    """(before, after) of each axis of a convolution."""
    kind = attribute(node, "auto_pad", b"NOTSET").decode()
    if kind not in ("SAME_UPPER", "SAME_LOWER"):
        pads = [0] * 2 * len(sizes) if kind == "VALID" else attribute(node, "pads", [0] * 2 * len(sizes))
        return list(zip(pads[: len(sizes)], pads[len(sizes) :], strict=True))
    found = []
    for size, window, step in zip(sizes, reach, strides, strict=True):
        total = max((-(-size // step) - 1) * step + window - size, 0)
        small, large = total // 2, total - total // 2
        found.append((small, large) if kind == "SAME_UPPER" else (large, small))
    return found
