"""Equalise the channels that quantized layers read, without changing the model's function, in any graph.

One scale per activation spends most of its 256 steps on the few large channels. Where a norm, or any product with a
stored vector, feeds only layers with weights, a channel can be divided in that vector and multiplied in the weights:
the result is the same, and weights have a scale per row.

Source: G. Xiao et al., SmoothQuant, ICML 2023, equation 4.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from fsd.data.errors import ModelError
from fsd.export.calibration import measured_ticks
from fsd.export.clip_measure import MeasureClips, Measured, in_turn
from fsd.export.graph_index import GraphIndex, attribute
from fsd.export.onnx_runner import Clip, MakeFeeds

MIGRATION = 0.5
"""Share of a channel's magnitude moved to the weights, as an exponent."""

Scales = Mapping[str, Sequence[float]]
"""Name of a norm -> divisor of each of its channels."""

_NORMS = ("LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization")
_RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")


@dataclass(frozen=True)
class Norm:
    """A tensor with scaled channels, and the layers that read it.

    Attributes:
        output: the tensor; constants: (node, input) of the vectors to divide.
        readers: name of the weights -> axis of their inputs.
    """

    output: str
    constants: tuple[tuple[str, int], ...]
    readers: Mapping[str, int]


def norms_of(model: onnx.ModelProto, nodes: Collection[str]) -> dict[str, Norm]:
    """By the name of the node without its operator, every norm whose output only layers among `nodes` read."""
    graph = GraphIndex(model)
    found: dict[str, Norm] = {}
    for node in graph.nodes:
        constants = _vectors(graph, node)
        output = node.output[0] if node.output else ""
        if not constants or not output or output in graph.results:
            continue
        size = graph.dims(_constant(graph, constants[0]))[-1]
        readers = _readers(graph, output, size, set(nodes))
        if readers:
            name = node.name.rpartition("/")[0] or node.name
            found[name if name not in found else node.name] = Norm(output, tuple(constants), readers)
    return found


def measure_scales(
    model: onnx.ModelProto,
    make_feeds: MakeFeeds,
    clips: Iterable[Clip],
    nodes: Collection[str],
    every: int = 4,
    roll_out: bool = True,
    measure_clips: MeasureClips = in_turn,
) -> dict[str, list[float]]:
    """Scales from the largest value of each channel over rolled-out clips, at every `every`-th tick."""
    norms = norms_of(model, nodes)
    if not norms:
        return {}
    measure = GraphPeakMeasure(model, make_feeds, tuple(nodes), every, roll_out)
    peaks: dict[str, np.ndarray] = {}
    for found in measure_clips(measure, list(clips)):
        peaks |= {name: np.maximum(peaks.get(name, np.float32(0)), peak) for name, peak in found.items()}
    graph = GraphIndex(model)
    return {name: _scale(graph, peaks[name], norms[name]).tolist() for name in peaks}


@dataclass(frozen=True)
class GraphPeakMeasure:
    """The largest value of each channel of every norm over one clip; see `ClipMeasure`."""

    model: onnx.ModelProto
    make_feeds: MakeFeeds
    nodes: tuple[str, ...]
    every: int
    roll_out: bool

    @property
    def content(self) -> Iterable[bytes]:
        yield self.model.SerializeToString(deterministic=True)
        yield repr((self.nodes, self.every, self.roll_out)).encode()

    def __call__(self, clip: Clip) -> Measured:
        norms, peaks = norms_of(self.model, self.nodes), dict[str, np.ndarray]()
        outputs = [norm.output for norm in norms.values()]
        for _, values in measured_ticks(self.model, self.make_feeds, outputs, [clip], self.every, self.roll_out):
            for name, norm in norms.items():
                tensor = values[norm.output]
                peak = np.abs(tensor).reshape(-1, tensor.shape[-1]).max(axis=0)
                peaks[name] = np.maximum(peaks.get(name, np.float32(0)), peak)
        return peaks


