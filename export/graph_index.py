"""Look up the tensors and nodes of an ONNX graph by name."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper


class GraphIndex:
    """Constants, producers and readers of a graph's tensors; does not follow later changes of its nodes."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.constants = {entry.name: entry for entry in model.graph.initializer}
        self.results = {output.name for output in model.graph.output}
        self.producer = {output: node for node in self.nodes for output in node.output if output}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in names_read(node):
                self.readers.setdefault(name, []).append(node)

    def array(self, name: str) -> np.ndarray:
        """The value of a constant."""
        return numpy_helper.to_array(self.constants[name])

    def dims(self, name: str) -> tuple[int, ...]:
        """The shape of a constant."""
        return tuple(self.constants[name].dims)

    def is_float(self, name: str) -> bool:
        """Whether a tensor is a float32 constant."""
        return name in self.constants and self.constants[name].data_type == onnx.TensorProto.FLOAT

    def activations(self, node: onnx.NodeProto) -> list[str]:
        """Inputs of a node that are no constants."""
        return [name for name in node.input if name and name not in self.constants]

    def followers(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """The nodes that read a node's outputs."""
        for name in node.output:
            yield from self.readers.get(name, [])


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """The value of a node's attribute."""
    for each in node.attribute:
        if each.name == name:
            return onnx.helper.get_attribute_value(each)
    return default


def names_read(node: onnx.NodeProto) -> Iterator[str]:
    """Names that a node reads, those inside its subgraphs included."""
    yield from (name for name in node.input if name)
    for each in node.attribute:
        for graph in (each.g, *each.graphs):
            for inner in graph.node:
                yield from names_read(inner)
