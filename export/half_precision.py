"""Convert FP32 ONNX to FP16: weights and arithmetic in half precision, float32 inputs and outputs.

A pass of our own, since it must choose the precision of every node: the geometry of tokens and memory and the plan's
integration stay in float (half precision resolves 6 cm at 100 m). `parity.py` checks the accuracy.
"""

import copy
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fsd.data.errors import ModelError
from fsd.export.graph_index import names_read

FLOAT_MODULES = ("plan_head", "geometry", "ego_encoder", "memory_attention.pose_", "lead")
"""Modules that stay in float: their metres, seconds and rays have very different magnitudes."""

_CARRIED_FLOAT_ATTRIBUTES = frozenset({"Constant", "ConstantOfShape"})


StaysFloat = Callable[[onnx.NodeProto], bool]


def in_float_modules(node: onnx.NodeProto) -> bool:
    """Whether a node of our own network stays in float."""
    return node.name.startswith(FLOAT_MODULES)


def to_half(
    model: onnx.ModelProto, stays_float: StaysFloat = in_float_modules, is_strict: bool = True
) -> onnx.ModelProto:
    """The FP16 model; casts connect half and float nodes, and restore float outputs.

    Args:
        is_strict: False accepts operators whose shapes are not known.

    Raises:
        ModelError: the graph has a node whose precision cannot be changed.
    """
    source = onnx.shape_inference.infer_shapes(model, strict_mode=is_strict)
    halves = _Halves(source, stays_float)
    converted = copy.deepcopy(source)
    graph = converted.graph
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    for node in source.graph.node:
        graph.node.extend(halves.convert(node))
    graph.node.extend(halves.outputs(source))
    used = {name for node in graph.node for name in names_read(node)}
    graph.initializer.extend(entry for name, entry in halves.constants.items() if name in used)
    onnx.checker.check_model(converted, full_check=is_strict)
    return onnx.shape_inference.infer_shapes(converted, strict_mode=is_strict)


class _Halves:
    """State of the conversion: tensors already in half precision, casts made, constants in both precisions."""

    def __init__(self, model: onnx.ModelProto, stays_float: StaysFloat) -> None:
        graph, self.stays_float = model.graph, stays_float
        typed = [*graph.input, *graph.output, *graph.value_info]
        self.is_float = {value.name: value.type.tensor_type.elem_type == TensorProto.FLOAT for value in typed}
        self.constants = {entry.name: entry for entry in graph.initializer}
        self.is_float |= {name: entry.data_type == TensorProto.FLOAT for name, entry in self.constants.items()}
        self.results = {output.name for output in graph.output}
        self.is_half: set[str] = set()
        self.renamed: dict[str, str] = {}
        self.made: set[str] = set()

    def convert(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The converted node, preceded by the casts that its inputs need."""
        half = not self.stays_float(node)
        has_subgraph = any(a.HasField("g") for a in node.attribute)
        reads_half = has_subgraph and any(name in self.is_half for name in names_read(node))
        if (half and (has_subgraph or node.op_type in _CARRIED_FLOAT_ATTRIBUTES)) or reads_half:
            raise ModelError(f"The node `{node.name}` ({node.op_type}) cannot be converted to half precision.")
        changed = copy.deepcopy(node)
        casts: list[onnx.NodeProto] = []
        for index, name in enumerate(node.input):
            changed.input[index] = self._at(name, half, casts) if name else ""
        for index, name in enumerate(node.output):
            if half and self.is_float.get(name, False):
                stored = f"{name}_half" if name in self.results else name
                self.renamed[name] = changed.output[index] = stored
                self.is_half.add(name)
        if node.op_type == "Cast" and half:
            for attribute in changed.attribute:
                if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                    attribute.i = TensorProto.FLOAT16
        return [*casts, changed]

    def outputs(self, model: onnx.ModelProto) -> list[onnx.NodeProto]:
        """Casts of half-precision outputs to float32."""
        return [
            helper.make_node("Cast", [self.renamed[output.name]], [output.name], f"{output.name}/Cast", to=1)
            for output in model.graph.output
            if output.name in self.is_half
        ]

    def _at(self, name: str, half: bool, casts: list[onnx.NodeProto]) -> str:
        """The name of a tensor at this precision; adds a cast if there is none yet."""
        stored = self.renamed.get(name, name)
        if not self.is_float.get(name, False) or (name in self.is_half) == half:
            return stored
        wanted = f"{name}_as_{'half' if half else 'float'}"
        if name in self.constants:
            with np.errstate(over="ignore"):  # the check below names the constant
                value = numpy_helper.to_array(self.constants[name]).astype(np.float16)
            if not np.isfinite(value).all():
                raise ModelError(f"The constant `{name}` holds a number beyond the range of half precision.")
            self.constants[wanted] = numpy_helper.from_array(value, wanted)
        elif wanted not in self.made:
            self.made.add(wanted)
            to = TensorProto.FLOAT16 if half else TensorProto.FLOAT
            casts.append(helper.make_node("Cast", [stored], [wanted], f"{name}/Cast_to_{to}", to=to))
        return wanted