def smooth(model: onnx.ModelProto, scales: Scales, nodes: Collection[str]) -> None:
    """Equalise channels in place; the function stays the same.

    Raises:
        ModelError: the scales do not fit this model.
    """
    norms = norms_of(model, nodes)
    graph = GraphIndex(model)
    sizes = {name: graph.dims(_constant(graph, norm.constants[0]))[-1] for name, norm in norms.items()}
    if {name: len(scale) for name, scale in scales.items()} != sizes:
        raise ModelError(
            "The calibration's smoothing scales do not fit this model. Calibrate again: leave `--calibration` out."
        )
    for name, norm in norms.items():
        scale = np.array(scales[name], np.float32)
        for place in norm.constants:
            vector = _own(model, graph, place)
            vector.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(vector) / scale, vector.name))
        for weights, axis in norm.readers.items():
            factor = scale[:, None] if axis == 0 else scale
            graph.constants[weights].CopyFrom(numpy_helper.from_array(graph.array(weights) * factor, weights))


def _vectors(graph: GraphIndex, node: onnx.NodeProto) -> list[tuple[str, int]]:
    """(node, input) of the constants that a node's output is proportional to, channel by channel."""
    if node.op_type in _NORMS:
        is_last = attribute(node, "axis", -1) == -1 or node.op_type == "RMSNormalization"
        places = [(node.name, index) for index in range(1, len(node.input)) if node.input[index]]
        return places if is_last and all(_is_vector(graph, node.input[index]) for _, index in places) else []
    if node.op_type == "Mul":
        return [(node.name, index) for index in (0, 1) if _is_vector(graph, node.input[index])][:1]
    if node.op_type == "Add":
        for index in (0, 1):
            product = graph.producer.get(node.input[1 - index])
            if not _is_vector(graph, node.input[index]) or product is None or product.op_type != "Mul":
                continue
            factors = _vectors(graph, product)
            if factors and len(graph.readers[product.output[0]]) == 1 and product.output[0] not in graph.results:
                return [*factors, (node.name, index)]
    return []


def _is_vector(graph: GraphIndex, name: str) -> bool:
    return graph.is_float(name) and len(graph.dims(name)) == 1 and graph.dims(name)[0] > 1


def _readers(graph: GraphIndex, output: str, size: int, chosen: set[str]) -> dict[str, int]:
    """Weights of all layers that read a tensor -> axis of their inputs; empty if something else reads it."""
    found: dict[str, int] = {}
    for node in graph.readers.get(output, []):
        if node.op_type in _RESHAPES and node.output[0] not in graph.results:
            further = _readers(graph, node.output[0], size, chosen)
            if not further:
                return {}
            found |= further
            continue
        if node.name not in chosen or node.op_type not in ("Gemm", "MatMul") or node.input[0] != output:
            return {}
        weights = node.input[1]
        axis = 1 if node.op_type == "Gemm" and attribute(node, "transB", 0) else 0
        is_alone = len(graph.readers[weights]) == 1
        if not is_alone or attribute(node, "transA", 0) or graph.dims(weights)[axis] != size:
            return {}
        found[weights] = axis
    return found


def _constant(graph: GraphIndex, place: tuple[str, int]) -> str:
    name, index = place
    return str(next(node for node in graph.nodes if node.name == name).input[index])


def _own(model: onnx.ModelProto, graph: GraphIndex, place: tuple[str, int]) -> onnx.TensorProto:
    """The constant of one node, copied before if others read it as well."""
    name = _constant(graph, place)
    if len(graph.readers[name]) == 1:
        return graph.constants[name]
    node = next(node for node in model.graph.node if node.name == place[0])
    copied = model.graph.initializer.add()
    copied.CopyFrom(graph.constants[name])
    copied.name = node.input[place[1]] = f"{name}_of_{node.name}"
    graph.constants[copied.name] = copied
    return copied


def _scale(graph: GraphIndex, peak: np.ndarray, norm: Norm) -> np.ndarray:
    """Per channel, peak ** m / weight ** (1 - m); 1 for unused channels."""
    heaviest = np.max([np.abs(graph.array(name)).max(axis=1 - axis) for name, axis in norm.readers.items()], axis=0)
    is_used = (peak > 0) & (heaviest > 0)
    scale = np.maximum(peak, 1e-5) ** MIGRATION / np.maximum(heaviest, 1e-5) ** (1.0 - MIGRATION)
    return np.where(is_used, scale, 1.0).astype(np.float32)
